package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sightline/api"
	"sightline/encoder"
	"sightline/rerank"
	"sightline/store/features"
	"sightline/store/filter"
)

func TestSearchOrdersBySecondLook(t *testing.T) {
	s := newService("a", "b", "c", "d", "e")
	res, err := s.engine.Search(t.Context(), ask("red shoes", func(r *api.SearchRequest) { r.Depth = 3 }))
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(res.Hits); got != "c b a d e" {
		t.Errorf("order %s, want the first three turned round and the rest below", got)
	}
	for i, h := range res.Hits {
		read := i < 3
		if h.Rank != i+1 || h.ITCRank != 1+strings.Index("abcde", h.ID) {
			t.Errorf("%s: rank %d, ITC rank %d", h.ID, h.Rank, h.ITCRank)
		}
		if (h.ITMLogit != nil) != read || (h.MatchProbability != nil) != read {
			t.Errorf("%s: logit %v, probability %v, read by ITM: %v", h.ID, h.ITMLogit, h.MatchProbability, read)
		}
		if want := h.ITC; !read && h.Score != want {
			t.Errorf("%s: score %v, want the cosine %v", h.ID, h.Score, want)
		}
	}
	if res.Rerank.Scored != 3 || res.Rerank.Of != 3 || res.Rerank.Stopped != "" || res.Query.Tokens != 4 || res.Model != fingerprint {
		t.Errorf("rerank %+v, query %+v, model %q", res.Rerank, res.Query, res.Model)
	}
}

func TestSearchAsksForEnoughCandidates(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*api.SearchRequest)
		want   int
	}{
		"default depth":          {func(*api.SearchRequest) {}, 50},
		"page beyond the depth":  {func(r *api.SearchRequest) { r.Offset, r.Limit = 90, 20 }, 110},
		"no second look":         {func(r *api.SearchRequest) { r.Rerank = false }, 20},
		"depth below the page":   {func(r *api.SearchRequest) { r.Depth = 5 }, 20},
		"by picture":             {func(r *api.SearchRequest) { r.Text, r.ImageID = "", "a" }, 50},
		"last page there can be": {func(r *api.SearchRequest) { r.Offset, r.Limit = 9900, 100 }, 10_000},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService("a", "b")
			if _, err := s.engine.Search(t.Context(), ask("shoes", c.change)); err != nil {
				t.Fatal(err)
			}
			if q := s.index.last.Load(); q.K != c.want || q.Offset != 0 {
				t.Errorf("asked for %d from %d, want %d from 0", q.K, q.Offset, c.want)
			}
		})
	}
}

func TestSearchPagesAgreeWithEachOther(t *testing.T) {
	s := newService(strings.Split("abcdefghij", "")...)
	whole, err := s.engine.Search(t.Context(), ask("shoes", func(r *api.SearchRequest) { r.Depth = 6 }))
	if err != nil {
		t.Fatal(err)
	}
	var pages []api.Hit
	for offset := 0; offset < 12; offset += 3 {
		res, err := s.engine.Search(t.Context(), ask("shoes", func(r *api.SearchRequest) { r.Depth, r.Offset, r.Limit = 6, offset, 3 }))
		if err != nil {
			t.Fatal(err)
		}
		for i, h := range res.Hits {
			if h.Rank != offset+i+1 {
				t.Errorf("offset %d: hit %d has rank %d", offset, i, h.Rank)
			}
		}
		pages = append(pages, res.Hits...)
	}
	if ids(pages) != ids(whole.Hits) {
		t.Errorf("pages give %s, one answer gives %s", ids(pages), ids(whole.Hits))
	}
}

func TestMinMatch(t *testing.T) {
	least := func(p float64) func(*api.SearchRequest) {
		return func(r *api.SearchRequest) { r.MinMatch, r.Depth = &p, 3 }
	}
	for name, c := range map[string]struct {
		ids       []string
		least     float64
		want      string
		noneMatch bool
	}{
		"keeps those above; beyond the depth nobody is known to match": {[]string{"a", "b", "c", "d"}, 0.4, "c b", false},
		"equal passes":                  {[]string{"a", "b", "c"}, 0.9, "c", false},
		"nothing passes":                {[]string{"a", "b", "c"}, 0.95, "", true},
		"an empty index has no matches": {nil, 0.1, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := newService(c.ids...).engine.Search(t.Context(), ask("shoes", least(c.least)))
			if err != nil {
				t.Fatal(err)
			}
			if ids(res.Hits) != c.want || res.NoGoodMatch != c.noneMatch || res.Hits == nil {
				t.Errorf("hits %q (nil: %v), no_good_match %v", ids(res.Hits), res.Hits == nil, res.NoGoodMatch)
			}
		})
	}
}

