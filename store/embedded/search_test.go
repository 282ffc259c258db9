package embedded

import (
	"cmp"
	"slices"
	"testing"

	"sightline/store"
	"sightline/store/embedded/scan"
)

// TestRecallIsOne compares searches of a catalogue like a shop's with sorting
// all float32 dot products: the same items in the same order, not most of them.
func TestRecallIsOne(t *testing.T) {
	x, s := memoryIndex(t, 10_000)
	all, err := x.Scan(t.Context(), "", store.MaxWindow, nil)
	if err != nil {
		t.Fatal(err)
	}
	filters := benchFilters(t)
	for i := range 12 {
		name := benchFilterNames[i%len(benchFilterNames)]
		q := store.Query{Embedding: s.query(), K: 200, Filter: filters[name], Exclude: []string{all[i].Item.ID}}
		type scored struct {
			id  string
			dot float32
		}
		var want []scored
		for _, e := range all {
			if e.Item.Matches(q.Filter) && e.Item.ID != q.Exclude[0] {
				want = append(want, scored{e.Item.ID, scan.Dot(q.Embedding, e.Embedding)})
			}
		}
		slices.SortFunc(want, func(a, b scored) int { return cmp.Or(cmp.Compare(b.dot, a.dot), cmp.Compare(a.id, b.id)) })
		want = want[:min(q.K, len(want))]
		hits, err := x.Search(t.Context(), q)
		if err != nil || len(hits) != len(want) {
			t.Fatalf("%s: %d hits, %v; want %d", name, len(hits), err, len(want))
		}
		for j, h := range hits {
			if got := (scored{h.Item.ID, float32(h.ITC)}); got != want[j] {
				t.Errorf("%s: hit %d is %v, want %v", name, j, got, want[j])
			}
		}
	}
}
