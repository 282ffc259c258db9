package api_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sightline/api"
	"sightline/encoder"
	"sightline/rerank"
	"sightline/rerank/blend"
	"sightline/store"
)

// drawService has items of few brands, groups and pictures, and a second look
// that reads some of its candidates and orders them by chance.
func drawService(t *rapid.T) *service {
	s := newService()
	for i := range rapid.IntRange(0, 260).Draw(t, "items") {
		e := store.Entry{Item: store.Item{ID: fmt.Sprintf("item%03d", i)}, Picture: fmt.Sprint("hash", i), Embedding: [][]float32{{1, 0}, {0, 1}, {0.6, 0.8}}[i%3]}
		e.Item.Brand = []string{"acme", "zeta", "beta", ""}[(i/2)%4]
		e.Item.GroupID = []string{"", "g", "h", "i", "j"}[i%5]
		s.index.entries = append(s.index.entries, e)
	}
	read, seed := rapid.IntRange(0, 200).Draw(t, "read"), rapid.IntRange(1, 1000).Draw(t, "seed")
	s.engine.Reranker = rerankFunc(func(_ context.Context, _ encoder.Query, cands []rerank.Candidate) rerank.Outcome {
		out := rerank.Outcome{Of: len(cands)}
		for i, c := range cands {
			h := rerank.Scored{Candidate: c, Score: c.ITC, ITCRank: i + 1}
			if i < read {
				logit, p := float32((i*seed)%17)-8, float64((i*seed)%17)/17
				h.Logit, h.Probability, h.Score = &logit, &p, float64(logit)+c.ITC
				out.Scored++
			}
			out.Hits = append(out.Hits, h)
		}
		slices.SortStableFunc(out.Hits, func(a, b rerank.Scored) int { return cmp.Compare((a.ITCRank*seed)%23, (b.ITCRank*seed)%23) })
		if out.Scored < out.Of {
			out.Stopped = rerank.StoppedDeadline
		}
		return out
	})
	return s
}

func drawRequest(t *rapid.T) api.SearchRequest {
	req := api.NewSearchRequest("red")
	req.Limit, req.Offset = rapid.IntRange(1, 100).Draw(t, "limit"), rapid.IntRange(0, 250).Draw(t, "offset")
	req.Depth, req.Rerank = rapid.IntRange(1, 200).Draw(t, "depth"), rapid.IntRange(0, 4).Draw(t, "rerank") > 0
	return req
}

// TestPropertyNoWishes: with nothing to order by, or only what changes nothing,
// an answer is the second look's order with all others below, byte for byte.
func TestPropertyNoWishes(t *testing.T) {
	blip := blend.BLIP()
	rapid.Check(t, func(t *rapid.T) {
		s, req := drawService(t), drawRequest(t)
		k := req.Offset + req.Limit
		if req.Rerank {
			k = max(k, req.Depth)
		}
		found := s.index.entries[:min(k, len(s.index.entries))]
		var want []string
		if req.Rerank {
			var cands []rerank.Candidate
			for i, e := range found[:min(req.Depth, len(found))] {
				cands = append(cands, rerank.Candidate{ID: e.Item.ID, ITC: 0.5 - float64(i)/64})
			}
			for _, h := range s.engine.Reranker.Rerank(t.Context(), encoder.Query{}, cands).Hits {
				want = append(want, fmt.Sprintf("%s %g", h.ID, h.Score))
			}
		}
		for i := len(want); i < len(found); i++ {
			want = append(want, fmt.Sprintf("%s %g", found[i].Item.ID, 0.5-float64(i)/64))
		}
		from := min(req.Offset, len(want))
		want = want[from:min(from+req.Limit, len(want))]

		first := searchHits(t, s, req)
		var got []string
		for _, h := range first {
			got = append(got, fmt.Sprintf("%s %g", h.ID, h.Score))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("hits %v\nwant %v", got, want)
		}
		s.engine.Weights = &blip
		req.Diversity, req.Rules = 0, blend.Rules{Boosts: []blend.Boost{}, Pins: []blend.Pin{}}
		if a, b := asJSON(t, first), asJSON(t, searchHits(t, s, req)); a != b {
			t.Fatalf("plainly %s\nneutral %s", a, b)
		}
	})
}

func searchHits(t *rapid.T, s *service, req api.SearchRequest) []api.Hit {
	res, err := s.engine.Search(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return res.Hits
}

func asJSON(t *rapid.T, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPropertyPagesFollowEachOther: pages of any size, put together, are one
// order, whatever it is made of, and nobody is in it twice.
func TestPropertyPagesFollowEachOther(t *testing.T) {
	acme := mustFilter(t, `brand = "acme"`)
	rapid.Check(t, func(t *rapid.T) {
		s, req := drawService(t), drawRequest(t)
		if rapid.Bool().Draw(t, "weights") {
			s.engine.Weights = &blend.Weights{Logit: 0.5, Cosine: 3}
		}
		if rapid.Bool().Draw(t, "boost") {
			req.Rules.Boosts = []blend.Boost{{Filter: acme, By: float64(rapid.IntRange(-3, 9).Draw(t, "by"))}}
		}
		if rapid.Bool().Draw(t, "bury") {
			s.engine.Rules.Buries = []blend.Bury{{Filter: acme}}
		}
		for i, place := range rapid.SliceOfNDistinct(rapid.IntRange(1, 300), 0, 4, rapid.ID[int]).Draw(t, "places") {
			req.Rules.Pins = append(req.Rules.Pins, blend.Pin{ID: fmt.Sprintf("item%03d", 70*i+9), Place: place})
		}
		req.GroupBy = rapid.SampledFrom([]string{"", "", "group_id", "brand"}).Draw(t, "group_by")
		req.Diversity = float64(rapid.IntRange(0, 2).Draw(t, "diversity")) / 4

		var whole []string
		for req.Offset, req.Limit = 0, 100; req.Offset < 300; req.Offset += 100 {
			whole = append(whole, places(searchHits(t, s, req))...)
		}
		seen := slices.Compact(slices.Sorted(slices.Values(whole)))
		if len(seen) != len(whole) || req.GroupBy == "" && len(whole) != len(s.index.entries) {
			t.Fatalf("%d hits, %d of them different, of %d items", len(whole), len(seen), len(s.index.entries))
		}
		for range 4 {
			req.Offset, req.Limit = rapid.IntRange(0, 280).Draw(t, "offset"), rapid.IntRange(1, 60).Draw(t, "page")
			want := whole[min(req.Offset, len(whole)):min(req.Offset+req.Limit, len(whole))]
			if got := places(searchHits(t, s, req)); !slices.Equal(got, want) {
				t.Fatalf("from %d: %v\nwant %v", req.Offset, got, want)
			}
		}
	})
}

func places(hits []api.Hit) (all []string) {
	for _, h := range hits {
		all = append(all, h.ID)
	}
	return all
}
