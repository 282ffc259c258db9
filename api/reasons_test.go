package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"sightline/api"
	"sightline/encoder"
	"sightline/rerank"
	"sightline/rerank/blend"
)

// readings are the kinds of a hit's terms, with names, in order.
func kinds(terms []api.Term) string {
	var all []string
	for _, t := range terms {
		all = append(all, strings.TrimSuffix(t.Kind+" "+t.Name, " "))
	}
	return strings.Join(all, ", ")
}

// The terms of every hit add up to its score, whatever the order is made of.
func TestReasonsAddUp(t *testing.T) {
	weights := blend.Weights{Model: fingerprint, Logit: 0.5, Cosine: 3, Bias: -1, Features: []blend.Feature{{Field: "price", Center: 10, Scale: 5, Weight: 0.25}}}
	for name, c := range map[string]struct {
		fields  string
		weights *blend.Weights
		first   string // kinds of the terms of the first hit
		last    string
	}{
		"plain":    {``, nil, "itc, itm_logit", "itc, itm_logit"},
		"unread":   {`,"rerank":{"depth":2}`, nil, "itc, itm_logit", "itc"},
		"no look":  {`,"rerank":{"enabled":false}`, nil, "itc", "itc"},
		"boost":    {`,"boosts":[{"name":"low","filter":{"id":"a"},"by":20}]`, nil, "itc, itm_logit, boost low", "itc, itm_logit"},
		"lifted":   {`,"rerank":{"depth":2},"boosts":[{"name":"low","filter":{"id":"e"},"by":20}]`, nil, "itc, boost low, unread", "itc, unread"},
		"bury":     {`,"buries":[{"filter":{"id":"e"}}]`, nil, "itc, itm_logit", "itc, itm_logit"},
		"groups":   {`,"group_by":"group_id","pins":[{"id":"a","place":1}]`, nil, "itc, itm_logit", "itc, itm_logit"},
		"weights":  {``, &weights, "itc, itm_logit, bias, feature price", "itc, itm_logit, bias, feature price"},
		"both":     {`,"rerank":{"depth":2},"boosts":[{"name":"low","filter":{"id":"a"},"by":20}]`, &weights, "itc, itm_logit, bias, feature price, boost low", "itc, bias, feature price, unread"},
		"negative": {`,"negative":"green"`, nil, "itc, itm_logit, negative_logit", "itc, itm_logit, negative_logit"},
		"composed": {`,"image":{"id":"nobody","weight":0.25}`, nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newBoutique()
			if s.engine.Weights = c.weights; name == "composed" {
				s, _ = sighted("a", "b", "c", "d", "e")
				c.fields, c.first, c.last = `,"image":{"id":"b","weight":0.25},"rerank":{"titles":true}`, "itc, itm_logit, title_logit", "itc, itm_logit, title_logit"
			}
			res := readHits(t, s.post(`{"text":"red","explain":true`+c.fields+`}`))
			for _, h := range res.Hits {
				sum := 0.0
				for _, term := range h.Explain.Terms {
					if math.Abs(term.Value*term.Weight-term.Adds) > 1e-9 {
						t.Errorf("%s: %+v", h.ID, term)
					}
					sum += term.Adds
				}
				if math.Abs(sum-h.Score) > 1e-5 {
					t.Errorf("%s: terms %+v add to %g, score %g", h.ID, h.Explain.Terms, sum, h.Score)
				}
				if (h.Explain.Margin == nil) != (h.ITMLogit == nil) || h.Explain.LookRank < 1 {
					t.Errorf("%s: %+v", h.ID, h.Explain)
				}
			}
			if first, last := res.Hits[0], res.Hits[len(res.Hits)-1]; kinds(first.Explain.Terms) != c.first || kinds(last.Explain.Terms) != c.last {
				t.Errorf("first %q, last %q", kinds(first.Explain.Terms), kinds(last.Explain.Terms))
			}
		})
	}
}

// The places tell the way of a hit: found at 1, read to 5, pinned to 2.
func TestReasonsPlaces(t *testing.T) {
	s := newBoutique()
	s.engine.Calibrated = true
	res := readHits(t, s.post(`{"text":"red","explain":true,"pins":[{"id":"a","place":2}]}`))
	var got []string
	for _, h := range res.Hits {
		got = append(got, fmt.Sprintf("%s %d %d %d", h.ID, h.ITCRank, h.Explain.LookRank, h.Rank))
		if !h.Explain.Calibrated {
			t.Errorf("%s is not calibrated", h.ID)
		}
	}
	if want := []string{"e 5 1 1", "a 1 5 2", "d 4 2 3", "c 3 3 4", "b 2 4 5"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	s.engine.Reranker = rerankFunc(func(_ context.Context, _ encoder.Query, cands []rerank.Candidate) rerank.Outcome {
		expected := 1.5
		out := rerank.Outcome{Of: len(cands), Stopped: rerank.StoppedDeadline}
		for i, c := range cands {
			out.Hits = append(out.Hits, rerank.Scored{Candidate: c, Score: c.ITC, Expected: &expected, Rank: i + 1, ITCRank: i + 1})
		}
		return out
	})
	res = readHits(t, s.post(`{"text":"red","explain":true}`))
	if why := res.Hits[0].Explain; why.ExpectedLogit == nil || *why.ExpectedLogit != 1.5 || why.Margin != nil {
		t.Errorf("a hit that was not read: %+v", why)
	}
}

// Reasons are for those who ask, in every form, and have answers of their own in
// the cache.
func TestReasonsOnRequest(t *testing.T) {
	s := newCachedService(t, "a", "b")
	for _, again := range []bool{true, false} {
		if w := s.post(`{"text":"red"}`); strings.Contains(w.Body.String(), `"explain"`) {
			t.Errorf("not asked for: %s", w.Body)
		}
		if res := s.wantSearch(t, `{"text":"red","explain":true}`, again); res.Hits[0].Explain == nil {
			t.Error("asked for, and not there")
		}
	}
	for _, target := range []string{"/v1/search?q=red&explain=true", "/v1/items/a/similar?explain=1"} {
		if res := readHits(t, s.do("GET", target, "", "")); len(res.Hits) == 0 || res.Hits[0].Explain == nil {
			t.Errorf("%s: %+v", target, res.Hits)
		}
	}
	if w := s.post(`{"text":"red","explain":"yes"}`); w.Code != 422 || readProblem(t, w).Errors[0].Field != "explain" {
		t.Errorf("status %d", w.Code)
	}
}

// TestCachedBody: an answer from the cache has the bytes of one that is not, but
// for its times.
func TestCachedBody(t *testing.T) {
	s := newCachedService(t, "a", "b", "c")
	first, again := s.post(`{"text":"red shoes","explain":true}`), s.post(`{"text":"red shoes","explain":true}`)
	var one, other map[string]json.RawMessage
	for body, dst := range map[string]*map[string]json.RawMessage{first.Body.String(): &one, again.Body.String(): &other} {
		if err := json.Unmarshal([]byte(body), dst); err != nil {
			t.Fatal(err, body)
		}
	}
	if string(one["cached"]) != "false" || string(other["cached"]) != "true" || len(one) != len(other) {
		t.Errorf("%s\n%s", first.Body, again.Body)
	}
	for name := range one {
		if name != "cached" && name != "timings_ms" && string(one[name]) != string(other[name]) {
			t.Errorf("%s: %s, then %s", name, one[name], other[name])
		}
	}
}
