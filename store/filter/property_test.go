package filter_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sightline/store/filter"
)

// sample is a filter in both written forms with its meaning in plain Go, made
// without the code under test.
type sample struct {
	text, json string
	match      func(item) bool
}

// domain is what drawn filters and items hold of one field, small enough to meet.
type domain struct {
	field  string // in a tree
	name   string // in text
	values []any
}

var (
	early = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	texts = []any{"", "a", "ab", "b", "a, b", `q"'\` + "\n", "é", "AND", "1"}
)

func drawDomain(t *rapid.T) domain {
	return rapid.SampledFrom([]domain{
		{"price", "price", []any{-1.0, 0.0, 0.5, 2.0, 1e21}},
		{"version", "version", []any{int64(1), int64(2), int64(1<<53 + 1), int64(1 << 53), int64(1<<63 - 1)}},
		{"updated_at", "`updated_at`", []any{early, early.Add(1), early.Add(time.Hour), early.Add(-time.Hour)}},
		{"brand", "brand", texts},
		{"attributes.size", "size", []any{1.0, 2.0, -0.5}},
		{"attributes.size", "attributes.size", texts},
		{"attributes.shoe `x`", "`shoe \\`x\\``", texts},
		{"attributes.sale", "sale", []any{true, false}},
	}).Draw(t, "field")
}

func drawItem(t *rapid.T) item {
	it := item{}
	for range 8 {
		if d := drawDomain(t); rapid.Bool().Draw(t, "there") {
			it[d.field] = rapid.SampledFrom(d.values).Draw(t, "value")
		}
	}
	if rapid.Bool().Draw(t, "tags") {
		it["attributes.tags"] = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3).Draw(t, "list")
	}
	return it
}

// show writes a value as a user would; times in some zone.
func show(v any) string {
	if at, ok := v.(time.Time); ok {
		v = at.In(time.FixedZone("", 3600*(at.Nanosecond()+1)))
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// order compares two values; ok is false when their types differ.
func order(a, b any) (sign int, ok bool) {
	if reflect.TypeOf(a) != reflect.TypeOf(b) {
		return 0, false
	}
	less := false
	switch a := a.(type) {
	case string:
		less = a < b.(string)
	case float64:
		less = a < b.(float64)
	case int64:
		less = a < b.(int64)
	case time.Time:
		less = a.Before(b.(time.Time))
	}
	switch {
	case reflect.DeepEqual(a, b):
		return 0, true
	case less:
		return -1, true
	}
	return 1, true
}

func drawTree(t *rapid.T, depth int) sample {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth == 0 || kind > 2 {
		return drawLeaf(t)
	}
	if kind == 0 {
		kid := drawTree(t, depth-1)
		return sample{word(t, "not") + " (" + kid.text + ")", `{"not":` + kid.json + `}`, func(it item) bool { return !kid.match(it) }}
	}
	var texts, jsons []string
	var kids []sample
	for range rapid.IntRange(1, 4).Draw(t, "kids") {
		kid := drawTree(t, depth-1)
		texts, jsons, kids = append(texts, "("+kid.text+")"), append(jsons, kid.json), append(kids, kid)
	}
	name, all := "or", kind == 1
	if all {
		name = "and"
	}
	return sample{
		strings.Join(texts, word(t, name)), fmt.Sprintf(`{"%s":[%s]}`, name, strings.Join(jsons, ", ")),
		func(it item) bool { // all match, or one does
			return slices.ContainsFunc(kids, func(kid sample) bool { return kid.match(it) != all }) != all
		},
	}
}

func word(t *rapid.T, name string) string {
	return " " + rapid.SampledFrom([]string{name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:]}).Draw(t, "word") + " "
}

func drawLeaf(t *rapid.T) sample {
	switch d := drawDomain(t); rapid.IntRange(0, 5).Draw(t, "leaf") {
	case 0:
		return drawExists(t, d)
	case 1:
		return drawContains(t)
	case 2:
		return drawPrefix(t)
	case 3:
		return drawIn(t, d)
	default:
		return drawComparison(t, d)
	}
}

func drawExists(t *rapid.T, d domain) sample {
	want := rapid.Bool().Draw(t, "exists")
	text := d.name + word(t, "missing")
	if want {
		text = d.name + word(t, "exists")
	}
	return sample{text, fmt.Sprintf(`{%s:{"exists":%v}}`, show(d.field), want), func(it item) bool { return (it[d.field] != nil) == want }}
}

func drawContains(t *rapid.T) sample {
	all := rapid.Bool().Draw(t, "all")
	wanted := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 3).Draw(t, "wanted")
	name := "any"
	if all {
		name = "all"
	}
	data := show(wanted)
	return sample{
		"tags" + word(t, "contains") + word(t, name) + "(" + data[1:len(data)-1] + ")", fmt.Sprintf(`{"tags":{"contains_%s":%s}}`, name, data),
		func(it item) bool {
			list, ok := it["attributes.tags"].([]string)
			return ok && slices.ContainsFunc(wanted, func(text string) bool { return slices.Contains(list, text) != all }) != all
		},
	}
}

func drawPrefix(t *rapid.T) sample {
	text := rapid.SampledFrom(texts).Draw(t, "prefix").(string)
	return sample{
		"size" + word(t, "starts") + "WITH" + show(text), `{"field":"size","prefix":` + show(text) + `}`,
		func(it item) bool { v, ok := it["attributes.size"].(string); return ok && strings.HasPrefix(v, text) },
	}
}

func drawIn(t *rapid.T, d domain) sample {
	values := rapid.SliceOfN(rapid.SampledFrom(d.values), 1, 4).Draw(t, "values")
	var shown []string
	for _, v := range values {
		shown = append(shown, show(v))
	}
	name, text, not := "in", word(t, "in"), rapid.Bool().Draw(t, "not")
	if not {
		name, text = "nin", word(t, "not")+text
	}
	list := strings.Join(shown, " ,")
	return sample{d.name + text + "(" + list + ")", fmt.Sprintf(`{"field":%s,"%s":[%s]}`, show(d.field), name, list), func(it item) bool {
		v := it[d.field]
		if _, same := order(v, values[0]); !same {
			return false
		}
		return slices.ContainsFunc(values, func(w any) bool { sign, _ := order(v, w); return sign == 0 }) != not
	}}
}

func drawComparison(t *rapid.T, d domain) sample {
	v := rapid.SampledFrom(d.values).Draw(t, "value")
	c := rapid.SampledFrom([]struct {
		symbol, name string
		signs        []int
	}{
		{"=", "eq", []int{0}},
		{"!=", "ne", []int{-1, 1}},
		{"<", "lt", []int{-1}},
		{"<=", "lte", []int{-1, 0}},
		{">", "gt", []int{1}},
		{">=", "gte", []int{0, 1}},
	}).Draw(t, "operator")
	if _, ok := v.(bool); ok {
		c.symbol, c.name, c.signs = "!=", "ne", []int{-1, 1}
	}
	return sample{d.name + c.symbol + show(v), fmt.Sprintf(`{%s:{"%s":%s}}`, show(d.field), c.name, show(v)), func(it item) bool {
		sign, same := order(it[d.field], v)
		return same && slices.Contains(c.signs, sign)
	}}
}

func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawTree(t, 4)
		e, err := filter.Parse(s.text)
		if err != nil {
			t.Fatalf("%s: %v", s.text, err)
		}
		if other, err := filter.ParseJSON([]byte(s.json)); err != nil || !reflect.DeepEqual(e, other) {
			t.Fatalf("%s is %#v\n%s is %#v, %v", s.text, e, s.json, other, err)
		}
		wantRoundTrips(t, e)
		twice, err := filter.Parse("NOT (NOT (" + filter.Format(e) + "))")
		if err != nil || !reflect.DeepEqual(twice, e) {
			t.Fatalf("NOT NOT %s is %#v, %v", s.text, twice, err)
		}
		byKey, err := filter.Parse(filter.Key(e))
		if err != nil || filter.Key(byKey) != filter.Key(e) {
			t.Fatalf("key %s of %s: %v", filter.Key(e), s.text, err)
		}
		if shuffled := shuffle(t, e); filter.Key(shuffled) != filter.Key(e) {
			t.Fatalf("key %s of %s changed with the order", filter.Key(e), s.text)
		}
		for range 8 {
			it, want := drawItem(t), false
			if want = s.match(it); filter.Match(e, it.get) != want || filter.Match(byKey, it.get) != want || filter.Match(not(e), it.get) == want {
				t.Fatalf("%s on %v: want %v", s.text, it, want)
			}
			wantFieldsCover(t, e, it)
		}
	})
}

// shuffle changes the order of all operands.
func shuffle(t *rapid.T, e filter.Expr) filter.Expr {
	mix := func(kids []filter.Expr) []filter.Expr {
		mixed := rapid.Permutation(kids).Draw(t, "order")
		for i, kid := range mixed {
			mixed[i] = shuffle(t, kid)
		}
		return mixed
	}
	switch e := e.(type) {
	case filter.And:
		return filter.And{Kids: mix(e.Kids)}
	case filter.Or:
		return filter.Or{Kids: mix(e.Kids)}
	case filter.Not:
		return filter.Not{Kid: shuffle(t, e.Kid)}
	}
	return e
}

func wantFieldsCover(t *rapid.T, e filter.Expr, it item) {
	fields := filter.Fields(e)
	filter.Match(e, func(field string) (filter.Value, bool) {
		if !slices.Contains(fields, field) {
			t.Fatalf("%s is read and not among %v", field, fields)
		}
		return it.get(field)
	})
}
