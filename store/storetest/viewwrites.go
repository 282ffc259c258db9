package storetest

import (
	"fmt"
	"reflect"
	"testing"

	"sightline/store"
)

// checkViewsReplaced: an item has the views of its last write and no others.
func checkViewsReplaced(t *testing.T, x store.Index) {
	for i, e := range []store.Entry{
		viewed("a", 1, axis(0), axis(1), axis(2), axis(3)),
		viewed("a", 1, axis(0), axis(4)),
		viewed("a", 1, axis(5)),
		viewed("a", 1, axis(0), axis(1), axis(2)),
		viewed("a", 1, axis(1), axis(0), axis(3)), // as many, others
	} {
		mustUpsert(t, x, e, viewed("b", 1, axis(6), axis(7)))
		if got := mustGet(t, x, "a"); len(got) != 1 || !reflect.DeepEqual(got[0], e) {
			t.Errorf("write %d:\ngot  %+v\nwant %+v", i, got, e)
		}
		found := make(map[int]int) // axis to view
		for axisOf := range Dim {
			hit := mustSearch(t, x, store.Query{Embedding: axis(axisOf), K: 1, Exclude: []string{"b"}})[0]
			if hit.ITC > 0.99 {
				found[axisOf] = hit.View
			}
		}
		want := map[int]int{axisNumber(e.Embedding): 0}
		for n, v := range e.Views {
			want[axisNumber(v.Embedding)] = n + 1
		}
		if !reflect.DeepEqual(found, want) {
			t.Errorf("write %d: found axes by views %v, want %v", i, found, want)
		}
	}
	wantHits(t, mustSearch(t, x, store.Query{Embedding: axis(7), K: 1}), "b#1")
}

func axisNumber(v []float32) int {
	for i, c := range v {
		if c == 1 {
			return i
		}
	}
	return -1
}

// checkViewVersions: an older write changes no view, neither that of an item
// nor that of a deleted one, and within a batch the same rule applies.
func checkViewVersions(t *testing.T, x store.Index) {
	want := viewed("a", 5, axis(0), axis(1))
	mustUpsert(t, x, want, viewed("gone", 5, axis(2), axis(3)))
	mustDelete(t, x, 1, "gone")
	mustUpsert(t, x, viewed("a", 4, axis(0), axis(4), axis(5)), viewed("gone", 4, axis(2), axis(3)))
	if got := mustGet(t, x, "a", "gone"); len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("after older writes:\ngot  %+v\nwant %+v", got, want)
	}
	for _, query := range []int{3, 4, 5} {
		if hits := mustSearch(t, x, store.Query{Embedding: axis(query), K: 1}); hits[0].ITC > 0.5 {
			t.Errorf("a picture of an older write is found: %+v", hits[0])
		}
	}
	last := viewed("b", 2, axis(4), axis(5))
	mustUpsert(t, x, viewed("b", 1, axis(4), axis(6), axis(7)), last, viewed("b", 1, axis(4), axis(6)), viewed("gone", 5, axis(2), axis(3)))
	if got := mustGet(t, x, "b"); len(got) != 1 || !reflect.DeepEqual(got[0], last) {
		t.Errorf("after a batch:\ngot  %+v\nwant %+v", got, last)
	}
	for query, want := range map[int]string{5: "b#1", 3: "gone#1"} {
		wantHits(t, mustSearch(t, x, store.Query{Embedding: axis(query), K: 1}), want)
	}
	if hits := mustSearch(t, x, store.Query{Embedding: axis(6), K: 1}); hits[0].ITC > 0.5 {
		t.Errorf("a picture of an older entry of the batch is found: %+v", hits[0])
	}
}

// checkViewsDeleted: a deleted item is not found by any picture, and comes back
// with the views of the write that brings it back.
func checkViewsDeleted(t *testing.T, x store.Index) {
	mustUpsert(t, x, viewed("a", 1, axis(0), axis(1), axis(2)), viewed("b", 1, axis(3), between(0.1)), viewed("c", 1, axis(4), axis(5)))
	mustDelete(t, x, 2, "a", "c", "a")
	for query := range Dim {
		wantIDs(t, mustSearch(t, x, store.Query{Embedding: axis(query), K: 10}), "b")
	}
	if got := mustStats(t, x).Items; got != 1 {
		t.Errorf("%d items, want 1", got)
	}
	mustUpsert(t, x, viewed("a", 2, axis(6), axis(1)))
	wantHits(t, mustSearch(t, x, store.Query{Embedding: axis(1), K: 1}), "a#1")
	if hits := mustSearch(t, x, store.Query{Embedding: axis(2), K: 1}); hits[0].ITC > 0.5 {
		t.Errorf("a deleted view is found: %+v", hits[0])
	}
	if got := mustGet(t, x, "a"); len(got) != 1 || len(got[0].Views) != 1 {
		t.Errorf("got %+v, want one view", got)
	}
}