func TestNoGoodMatchWithoutMinMatch(t *testing.T) {
	for name, c := range map[string]struct {
		best       float64
		stopped    string
		calibrated bool
		want       bool
	}{
		"none is likely":         {0.4, "", true, true},
		"one is likely":          {0.6, "", true, false},
		"not all were read":      {0.4, rerank.StoppedDeadline, true, false},
		"raw softmax is no word": {0.4, "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService("a", "b")
			s.engine.Calibrated = c.calibrated
			s.engine.Reranker = rerankFunc(func(_ context.Context, _ encoder.Query, cands []rerank.Candidate) rerank.Outcome {
				logit, low := float32(1), 0.1
				first := rerank.Scored{Candidate: cands[0], Logit: &logit, Probability: &low}
				second := rerank.Scored{Candidate: cands[1], Logit: &logit, Probability: &c.best}
				return rerank.Outcome{Hits: []rerank.Scored{first, second}, Scored: 2, Of: 2, Stopped: c.stopped}
			})
			res, err := s.engine.Search(t.Context(), ask("shoes", func(*api.SearchRequest) {}))
			if err != nil {
				t.Fatal(err)
			}
			if res.NoGoodMatch != c.want || len(res.Hits) != 2 {
				t.Errorf("no_good_match %v with %d hits", res.NoGoodMatch, len(res.Hits))
			}
		})
	}
}

// TestFilterReachesTheIndex: the three written forms give the index one filter.
func TestFilterReachesTheIndex(t *testing.T) {
	get := "/v1/search?q=red&filter=" + url.QueryEscape(`price < 50 AND brand = "Acme"`)
	for name, req := range map[string][3]string{
		"object": {"POST", "/v1/search", `{"text":"red","filter":{"price":{"lt":50},"brand":"Acme"}}`},
		"text":   {"POST", "/v1/search", `{"text":"red","filter":"brand = 'Acme' AND price < 50"}`},
		"query":  {"GET", get, ""},
	} {
		s := newService("a")
		if res := s.do(req[0], req[1], "application/json", req[2]); res.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", name, res.Code, res.Body)
		}
		if got, want := filter.Key(s.index.last.Load().Filter), `brand = "Acme" AND price < 50`; got != want {
			t.Errorf("%s: the index was asked for %s, want %s", name, got, want)
		}
	}
}

func TestMinMatchFailsOpen(t *testing.T) {
	s := newService("a", "b", "c", "d")
	s.engine.Reranker = rerankFunc(func(_ context.Context, _ encoder.Query, cands []rerank.Candidate) rerank.Outcome {
		p, logit := 0.1, float32(-2)
		out := rerank.Outcome{Scored: 1, Of: len(cands), Stopped: rerank.StoppedDeadline}
		for i, c := range cands {
			out.Hits = append(out.Hits, rerank.Scored{Candidate: c, Score: c.ITC, ITCRank: i + 1})
		}
		out.Hits[0].Probability, out.Hits[0].Logit = &p, &logit
		return out
	})
	least := 0.5
	res, err := s.engine.Search(t.Context(), ask("shoes", func(r *api.SearchRequest) { r.MinMatch, r.Depth = &least, 3 }))
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(res.Hits); got != "b c" || res.NoGoodMatch {
		t.Errorf("hits %q, no_good_match %v; want the two that the deadline left unread", got, res.NoGoodMatch)
	}
}

// slowMatcher needs longer than any deadline here, but heeds ctx.
type slowMatcher struct{ first time.Duration }

