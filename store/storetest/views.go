package storetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"sightline/store"
	"sightline/store/filter"
)

// views is the part of the suite that is about items with several pictures.
func views() []rule {
	return []rule{
		{"views: get and scan", checkViewsKept},
		{"views: nearest picture", checkNearestView},
		{"views: ties", checkViewTies},
		{"views: pages", checkViewPages},
		{"views: window", checkViewWindow},
		{"views: filters and exclusions", checkViewFilters},
		{"views: counts", checkViewCounts},
		{"views: upsert again", checkViewsReplaced},
		{"views: versions", checkViewVersions},
		{"views: delete", checkViewsDeleted},
		{"views: delete by filter", checkViewsDeletedWhere},
		{"views: groups", checkViewGroups},
		{"views: large groups", checkLargeViewGroups},
		{"views: ownership", checkViewOwnership},
	}
}

// pictureKey names picture n of an item; 0 is the item's own.
func pictureKey(id string, n int) string {
	sum := sha256.Sum256(fmt.Append(nil, id, "#", n))
	return hex.EncodeToString(sum[:])
}

// viewed returns an entry with a view for each of the further embeddings.
func viewed(id string, version int64, first []float32, further ...[]float32) store.Entry {
	e := entry(id, version, first)
	e.Picture = pictureKey(id, 0)
	for i, v := range further {
		e.Views = append(e.Views, store.View{Picture: pictureKey(id, i+1), Embedding: v})
	}
	return e
}

