package storetest

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sightline/store"
)

// tolerance is what a float32 sum of Dim products may differ from a float64 one.
const tolerance = 1e-5

// checkExact runs random writes and searches against the index and against a
// map that is searched by brute force in float64.
func checkExact(t *testing.T, open func(t *testing.T) store.Index) {
	rapid.Check(t, func(rt *rapid.T) {
		x := open(t)
		defer mustClose(t, x)
		m := &model{ctx: t.Context(), index: x, live: make(map[string]store.Entry), deleted: make(map[string]int64)}
		rt.Repeat(map[string]func(*rapid.T){
			"upsert":  m.upsert,
			"delete":  m.delete,
			"search":  m.search,
			"where":   m.deleteWhere,
			"count":   m.count,
			"facets":  m.facets,
			"numbers": m.numbers,
			"scan":    m.scan,
			"":        m.check,
		})
	})
}

// model is what the index should hold.
type model struct {
	ctx     context.Context
	index   store.Index
	live    map[string]store.Entry
	deleted map[string]int64 // versions of tombstones
}

// Few ids and coarse vectors make overwrites and ties common.
func drawID() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"})
}

func drawVector() *rapid.Generator[[]float32] {
	coarse := rapid.SliceOfN(rapid.IntRange(-2, 2), Dim, Dim)
	return rapid.Map(coarse.Filter(func(v []int) bool { return slices.ContainsFunc(v, func(n int) bool { return n != 0 }) }), normalized)
}

func normalized(v []int) []float32 {
	var sum float64
	for _, n := range v {
		sum += float64(n * n)
	}
	out := make([]float32, len(v))
	for i, n := range v {
		out[i] = float32(float64(n) / math.Sqrt(sum))
	}
	return out
}

func (m *model) upsert(t *rapid.T) {
	draw := rapid.Custom(func(t *rapid.T) store.Entry {
		e := entry(drawID().Draw(t, "id"), rapid.Int64Range(0, 5).Draw(t, "version"), drawVector().Draw(t, "vector"))
		e.Item = DrawItem(t, e.Item.ID, e.Item.Version)
		for n := range rapid.IntRange(0, 3).Draw(t, "views") {
			e.Views = append(e.Views, store.View{Picture: pictureKey(e.Item.ID, n+1), Embedding: drawVector().Draw(t, "view")})
		}
		return e
	})
	batch := rapid.SliceOfN(draw, 0, 12).Draw(t, "batch")
	if err := m.index.Upsert(m.ctx, batch); err != nil {
		t.Fatalf("upsert: %v", err)
	}
	for _, e := range batch {
		id := e.Item.ID
		if e.Item.Version >= m.live[id].Item.Version && e.Item.Version >= m.deleted[id] {
			m.live[id] = e
			delete(m.deleted, id)
		}
	}
}

func (m *model) delete(t *rapid.T) {
	ids := rapid.SliceOfN(drawID(), 0, 6).Draw(t, "ids")
	want := 0
	for _, id := range ids {
		if e, ok := m.live[id]; ok {
			m.deleted[id] = e.Item.Version
			delete(m.live, id)
			want++
		}
	}
	if got, err := m.index.Delete(m.ctx, ids); err != nil || got != want {
		t.Fatalf("delete: got %d, %v; want %d", got, err, want)
	}
}

func (m *model) check(t *rapid.T) {
	if s, err := m.index.Stats(m.ctx); err != nil || s.Items != len(m.live) {
		t.Fatalf("stats: %+v, %v; want %d items", s, err, len(m.live))
	}
}

