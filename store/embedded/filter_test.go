package embedded

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sightline/store"
	"sightline/store/filter"
	"sightline/store/storetest"
)

// matched returns the slots that an index finds, evaluating the filter twice
// with the same spare sets: what one leaves in them must not reach the next.
func matched(x *chunkIndex, e filter.Expr) []int {
	var spare spareSets
	m := matcher{chunkIndex: x, spare: &spare}
	once, twice := newSlotSet(len(x.records)), newSlotSet(len(x.records))
	m.match(e, once)
	m.match(e, twice)
	if !slices.Equal(once, twice) {
		return []int{-1}
	}
	twice.andNot(x.views)
	return slices.Collect(twice.all)
}

func matchedEach(records []*record, e filter.Expr) []int {
	var slots []int
	for slot, rec := range records {
		if !isView(records, slot) && rec.item.Matches(e) {
			slots = append(slots, slot)
		}
	}
	return slots
}

// TestIndexIsMatch: the index of a chunk finds exactly the items that
// filter.Match does, in chunks large enough for bitmaps of common values.
func TestIndexIsMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Repeating few different items makes common values at little cost.
		kinds := rapid.IntRange(1, 12).Draw(t, "kinds")
		records := make([]*record, rapid.SampledFrom([]int{1, 7, 64, 500}).Draw(t, "slots"))
		viewEvery := rapid.SampledFrom([]int{1000, 3}).Draw(t, "which slots are views")
		for i := range records {
			switch {
			case i < kinds:
				records[i] = &record{item: storetest.DrawItem(t, fmt.Sprint("p", i), int64(i%3))}
			case i%viewEvery == 0:
				records[i] = records[i-1]
			default:
				records[i] = &record{item: records[i*i%kinds].item}
			}
		}
		x := newChunkIndex(records)
		for range 10 {
			e := storetest.DrawFilter(t)
			want := matchedEach(records, e)
			if got := matched(x, e); !slices.Equal(got, want) {
				t.Fatalf("%s: slots %v, want %v", filter.Format(e), got, want)
			}
		}
	})
}

// TestTooManyFields: what the index leaves out is still found.
func TestTooManyFields(t *testing.T) {
	records := make([]*record, 4)
	for i := range records {
		it := store.Item{ID: fmt.Sprint(i), Attributes: make(map[string]any)}
		for j := range 20 {
			it.Attributes[fmt.Sprintf("a%d-%d", i, j)] = float64(j)
		}
		records[i] = &record{item: it}
	}
	x := newChunkIndex(records)
	if len(x.fields) != maxFields(4) || !x.partial {
		t.Fatalf("%d fields indexed, want %d of 81", len(x.fields), maxFields(4))
	}
	for i := range records {
		for j := range 20 {
			e := filter.Compare{Field: fmt.Sprintf("attributes.a%d-%d", i, j), Op: filter.GreaterEqual, Value: filter.Value{Type: filter.Number, Number: float64(j)}}
			if got := matched(x, e); !slices.Equal(got, []int{i}) {
				t.Errorf("%s: slots %v, want %d", filter.Format(e), got, i)
			}
		}
	}
}

// TestHandMadeFilters: And, Or and Not may be joined by hand in ways that the
// parser does not give.
func TestHandMadeFilters(t *testing.T) {
	records := []*record{{item: store.Item{ID: "a"}}, {item: store.Item{ID: "b"}}}
	x := newChunkIndex(records)
	for _, e := range []filter.Expr{
		nil,
		filter.And{},
		filter.Or{},
		filter.Not{},
		filter.Not{Kid: filter.Not{}},
		filter.And{Kids: []filter.Expr{nil}},
		filter.Or{Kids: []filter.Expr{filter.Prefix{Field: "id", Text: "b"}}},
		filter.Prefix{Field: "id"},
	} {
		if got, want := matched(x, e), matchedEach(records, e); !slices.Equal(got, want) {
			t.Errorf("%#v: slots %v, want %v", e, got, want)
		}
	}
}

// TestIndexKeepsToTheSnapshot takes a snapshot in the middle of a chunk that
// later fills up, is indexed and loses items: the snapshot must see neither.
func TestIndexKeepsToTheSnapshot(t *testing.T) {
	m := testMatrix(t)
	apply := func(generation uint64, removed []string, from, to int) {
		t.Helper()
		var rows []row
		for i := from; i < to; i++ {
			rows = append(rows, testRow(fmt.Sprintf("i%02d", i), 1))
		}
		if err := m.apply(removed, rows, generation); err != nil {
			t.Fatal(err)
		}
	}
	apply(1, nil, 0, 30)
	old := m.current.Load()
	apply(2, nil, 30, 90)
	apply(3, []string{"i01"}, 0, 0)
	if old.chunks[0].index.Load() == nil {
		t.Fatal("a full chunk has no index")
	}
	e := filter.In{Field: "brand", Values: []filter.Value{{Type: filter.String, Text: "b"}}}
	for snap, want := range map[*snapshot]int{old: 30, m.current.Load(): 89} {
		ids, err := snap.ids(t.Context(), e)
		if err != nil || len(ids) != want || want == 89 && slices.Contains(ids, "i01") {
			t.Errorf("found %v, %v; want %d", ids, err, want)
		}
		s := &search{snap: snap, query: []float32{1, 0}}
		if err := s.allow(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if got, err := s.nearest(t.Context(), 100); err != nil || len(got) != want {
			t.Errorf("%d hits, %v; want %d", len(got), err, want)
		}
		if got, err := snap.page(t.Context(), "", 100, nil); err != nil || len(got) != want {
			t.Errorf("a page of %d, %v; want %d", len(got), err, want)
		}
	}
}

func TestDeleteWhereSurvivesReopen(t *testing.T) {
	dir := t.TempDir()
	x := mustOpen(t, dir)
	var batch []store.Entry
	for i := range 9 {
		batch = append(batch, plain(fmt.Sprint(i), 5))
	}
	if err := x.Upsert(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	e := filter.Compare{Field: "id", Op: filter.GreaterEqual, Value: filter.Value{Type: filter.String, Text: "2"}}
	if n, err := x.DeleteWhere(&countdown{Context: t.Context(), n: 6}, e); n != 0 || err == nil {
		t.Errorf("cancelled: deleted %d, %v", n, err)
	}
	if n, err := x.DeleteWhere(t.Context(), e); n != 7 || err != nil {
		t.Errorf("deleted %d, %v; want 7", n, err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = mustOpen(t, dir)
	err := x.Upsert(t.Context(), []store.Entry{plain("3", 4), plain("4", 6)})
	n, countErr := x.Count(t.Context(), filter.Exists{Field: "id"})
	if err = errors.Join(err, countErr); err != nil || n != 3 {
		t.Errorf("%d items, %v; want 0, 1 and the newer 4", n, err)
	}
}
