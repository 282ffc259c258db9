package storetest

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sightline/store"
	"sightline/store/filter"
)

func checkNumbers(t *testing.T, x store.Index) {
	shelf(t, x)
	mustDelete(t, x, 1, "i08")
	ranges := []store.Range{{From: 0, To: 3}, {From: 3, To: 9}, {From: math.Inf(-1), To: math.Inf(1)}, {From: 9, To: math.Inf(1)}}
	for _, c := range []struct {
		text, field string
		want        store.Numbers
	}{
		{"id EXISTS", "price", numbersOf(ranges, 1, 2, 3, 4, 5, 6, 7, 9)},
		{"price >= 2 AND price < 6", "price", numbersOf(ranges, 2, 3, 4, 5)},
		{`brand = "none"`, "price", numbersOf(ranges)},
		{"id EXISTS", "attributes.tags", numbersOf(ranges)},
		{"id EXISTS", "attributes.none", numbersOf(ranges)},
	} {
		got, err := x.Numbers(t.Context(), parsed(t, c.text), c.field, ranges)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s of %s: got %+v, %v; want %+v", c.field, c.text, got, err, c.want)
		}
	}
	for _, c := range []struct {
		field  string
		ranges []store.Range
	}{
		{"brand", nil},
		{"version", nil},
		{"updated_at", nil},
		{"material", nil},
		{"", nil},
		{"price", []store.Range{{From: 2, To: 2}}},
		{"price", []store.Range{{From: math.NaN(), To: 2}}},
		{"price", slices.Repeat([]store.Range{{From: 1, To: 2}}, 129)},
	} {
		_, err := x.Numbers(t.Context(), nil, c.field, c.ranges)
		wantError(t, fmt.Sprint(c.field, len(c.ranges)), err, store.ErrInvalid)
	}
}

func numbersOf(ranges []store.Range, numbers ...float64) store.Numbers {
	n := store.Numbers{Count: len(numbers), Ranges: make([]int, len(ranges))}
	if len(numbers) > 0 {
		n.Min, n.Max = slices.Min(numbers), slices.Max(numbers)
	}
	for i, r := range ranges {
		for _, number := range numbers {
			if number >= r.From && number < r.To {
				n.Ranges[i]++
			}
		}
	}
	return n
}

// numbers compares with a count of the model's items one by one.
func (m *model) numbers(t *rapid.T) {
	e := DrawFilter(t)
	bound := rapid.IntRange(-1, 8)
	from := bound.Draw(t, "from")
	ranges := []store.Range{{From: float64(from), To: float64(from + 1 + bound.Draw(t, "more") + 1)}, {From: math.Inf(-1), To: math.Inf(1)}}
	for _, field := range []string{"price", "attributes.size"} {
		var all []float64
		for _, id := range m.matching(e) {
			it := m.live[id].Item
			if v, ok := it.Field(field); ok && v.Type == filter.Number {
				all = append(all, v.Number)
			}
		}
		got, err := m.index.Numbers(m.ctx, e, field, ranges)
		if want := numbersOf(ranges, all...); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("numbers of %s where %s: got %+v, %v; want %+v", field, filter.Format(e), got, err, want)
		}
	}
}