// wantHits is wantIDs for hits that are named id#view. Their pictures must be
// those of viewed.
func wantHits(t *testing.T, hits []store.Hit, want ...string) {
	t.Helper()
	got := make([]string, len(hits))
	for i, h := range hits {
		got[i] = fmt.Sprint(h.Item.ID, "#", h.View)
		if h.Picture != pictureKey(h.Item.ID, h.View) {
			t.Errorf("hit %s has picture %s, want %s", got[i], h.Picture, pictureKey(h.Item.ID, h.View))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("hits %v, want %v", got, want)
	}
}

func mustScan(t *testing.T, x store.Index) []store.Entry {
	t.Helper()
	entries, err := x.Scan(t.Context(), "", store.MaxWindow, nil)
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	return entries
}

// checkViewsKept: views come back in their order, as many as there may be, and
// two items may have the same picture.
func checkViewsKept(t *testing.T, x store.Index) {
	full := fullEntry("full")
	full.Views = []store.View{
		{Picture: pictureKey("full", 2), Embedding: axis(2)}, // neither keys nor embeddings are sorted
		{Picture: pictureKey("full", 1), Embedding: between(0.1)},
		{Picture: pictureKey("full", 3), Embedding: axis(2)},
	}
	most := viewed("most", 0, axis(0), make([][]float32, store.MaxViews)...)
	for i := range most.Views {
		most.Views[i].Embedding = between(float64(i) / 20)
	}
	same := entry("same", 1, axis(0))
	same.Picture, same.Views = full.Views[1].Picture, []store.View{full.Views[0]}
	want := []store.Entry{full, most, entry("none", 1, axis(1)), same}
	mustUpsert(t, x, want...)
	if got := mustGet(t, x, "full", "most", "none", "same"); !reflect.DeepEqual(got, want) {
		t.Errorf("get:\ngot  %+v\nwant %+v", got, want)
	}
	if got := mustScan(t, x); !reflect.DeepEqual(got, want) {
		t.Errorf("scan:\ngot  %+v\nwant %+v", got, want)
	}
}

// checkNearestView: an item is found by any of its pictures, once.
func checkNearestView(t *testing.T, x store.Index) {
	mustUpsert(t, x, viewed("a", 1, axis(0), axis(1), axis(2)), viewed("b", 1, axis(3)), viewed("c", 1, between(0.8), between(0.9), between(0.7)))
	for _, c := range []struct {
		query []float32
		k     int
		want  []string
	}{
		{axis(0), 1, []string{"a#0"}},
		{axis(1), 1, []string{"a#1"}},
		{axis(2), 1, []string{"a#2"}},
		{axis(0), 3, []string{"a#0", "c#1", "b#0"}},
		{axis(0), 100, []string{"a#0", "c#1", "b#0"}},
		{axis(1), 2, []string{"a#1", "c#2"}},
	} {
		wantHits(t, mustSearch(t, x, store.Query{Embedding: c.query, K: c.k}), c.want...)
	}
	hits := mustSearch(t, x, store.Query{Embedding: axis(0), K: 2})
	if len(hits) != 2 || math.Abs(hits[0].ITC-1) > tolerance || math.Abs(hits[1].ITC-0.9) > tolerance {
		t.Errorf("cosines of the nearest pictures: %+v, want 1 and 0.9", hits)
	}
}

// checkViewTies: of equally near pictures of an item the first counts, and
// equally near items are ordered by id, whichever picture it is.
func checkViewTies(t *testing.T, x store.Index) {
	near, far := between(0.5), between(0.1)
	mustUpsert(t, x,
		viewed("d", 1, near), viewed("b", 1, far, far, near, near), viewed("c", 1, near, near, near),
		viewed("a", 1, far, near, far), viewed("e", 1, far, far, far), viewed("f", 1, far))
	q := store.Query{Embedding: axis(0), K: 10}
	wantHits(t, mustSearch(t, x, q), "a#1", "b#2", "c#0", "d#0", "e#0", "f#0")
	q.K, q.Offset = 2, 1
	wantHits(t, mustSearch(t, x, q), "b#2", "c#0")
	q.K, q.Offset = 2, 3
	wantHits(t, mustSearch(t, x, q), "d#0", "e#0")
}

// viewLadder upserts n items "i00" … with falling cosines to axis(0), of which
// item i has i%5 views, all nearer than any picture of the next item. The
// nearest is the last.
func viewLadder(t *testing.T, x store.Index, n int) (hits []string) {
	t.Helper()
	entries := make([]store.Entry, n)
	for i := range entries {
		cosines := make([][]float32, 0, 5)
		for picture := range 1 + i%5 {
			cosines = append(cosines, between(1-(float64(i+1)-float64(picture)/5)/float64(2*n)))
		}
		entries[i] = viewed(fmt.Sprintf("i%02d", i), 1, cosines[0], cosines[1:]...)
		hits = append(hits, fmt.Sprintf("i%02d#%d", i, i%5))
	}
	mustUpsert(t, x, entries...)
	return hits
}

// checkViewPages: K and Offset count items.
func checkViewPages(t *testing.T, x store.Index) {
	want := viewLadder(t, x, 12)
	for _, k := range []int{1, 2, 5, 12, 50, store.MaxWindow} {
		for offset := 0; offset <= len(want) && k+offset <= store.MaxWindow; offset++ {
			page := want[offset:min(offset+k, len(want))]
			wantHits(t, mustSearch(t, x, store.Query{Embedding: axis(0), K: k, Offset: offset}), page...)
		}
	}
}

// checkViewWindow puts items in front that have as many views as there may be,
// so that looking a little further than K is not enough.
func checkViewWindow(t *testing.T, x store.Index) {
	const large = 60
	var entries []store.Entry
	for i := range large {
		e := viewed(fmt.Sprintf("i%02d", i), 1, between(0.5), make([][]float32, store.MaxViews)...)
		for n := range e.Views {
			e.Views[n].Embedding = between(1 - float64(i)/1000 - float64(n)/100_000)
		}
		entries = append(entries, e)
	}
	mustUpsert(t, x, append(entries, viewed("y", 1, between(0.4)), viewed("z", 1, between(0.3), between(0.2)))...)
	q := store.Query{Embedding: axis(0), K: 2}
	wantHits(t, mustSearch(t, x, q), "i00#1", "i01#1")
	q.Offset = large - 1
	wantHits(t, mustSearch(t, x, q), "i59#1", "y#0")
	q.K = 3
	wantHits(t, mustSearch(t, x, q), "i59#1", "y#0", "z#0")
	q.K, q.Offset = store.MaxWindow-large, large
	wantHits(t, mustSearch(t, x, q), "y#0", "z#0")
}

// checkViewFilters: filters and exclusions apply to an item with all its views.
func checkViewFilters(t *testing.T, x store.Index) {
	for i, e := range []store.Entry{
		viewed("a", 1, axis(1), axis(0), between(0.9)),
		viewed("b", 1, axis(1), axis(1), between(0.8)),
		viewed("c", 1, between(0.7), axis(2)),
		viewed("d", 1, axis(1), between(0.6)),
	} {
		e.Item.Brand = []string{"Acme", "Bolt"}[i%2]
		mustUpsert(t, x, e)
	}
	for _, c := range []struct {
		filter  string
		exclude []string
		want    []string
	}{
		{"", nil, []string{"a#1", "b#2", "c#0", "d#1"}},
		{"", []string{"a"}, []string{"b#2", "c#0", "d#1"}},
		{"", []string{"b", "d", "a", "nothing"}, []string{"c#0"}},
		{`brand = "Bolt"`, nil, []string{"b#2", "d#1"}},
		{`brand = "Acme"`, []string{"a"}, []string{"c#0"}},
		{`id = "d"`, nil, []string{"d#1"}},
		{`brand = "none"`, nil, nil},
	} {
		q := store.Query{Embedding: axis(0), K: 10, Exclude: c.exclude}
		if c.filter != "" {
			q.Filter = parsed(t, c.filter)
		}
		wantHits(t, mustSearch(t, x, q), c.want...)
	}
}

// checkViewCounts: whatever counts or lists items counts one once.
func checkViewCounts(t *testing.T, x store.Index) {
	viewLadder(t, x, 12)
	if got := mustStats(t, x).Items; got != 12 {
		t.Errorf("stats: %d items, want 12", got)
	}
	for text, want := range map[string]int{"": 12, "id EXISTS": 12, `id STARTS WITH "i1"`: 2, `NOT id = "i04"`: 11} {
		var e filter.Expr
		if text != "" {
			e = parsed(t, text)
		}
		if got, err := x.Count(t.Context(), e); err != nil || got != want {
			t.Errorf("count %q: got %d, %v; want %d", text, got, err, want)
		}
	}
	facets, err := x.Facets(t.Context(), nil, []string{"title"}, 100)
	if err != nil || len(facets["title"]) != 12 || facets["title"][0].Count != 1 {
		t.Errorf("facets: got %v, %v; want 12 of 1 item each", facets, err)
	}
	var ids []string
	for after := ""; ; after = ids[len(ids)-1] {
		page, err := x.Scan(t.Context(), after, 5, nil)
		if err != nil {
			t.Fatalf("scan: %v", err)
		}
		for _, e := range page {
			if ids = append(ids, e.Item.ID); len(e.Views) != (len(ids)-1)%5 {
				t.Errorf("scan: %s has %d views, want %d", e.Item.ID, len(e.Views), (len(ids)-1)%5)
			}
		}
		if len(page) < 5 {
			break
		}
	}
	if len(ids) != 12 || !slices.IsSorted(ids) {
		t.Errorf("scan: %v, want 12 ids in order", ids)
	}
}

// checkViewOwnership: views passed in and views returned are the caller's.
func checkViewOwnership(t *testing.T, x store.Index) {
	fresh := func() store.Entry { return viewed("a", 1, axis(0), axis(1), axis(2)) }
	spoil := func(e store.Entry) {
		for i := range e.Views {
			clear(e.Views[i].Embedding)
			e.Views[i].Picture = ""
		}
	}
	in := fresh()
	mustUpsert(t, x, in)
	spoil(in)
	spoil(mustGet(t, x, "a")[0])
	spoil(mustScan(t, x)[0])
	if got := mustGet(t, x, "a")[0]; !reflect.DeepEqual(got, fresh()) {
		t.Errorf("a caller's change reached the index:\ngot  %+v\nwant %+v", got, fresh())
	}
}
