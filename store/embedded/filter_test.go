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

// TestIndexIsMatch: the index of a chunk finds exactly the items that
// filter.Match does, in chunks large enough for bitmaps of common values.
func TestIndexIsMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Repeating few different items makes common values at little cost.
		kinds := rapid.IntRange(1, 12).Draw(t, "kinds")
		records := make([]*record, rapid.SampledFrom([]int{1, 7, 64, 500}).Draw(t, "slots"))
		for i := range records {
			if i < kinds {
				records[i] = &record{item: storetest.DrawItem(t, fmt.Sprint("p", i), int64(i%3))}
			} else {
				records[i] = records[i*i%kinds]
			}
		}
		x := newChunkIndex(records)
		for range 10 {
			e := storetest.DrawFilter(t)
			var want []uint32
			for slot, rec := range records {
				if rec.item.Matches(e) {
					want = append(want, uint32(slot))
				}
			}
			if got := x.match(e).ToArray(); !slices.Equal(got, want) {
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
			if got := x.match(e).ToArray(); !slices.Equal(got, []uint32{uint32(i)}) {
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
		if got, want := x.match(e), matchEach(records, e); !got.Equals(want) {
			t.Errorf("%#v: slots %v, want %v", e, got, want)
		}
	}
}

// TestIndexKeepsToTheSnapshot takes a snapshot in the middle of a chunk that
// later fills up, is indexed and loses items: the snapshot must see neither.
func TestIndexKeepsToTheSnapshot(t *testing.T) {
	m := newMatrix(2, 8, 0)
	write := func(generation uint64, ids ...string) {
		var rows []row
		for _, id := range ids {
			rows = append(rows, row{record: &record{item: store.Item{ID: id, Brand: "b"}}, vector: []float32{1, 0}})
		}
		m.apply(nil, rows, generation)
	}
	write(1, "a", "b", "c")
	old := m.current.Load()
	write(2, "d", "e", "f", "g", "h", "i")
	m.apply([]string{"b"}, nil, 3)
	if old.chunks[0].index.Load() == nil {
		t.Fatal("a full chunk has no index")
	}
	e := filter.In{Field: "brand", Values: []filter.Value{{Type: filter.String, Text: "b"}}}
	for snap, want := range map[*snapshot]string{old: "abc", m.current.Load(): "acdefghi"} {
		var got string
		if err := snap.visitAll(t.Context(), e, func(at location) { got += at.record().item.ID }); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("found %s, want %s", got, want)
		}
		s := &search{snap: snap, query: []float32{1, 0}, limit: 20, filter: e}
		if got := len(s.run(t.Context()).ranked()); got != len(want) {
			t.Errorf("%d hits, want %d", got, len(want))
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