func (m *model) search(t *rapid.T) {
	q := store.Query{
		Embedding: drawVector().Draw(t, "query"),
		K:         rapid.IntRange(1, 20).Draw(t, "k"),
		Offset:    rapid.IntRange(0, 10).Draw(t, "offset"),
		Exclude:   rapid.SliceOfN(drawID(), 0, 4).Draw(t, "exclude"),
		GroupBy:   drawGroupBy().Draw(t, "group by"),
	}
	if rapid.Bool().Draw(t, "filtered") {
		q.Filter = DrawFilter(t)
	}
	hits, err := m.index.Search(m.ctx, q)
	if err != nil {
		t.Fatalf("search: %v", err)
	}
	want := m.bruteForce(q)
	if len(hits) != len(want) {
		t.Fatalf("%d hits, want %d", len(hits), len(want))
	}
	seen := make(map[string]bool)
	for i, h := range hits {
		m.checkHit(t, q, h, want[i])
		if group := groupOf(&h.Item, q.GroupBy); seen[group] {
			t.Fatalf("a second hit of the group %q: %s", group, h.Item.ID)
		} else {
			seen[group] = true
		}
		if i > 0 && !ordered(hits[i-1], h) {
			t.Fatalf("hit %d out of order: %+v before %+v", i, hits[i-1], h)
		}
	}
}

// eligible says whether a query may find an item.
func (m *model) eligible(q store.Query, e store.Entry) bool {
	return !slices.Contains(q.Exclude, e.Item.ID) && e.Item.Matches(q.Filter)
}

// bruteForce returns the cosines that the page must show. Which of two items
// with equal cosines stands at the page's edge is left to "ties by id": sums
// in float32 and float64 may order near-ties differently.
func (m *model) bruteForce(q store.Query) []float64 {
	best := make(map[string]float64) // by group
	for _, e := range m.live {
		if !m.eligible(q, e) {
			continue
		}
		group, score := groupOf(&e.Item, q.GroupBy), cosine(q.Embedding, nearest(q, e))
		if old, ok := best[group]; !ok || score > old {
			best[group] = score
		}
	}
	all := slices.SortedFunc(maps.Values(best), func(a, b float64) int { return cmp.Compare(b, a) })
	all = all[min(q.Offset, len(all)):]
	return all[:min(q.K, len(all))]
}

func (m *model) checkHit(t *rapid.T, q store.Query, h store.Hit, want float64) {
	e, ok := m.live[h.Item.ID]
	switch {
	case !ok || !m.eligible(q, e):
		t.Fatalf("hit %s should not be there", h.Item.ID)
	case h.Item.Title != e.Item.Title:
		t.Fatalf("hit %+v, want %+v", h, e)
	case math.Abs(h.ITC-cosine(q.Embedding, nearest(q, e))) > tolerance:
		t.Fatalf("hit %s: cosine %g, want %g", h.Item.ID, h.ITC, cosine(q.Embedding, nearest(q, e)))
	case math.Abs(h.ITC-want) > tolerance:
		t.Fatalf("hit %s has cosine %g where %g belongs", h.Item.ID, h.ITC, want)
	}
	checkView(t, q, h, e)
	m.checkGroup(t, q, h)
}

// checkView: a hit shows the nearest picture, of equal ones the first.
func checkView(t *rapid.T, q store.Query, h store.Hit, e store.Entry) {
	all := pictures(e)
	if h.View < 0 || h.View >= len(all) || h.Picture != all[h.View].Picture {
		t.Fatalf("hit %s shows view %d, picture %s, of %+v", h.Item.ID, h.View, h.Picture, all)
	}
	shown := all[h.View].Embedding
	if math.Abs(h.ITC-cosine(q.Embedding, shown)) > tolerance {
		t.Fatalf("hit %s has cosine %g and shows view %d of cosine %g", h.Item.ID, h.ITC, h.View, cosine(q.Embedding, shown))
	}
	for n, before := range all[:h.View] {
		if slices.Equal(before.Embedding, shown) {
			t.Fatalf("hit %s shows view %d; view %d is as near", h.Item.ID, h.View, n)
		}
	}
}

// pictures returns all pictures of an entry in the order of Hit.View.
func pictures(e store.Entry) []store.View {
	return append([]store.View{{Picture: e.Picture, Embedding: e.Embedding}}, e.Views...)
}

// nearest returns the embedding that an item is ranked by.
func nearest(q store.Query, e store.Entry) []float32 {
	best := slices.MaxFunc(pictures(e), func(a, b store.View) int {
		return cmp.Compare(cosine(q.Embedding, a.Embedding), cosine(q.Embedding, b.Embedding))
	})
	return best.Embedding
}

func ordered(a, b store.Hit) bool {
	return a.ITC > b.ITC || a.ITC == b.ITC && a.Item.ID < b.Item.ID
}

func cosine(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
