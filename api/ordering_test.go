package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sightline/api"
	"sightline/encoder"
	"sightline/rerank"
	"sightline/rerank/blend"
	"sightline/store"
	"sightline/store/filter"
)

// newBoutique are five items; the second look turns their order round: e d c b a,
// with match logits of 4 to 0. a, c and e are of one brand, a and b of one group,
// and so are d and e, whose pictures are alike.
func newBoutique(more ...string) *service {
	s := newService(append([]string{"a", "b", "c", "d", "e"}, more...)...)
	for i, it := range []struct {
		brand, group string
		embedding    []float32
	}{{"acme", "g", []float32{1, 0}}, {"zeta", "g", []float32{0, -1}}, {"acme", "", []float32{0.6, 0.8}}, {"zeta", "h", []float32{0, 1}}, {"acme", "h", []float32{0, 1}}} {
		e := &s.index.entries[i]
		e.Item.Brand, e.Item.GroupID, e.Embedding = it.brand, it.group, it.embedding
	}
	return s
}

func mustFilter(t testing.TB, text string) filter.Expr {
	t.Helper()
	e, err := filter.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// wantMoves compares hits, each written "id: move; move".
func wantMoves(t *testing.T, hits []api.Hit, want ...string) {
	t.Helper()
	var got []string
	for i, h := range hits {
		got = append(got, strings.TrimSuffix(h.ID+": "+strings.Join(h.Moved, "; "), ": "))
		if h.Rank != i+1 {
			t.Errorf("hit %d (%s) has rank %d", i+1, h.ID, h.Rank)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("hits %q\nwant %q", got, want)
	}
}

func TestOrderOfARequest(t *testing.T) {
	for name, c := range map[string]struct {
		fields string
		want   []string
	}{
		"plain":  {``, []string{"e", "d", "c", "b", "a"}},
		"boost":  {`,"boosts":[{"name":"low","filter":{"id":"a"},"by":2.5}]`, []string{"e", "d", "a: boost: low +2.5", "c", "b"}},
		"bury":   {`,"buries":[{"filter":"brand = \"acme\""}]`, []string{"d", "b", `e: bury: brand = "acme"`, `c: bury: brand = "acme"`, `a: bury: brand = "acme"`}},
		"pins":   {`,"pins":[{"id":"a","place":2},{"id":"nobody","place":1}]`, []string{"e", "a: pin 2", "d", "c", "b"}},
		"groups": {`,"group_by":"group_id"`, []string{"e: group: 1 more of its group_id", "c", "b: group: 1 more of its group_id"}},
		// e first, then a is worth 0 and unlike it, and b is unlike it, too, and worth a quarter.
		"diversity": {`,"diversity":0.9`, []string{"e", "b: diversity: 4 to 2", "a: diversity: 5 to 3", "c: diversity: 3 to 4", "d: diversity: 2 to 5"}},
		"none":      {`,"diversity":0,"group_by":"","boosts":[],"buries":null,"pins":[]`, []string{"e", "d", "c", "b", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			res := readHits(t, newBoutique().post(`{"text":"red"`+c.fields+`}`))
			wantMoves(t, res.Hits, c.want...)
			if plain := name == "plain" || name == "none"; plain != (res.Blend.Items == 0 && res.Timings.Blend == 0) {
				t.Errorf("blend %+v, timings %+v", res.Blend, res.Timings)
			}
		})
	}
}

func TestGroupsAreCounted(t *testing.T) {
	res := readHits(t, newBoutique().do("GET", "/v1/search?q=red&group_by=group_id&limit=2", "", ""))
	if res.Blend.Items != 5 || res.Blend.Groups != 3 || ids(res.Hits) != "e c" || res.Hits[0].Folded != 1 || res.Hits[1].Folded != 0 {
		t.Errorf("%+v of %s", res.Blend, ids(res.Hits))
	}
	if h := res.Hits[0]; h.ITCRank != 5 || h.Score != 4+h.ITC {
		t.Errorf("%+v", h)
	}
}

// Every written form asks for the same.
func TestOrderInEveryForm(t *testing.T) {
	contentType, body := form(t, map[string]string{"text": "red", "group_by": "group_id", "diversity": "0.9"}, "")
	want := ids(readHits(t, newBoutique().post(`{"text":"red","group_by":"group_id","diversity":0.9}`)).Hits)
	get := newBoutique().do("GET", "/v1/search?q=red&group_by=group_id&diversity=0.9", "", "")
	multi := newBoutique().do("POST", "/v1/search", contentType, body)
	if a, b := ids(readHits(t, get).Hits), ids(readHits(t, multi).Hits); want != "e b c" || a != want || b != want {
		t.Errorf("JSON %s, GET %s, form %s", want, a, b)
	}
	// Of those like c, without c.
	if got := ids(readHits(t, newBoutique().do("GET", "/v1/items/c/similar?group_by=group_id", "", "")).Hits); got != "a d" {
		t.Errorf("similar: %s", got)
	}
}

// Weights are fitted to texts, so searches by picture alone do without.
func TestWeights(t *testing.T) {
	s := newBoutique()
	s.engine.Weights = &blend.Weights{Logit: -1, Cosine: 2, Bias: 5}
	res := readHits(t, s.post(`{"text":"red"}`))
	if ids(res.Hits) != "a b c d e" {
		t.Errorf("hits %s", ids(res.Hits))
	}
	for i, h := range res.Hits {
		if want := 5 + 2*h.ITC - float64(*h.ITMLogit); h.Score != want || i < 2 && len(h.Moved) != 1 {
			t.Errorf("%s: score %g, want %g; moved %v", h.ID, h.Score, want, h.Moved)
		}
	}
	if by := readHits(t, s.post(`{"image":{"id":"c"}}`)); by.Blend.Items != 0 || ids(by.Hits) != "a b d e" {
		t.Errorf("by picture: %+v %s", by.Blend, ids(by.Hits))
	}
}

// largeBoutique has 300 items, more than take part in an order.
func largeBoutique() *service {
	var more []string
	for i := range 295 {
		more = append(more, fmt.Sprintf("sku-%03d", i))
	}
	return newBoutique(more...)
}

// A pinned item that the first look did not find is fetched, found by its best
// picture, and read with the others.
func TestPinnedItemsAreFetched(t *testing.T) {
	s := largeBoutique()
	far := &s.index.entries[250]
	far.Embedding, far.Views = []float32{0, 1}, []store.View{{Picture: "back", Embedding: []float32{0.6, 0.8}}, {Picture: "side", Embedding: []float32{0.6, 0.8}}}
	s.index.entries[290].Embedding = nil // without a picture nobody finds it
	var read []string
	s.engine.Reranker = rerankFunc(func(ctx context.Context, q encoder.Query, cands []rerank.Candidate) rerank.Outcome {
		for _, c := range cands {
			read = append(read, c.Picture)
		}
		return (&fakeReranker{}).Rerank(ctx, q, cands)
	})
	res := readHits(t, s.post(`{"text":"red","limit":3,"rerank":{"depth":2},"pins":[{"id":"sku-245","place":1},{"id":"sku-285","place":2},{"id":"e","place":3}]}`))
	if got := strings.Join(read, " "); got != "hash-a hash-b hash-e back" {
		t.Errorf("read %s", got)
	}
	wantMoves(t, res.Hits, "sku-245: pin 1", "b", "e: pin 3")
	if h := res.Hits[0]; h.View != 1 || h.ITC != float64(float32(0.6)) || h.ITCRank != 201 || h.ITMLogit == nil || res.Rerank.Of != 4 || res.Blend.Items != 201 {
		t.Errorf("%+v of %+v, %+v", h, res.Rerank, res.Blend)
	}
}

func TestPinsHaveToPass(t *testing.T) {
	s := largeBoutique()
	s.index.entries[250].Item.Brand = "acme"
	const pin = `"pins":[{"id":"sku-245","place":1}]`
	for name, c := range map[string]struct{ body, first string }{
		"the filter":         {`{"text":"red","filter":"brand = 'acme'",` + pin + `}`, "sku-245"},
		"the exclusion":      {`{"image":{"id":"sku-245"},` + pin + `}`, "a"},
		"min_match":          {`{"text":"red","min_match":0.5,"pins":[{"id":"a","place":1}]}`, "sku-044"},
		"without being read": {`{"text":"red","rerank":{"enabled":false},` + pin + `}`, "sku-245"},
	} {
		if res := readHits(t, s.post(c.body)); res.Hits[0].ID != c.first {
			t.Errorf("%s: %s first", name, res.Hits[0].ID)
		}
	}
	if res := readHits(t, s.post(`{"text":"red","filter":"brand = 'zeta'",`+pin+`}`)); res.Blend.Items != 200 || strings.Contains(ids(res.Hits), "sku-245") {
		t.Errorf("an item that the filter leaves out: %+v %s", res.Blend, ids(res.Hits))
	}
}

// What cannot be had is left out, said and logged, and the answer is not kept.
func TestOrderFailsOpen(t *testing.T) {
	for name, c := range map[string]struct {
		fields string
		twice  bool // one item comes twice, which no order can be made of
		failed []string
		want   string
	}{
		"pins":      {`"pins":[{"id":"sku-290","place":1},{"id":"a","place":2}]`, false, []string{"pins"}, "sku-044 a sku-043"},
		"diversity": {`"diversity":0.9,"pins":[{"id":"a","place":2}]`, false, []string{"diversity"}, "sku-044 a sku-043"},
		"both":      {`"diversity":0.9,"pins":[{"id":"sku-290","place":1},{"id":"a","place":2}]`, false, []string{"pins", "diversity"}, "sku-044 a sku-043"},
		"order":     {`"pins":[{"id":"a","place":1}]`, true, []string{"order"}, "sku-044 sku-043 sku-042"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCachedService(t)
			s.index.entries = largeBoutique().index.entries
			if s.index.get = func(context.Context, []string) error { return errors.New("store went away") }; c.twice {
				s.index.entries[150] = s.index.entries[151]
			}
			var logs bytes.Buffer
			s.opts.Log = slog.New(slog.NewTextHandler(&logs, nil))
			for range 2 {
				res := s.wantSearch(t, `{"text":"red","limit":3,`+c.fields+`}`, true)
				if ids(res.Hits) != c.want || !slices.Equal(res.Blend.Failed, c.failed) {
					t.Errorf("hits %s, %+v", ids(res.Hits), res.Blend)
				}
			}
			reason := map[bool]string{false: "store went away", true: "comes twice"}[c.twice]
			if log := logs.String(); strings.Count(log, reason) < 2 || !strings.Contains(log, c.failed[0]) {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// Whatever of a request orders its answer is in its key.
func TestOrdersAreNotShared(t *testing.T) {
	s := newCachedService(t, "a", "b", "c")
	bodies := []string{
		``, `,"group_by":"brand"`, `,"group_by":"group_id"`, `,"diversity":0.5`, `,"diversity":0.25`, `,"boosts":[{"filter":"id = 'a'","by":1}]`, `,"boosts":[{"filter":"id = 'a'","by":2}]`,
		`,"boosts":[{"filter":"id = 'b'","by":1}]`, `,"boosts":[{"name":"n","filter":"id = 'b'","by":1}]`, `,"buries":[{"filter":"id = 'b'"}]`, `,"pins":[{"id":"a","place":1}]`, `,"pins":[{"id":"a","place":2}]`,
	}
	for _, want := range []bool{true, false} {
		for _, fields := range bodies {
			s.wantSearch(t, `{"text":"red"`+fields+`}`, want)
		}
	}
	s.wantSearch(t, `{"text":"red","boosts":[{"filter":{"id":"a"},"by":1.0}],"pins":null,"diversity":0}`, false) // another form of one rule
	s.engine.Cache.Variant = "other rules of the server"
	s.wantSearch(t, `{"text":"red"}`, true)
}

// pageReranker may stop early; it notes for what page.
type pageReranker struct {
	fakeReranker

	pages []int
}

func (r *pageReranker) RerankPage(ctx context.Context, q encoder.Query, cands []rerank.Candidate, page int) rerank.Outcome {
	r.pages = append(r.pages, page)
	out := r.Rerank(ctx, q, cands)
	if page > 0 {
		out.Stopped = rerank.StoppedSettled
	}
	return out
}

// A bound of match logit + cosine settles a page only where nothing else decides
// who is on it. What is settled is kept.
func TestEarlyEndOfTheSecondLook(t *testing.T) {
	for body, pages := range map[string][]int{
		`{"text":"red","limit":3,"offset":1}`:                            {4},
		`{"text":"red","min_match":0.1}`:                                 {0},
		`{"text":"red","negative":"blue"}`:                               {0, 0},
		`{"text":"red","image":{"id":"a"}}`:                              {0},
		`{"text":"red","group_by":"brand"}`:                              {0},
		`{"text":"red","boosts":[{"filter":"brand = 'acme'","by":0.1}]}`: {0},
	} {
		s := newCachedService(t, "a", "b", "c")
		r := &pageReranker{}
		s.engine.Reranker = r
		first := s.wantSearch(t, body, true)
		if !slices.Equal(r.pages, pages) || (first.Rerank.Stopped == "settled") != (pages[0] > 0) {
			t.Errorf("%s: pages %v, %+v", body, r.pages, first.Rerank)
		}
		s.wantSearch(t, body, false)
	}
}

// A rule that matches nothing leaves a composed answer as it is.
func TestOrderOfComposedSearches(t *testing.T) {
	body := `{"text":"red","negative":"blue","image":{"id":"e"},"boosts":[{"filter":"brand = 'nobody'","by":1}]}`
	plain, _, _ := strings.Cut(body, `,"boosts"`)
	got, want := readHits(t, newBoutique().post(body)), readHits(t, newBoutique().post(plain+"}"))
	if ids(got.Hits) != ids(want.Hits) || len(want.Hits) != 4 || got.Blend.Items != 4 {
		t.Errorf("%s, plainly %s", ids(got.Hits), ids(want.Hits))
	}
	for i, h := range got.Hits {
		if d := h.Score - want.Hits[i].Score; d > 1e-6 || d < -1e-6 {
			t.Errorf("%s: score %g, plainly %g", h.ID, h.Score, want.Hits[i].Score)
		}
	}
}

func TestOrderAsksForTheSameCandidatesOnEveryPage(t *testing.T) {
	for target, want := range map[string]int{
		"q=red&diversity=0.5": 200, "q=red&diversity=0.5&offset=100": 200, "q=red&diversity=0.5&offset=300": 320,
		"q=red&group_by=" + url.QueryEscape("attributes.line"): 1000, "q=red&group_by=brand&offset=900&limit=100": 1000,
	} {
		s := newBoutique()
		readHits(t, s.do("GET", "/v1/search?"+target, "", ""))
		if got := s.index.last.Load().K; got != want {
			t.Errorf("%s: asked for %d", target, got)
		}
	}
}