func (m slowMatcher) Match(ctx context.Context, _ encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	select {
	case <-time.After(m.first):
		return make([]encoder.Logits, len(states)), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type anyFeatures struct{}

func (anyFeatures) Get(context.Context, string) (features.Record, bool, error) {
	return features.Record{Tokens: 1, Width: 1, Float: []float32{1}}, true, nil
}

// The real Reranker, so that its use of the deadline is tested together with ours.
func TestDeadlineFailsOpen(t *testing.T) {
	for name, c := range map[string]struct {
		perBatch time.Duration
		scored   int
	}{
		"not one batch in time": {time.Minute, 0},
		"some batches in time":  {60 * time.Millisecond, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l")
				reranker := rerank.New(slowMatcher{c.perBatch}, anyFeatures{}, rerank.Options{Batch: 1})
				defer reranker.Close()
				s.engine.Reranker = reranker
				start := time.Now()
				res, err := s.engine.Search(t.Context(), ask("shoes", func(r *api.SearchRequest) { r.Deadline = 300 * time.Millisecond }))
				if took := time.Since(start); err != nil || took > 300*time.Millisecond {
					t.Fatalf("after %v: %v", took, err)
				}
				if res.Rerank.Stopped != "deadline" || res.Rerank.Of != 12 || res.Rerank.Scored != c.scored || len(res.Hits) != 12 {
					t.Errorf("%d hits, rerank %+v", len(res.Hits), res.Rerank)
				}
			})
		})
	}
}

func TestDeadlineBeforeCandidatesIsAnError(t *testing.T) {
	s := newService("a")
	s.model.texts = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	_, err := s.engine.Search(t.Context(), ask("shoes", func(r *api.SearchRequest) { r.Deadline = 50 * time.Millisecond }))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestCancelledCaller(t *testing.T) {
	for name, hook := range map[string]func(*service, context.CancelFunc){
		"while encoding": func(s *service, leave context.CancelFunc) {
			s.model.texts = func(ctx context.Context) error { leave(); return ctx.Err() }
		},
		"while searching": func(s *service, leave context.CancelFunc) {
			s.index.search = func(ctx context.Context) error { leave(); return ctx.Err() }
		},
		"during the second look": func(s *service, leave context.CancelFunc) {
			s.engine.Reranker = rerankFunc(func(ctx context.Context, _ encoder.Query, _ []rerank.Candidate) rerank.Outcome {
				leave()
				return rerank.Outcome{Stopped: rerank.StoppedCancelled}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService("a", "b")
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			hook(s, leave)
			if _, err := s.engine.Search(ctx, ask("shoes")); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want context.Canceled", err)
			}
		})
	}
}

func TestSearchByPicture(t *testing.T) {
	s := newService("a", "b", "c")
	reranker := s.engine.Reranker.(*fakeReranker)
	for name, c := range map[string]struct {
		change  func(*api.SearchRequest)
		want    string
		seeking float32
	}{
		"of an item":   {func(r *api.SearchRequest) { r.ImageID = "b" }, "a c", 0},
		"of an upload": {func(r *api.SearchRequest) { r.Image = []byte(pngBytes) }, "a b c", 1},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := s.engine.Search(t.Context(), ask("", c.change))
			if err != nil {
				t.Fatal(err)
			}
			if ids(res.Hits) != c.want || res.Rerank.Stopped != "disabled" || reranker.calls.Load() != 0 {
				t.Errorf("hits %q, rerank %+v, %d calls", ids(res.Hits), res.Rerank, reranker.calls.Load())
			}
			if got := s.index.last.Load().Embedding[0]; got != c.seeking {
				t.Errorf("searched by embedding %v…, want %v…", got, c.seeking)
			}
		})
	}
}

func TestEmptyQueryAfterTokenizing(t *testing.T) {
	_, err := newService("a").engine.Search(t.Context(), ask("!!! ..."))
	var inv *api.Invalid
	if !errors.As(err, &inv) || inv.Fields[0].Field != "text" {
		t.Errorf("error %v", err)
	}
}

func TestCutIsReported(t *testing.T) {
	res, err := newService("a").engine.Search(t.Context(), ask(strings.Repeat("word ", 37)))
	if err != nil || res.Query.Cut != 7 || res.Query.Tokens != 32 {
		t.Errorf("query %+v, error %v", res.Query, err)
	}
}

func TestValidateReportsEverythingAtOnce(t *testing.T) {
	bad := 1.5
	req := api.SearchRequest{Text: "x\x00y", Limit: 101, Offset: -1, Rerank: true, Depth: 201, Deadline: time.Millisecond, MinMatch: &bad}
	var inv *api.Invalid
	if !errors.As(req.Validate(), &inv) {
		t.Fatal("valid")
	}
	var fields []string
	for _, f := range inv.Fields {
		fields = append(fields, f.Field)
	}
	if got := strings.Join(fields, " "); got != "text limit offset rerank.depth deadline_ms min_match" {
		t.Errorf("fields %s", got)
	}
}