func checkViewsDeletedWhere(t *testing.T, x store.Index) {
	for i := range 9 {
		e := viewed(fmt.Sprint("i", i), 1, between(0.9-float64(i)/10), between(0.1), axis(2))
		e.Item.Brand = []string{"Acme", "Bolt", "Core"}[i%3]
		mustUpsert(t, x, e)
	}
	for _, c := range []struct {
		filter string
		want   int
		left   []string
	}{
		{`brand = "Acme"`, 3, []string{"i1", "i2", "i4", "i5", "i7", "i8"}},
		{`brand = "Acme"`, 0, []string{"i1", "i2", "i4", "i5", "i7", "i8"}},
		{`NOT brand = "Core"`, 3, []string{"i2", "i5", "i8"}},
		{"id EXISTS", 3, nil},
	} {
		if got, err := x.DeleteWhere(t.Context(), parsed(t, c.filter)); err != nil || got != c.want {
			t.Errorf("delete where %s: got %d, %v; want %d", c.filter, got, err, c.want)
		}
		wantIDs(t, mustSearch(t, x, store.Query{Embedding: axis(2), K: 20}), c.left...)
	}
}

// checkViewGroups: of a group the item with the nearest picture stands, and K
// and Offset count groups.
func checkViewGroups(t *testing.T, x store.Index) {
	for _, c := range []struct {
		id, group string
		cosines   []float64
	}{
		{"a", "shoe", []float64{0.5, 0.4}},
		{"b", "shoe", []float64{0.1, 0.2, 0.9}},
		{"c", "", []float64{0.3, 0.8, 0.7}},
		{"d", "", []float64{0.6}},
		{"e", "shirt", []float64{0.7, 0.85}},
		{"f", "shirt", []float64{0.75, 0.75}},
		{"g", "hat", []float64{0.2, 0.2}},
		{"h", "hat", []float64{0.1, 0.2}},
	} {
		further := make([][]float32, 0, len(c.cosines))
		for _, cosine := range c.cosines {
			further = append(further, between(cosine))
		}
		e := viewed(c.id, 1, further[0], further[1:]...)
		e.Item.GroupID = c.group
		mustUpsert(t, x, e)
	}
	q := store.Query{Embedding: axis(0), K: 10, GroupBy: "group_id"}
	wantHits(t, mustSearch(t, x, q), "b#2", "e#1", "c#1", "d#0", "g#0")
	q.K, q.Offset = 2, 1
	wantHits(t, mustSearch(t, x, q), "e#1", "c#1")
	q.Exclude = []string{"b", "g"}
	wantHits(t, mustSearch(t, x, q), "c#1", "d#0")
	q.K, q.Offset, q.Filter = 10, 0, parsed(t, `NOT id IN ("c", "e")`)
	wantHits(t, mustSearch(t, x, q), "f#0", "d#0", "a#0", "h#1")
}

// checkLargeViewGroups is checkLargeGroups where each item has views too.
func checkLargeViewGroups(t *testing.T, x store.Index) {
	const large = 120
	entries := make([]store.Entry, 0, 2*large+2)
	for i := range 2*large + 2 {
		nearest := 1 - float64(i)/1000
		e := viewed(fmt.Sprintf("i%03d", i), 1, between(nearest-0.0002), between(nearest), between(nearest-0.0004))
		if i < 2*large {
			e.Item.GroupID = fmt.Sprint(i / large)
		}
		entries = append(entries, e)
	}
	mustUpsert(t, x, entries...)
	q := store.Query{Embedding: axis(0), K: 2, GroupBy: "group_id"}
	wantHits(t, mustSearch(t, x, q), "i000#1", "i120#1")
	q.K, q.Offset = 3, 1
	wantHits(t, mustSearch(t, x, q), "i120#1", "i240#1", "i241#1")
}
