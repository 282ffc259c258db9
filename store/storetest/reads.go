package storetest

import (
	"context"
	"fmt"
	"math"
	"testing"

	"sightline/store"
	"sightline/store/filter"
)

// ladder upserts n items "i00", "i01" … with falling cosine to axis(0).
func ladder(t *testing.T, x store.Index, n int) {
	t.Helper()
	entries := make([]store.Entry, n)
	for i := range entries {
		entries[i] = entry(fmt.Sprintf("i%02d", i), 1, between(1-float64(i)/float64(n)))
	}
	mustUpsert(t, x, entries...)
}

func checkPages(t *testing.T, x store.Index) {
	ladder(t, x, 5)
	for _, page := range []struct {
		k, offset int
		want      []string
	}{
		{2, 0, []string{"i00", "i01"}},
		{2, 2, []string{"i02", "i03"}},
		{2, 4, []string{"i04"}},
		{2, 5, nil},
		{2, 500, nil},
		{5, 0, []string{"i00", "i01", "i02", "i03", "i04"}},
		{50, 0, []string{"i00", "i01", "i02", "i03", "i04"}},
		{store.MaxWindow, 0, []string{"i00", "i01", "i02", "i03", "i04"}},
	} {
		wantIDs(t, mustSearch(t, x, store.Query{Embedding: axis(0), K: page.k, Offset: page.offset}), page.want...)
	}
}

func checkTies(t *testing.T, x store.Index) {
	for _, id := range []string{"d", "b", "e", "a", "c", "ä", "B"} {
		mustUpsert(t, x, entry(id, 1, between(0.5)))
	}
	mustUpsert(t, x, entry("z", 1, axis(0)))
	wantIDs(t, mustSearch(t, x, store.Query{Embedding: axis(0), K: 4}), "z", "B", "a", "b")
	wantIDs(t, mustSearch(t, x, store.Query{Embedding: axis(0), K: 10, Offset: 3}), "b", "c", "d", "e", "ä")
}

func checkExclude(t *testing.T, x store.Index) {
	ladder(t, x, 6)
	q := store.Query{Embedding: axis(0), K: 2, Exclude: []string{"i00", "i02", "unknown", "i00"}}
	wantIDs(t, mustSearch(t, x, q), "i01", "i03")
	q.Offset, q.K = 1, 10
	wantIDs(t, mustSearch(t, x, q), "i03", "i04", "i05")
	q.Exclude, q.Offset = []string{"i00", "i01", "i02", "i03", "i04", "i05"}, 0
	wantIDs(t, mustSearch(t, x, q))
}

func checkRefusedQueries(t *testing.T, x store.Index) {
	ladder(t, x, 3)
	for name, bad := range badEntries() {
		if bad.Item.ID != "x" || len(bad.Item.Attributes) > 0 || len(bad.Picture) != 64 || len(bad.Views) > 0 {
			continue // its vector is fine
		}
		_, err := x.Search(t.Context(), store.Query{Embedding: bad.Embedding, K: 1})
		wantError(t, name, err, store.ErrInvalid)
	}
	for _, q := range []store.Query{
		{K: 0},
		{K: -1},
		{K: 1, Offset: -1},
		{K: store.MaxWindow + 1},
		{K: 1, Offset: store.MaxWindow},
		{K: math.MaxInt, Offset: math.MaxInt},
		{K: 1, Exclude: make([]string, store.MaxWindow+1)},
		{K: 1, GroupBy: "price"},
		{K: 1, GroupBy: "updated_at"},
		{K: 1, GroupBy: "material"},
	} {
		q.Embedding = axis(0)
		_, err := x.Search(t.Context(), q)
		wantError(t, fmt.Sprintf("k %d, offset %d, %d excluded, grouped by %q", q.K, q.Offset, len(q.Exclude), q.GroupBy), err, store.ErrInvalid)
	}
}

// everyCall calls each method that takes a context.
func everyCall(ctx context.Context, x store.Index) map[string]error {
	calls := make(map[string]error)
	calls["upsert"] = x.Upsert(ctx, []store.Entry{entry("new", 1, axis(0))})
	_, calls["delete"] = x.Delete(ctx, []string{"i00"})
	_, calls["delete by filter"] = x.DeleteWhere(ctx, filter.Exists{Field: "id"})
	_, calls["count"] = x.Count(ctx, filter.Exists{Field: "id"})
	_, calls["count all"] = x.Count(ctx, nil)
	_, calls["facets"] = x.Facets(ctx, nil, []string{"brand"}, 1)
	_, calls["numbers"] = x.Numbers(ctx, nil, "price", nil)
	_, calls["scan"] = x.Scan(ctx, "", 1, nil)
	_, calls["get"] = x.Get(ctx, []string{"i00"})
	_, calls["search"] = x.Search(ctx, store.Query{Embedding: axis(0), K: 1})
	_, calls["stats"] = x.Stats(ctx)
	return calls
}

func checkCancelled(t *testing.T, x store.Index) {
	ladder(t, x, 3)
	before := mustStats(t, x)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range everyCall(ctx, x) {
		wantError(t, name, err, context.Canceled)
	}
	if after := mustStats(t, x); after != before {
		t.Errorf("cancelled calls changed the index: %+v, before %+v", after, before)
	}
}

func checkClosed(t *testing.T, x store.Index) {
	ladder(t, x, 3)
	for range 2 {
		if err := x.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	for name, err := range everyCall(t.Context(), x) {
		wantError(t, name, err, store.ErrClosed)
	}
}
