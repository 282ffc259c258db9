package rerank_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"sightline/encoder"
	"sightline/rerank"
	"sightline/store/features"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is a Matcher and FeatureSource: the states of picture "p7" hold the
// index 7, and the match logit of it is logits[7].
type model struct {
	logits  []float32
	missing map[string]bool
	broken  map[string]error // from Get
	pair    time.Duration    // what one pair takes
	get     time.Duration    // what one Get takes
	onMatch func(ctx context.Context, call int) ([]encoder.Logits, error)

	mu      sync.Mutex
	batches []int // sizes
	gets    atomic.Int64
}

func (m *model) Get(ctx context.Context, key string) (features.Record, bool, error) {
	m.gets.Add(1)
	if err := sleep(ctx, m.get); err != nil {
		return features.Record{}, false, err
	}
	if m.missing[key] || m.broken[key] != nil {
		return features.Record{}, false, m.broken[key]
	}
	var at int
	if _, err := fmt.Sscanf(key, "p%d", &at); err != nil {
		return features.Record{}, false, err
	}
	return features.Record{Tokens: 1, Width: 1, Float: []float32{float32(at)}}, true, nil
}

func (m *model) Match(ctx context.Context, q encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches = append(m.batches, len(states))
	if m.onMatch != nil {
		if l, err := m.onMatch(ctx, len(m.batches)); l != nil || err != nil {
			return l, err
		}
	}
	if err := sleep(ctx, m.pair*time.Duration(len(states))); err != nil {
		return nil, err
	}
	out := make([]encoder.Logits, len(states))
	for i, s := range states {
		out[i] = encoder.Logits{0, m.logits[int(s.Float[0])]}
	}
	return out, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// candidates are n hits, cosines 0.9, 0.89 …
func candidates(n int) []rerank.Candidate {
	out := make([]rerank.Candidate, n)
	for i := range out {
		out[i] = rerank.Candidate{ID: fmt.Sprintf("id%03d", i), Picture: fmt.Sprintf("p%d", i), ITC: 0.9 - float64(i)/100}
	}
	return out
}

// rising gives the last candidate the best logit.
func rising(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(i) - 5
	}
	return out
}

// ids names the hits by their number, "3 2 1 0".
func ids(hits []rerank.Scored) string {
	var out []string
	for _, h := range hits {
		out = append(out, strings.TrimLeft(strings.TrimPrefix(h.ID, "id"), "0")+map[bool]string{true: "0"}[h.ID == "id000"])
	}
	return strings.Join(out, " ")
}

func TestRerank(t *testing.T) {
	query, nan, broken := encoder.Query{IDs: []int64{101, 7, 102}}, float32(math.NaN()), errors.New("session lost")
	tests := []struct {
		name    string
		n       int
		model   *model // nil: all works
		options rerank.Options
		order   string
		scored  int
		of      int
		missing int
		stopped string
		cause   error
		batches []int
	}{
		{name: "all scored", n: 5, order: "4 3 2 1 0", scored: 5, of: 5, options: rerank.Options{Batch: 2}, batches: []int{2, 2, 1}},
		{name: "nothing to do", n: 0, order: ""},
		{name: "depth cuts", n: 6, options: rerank.Options{Depth: 3}, order: "2 1 3 4 5 0", scored: 3, of: 3, batches: []int{3}},
		{name: "switched off", n: 3, options: rerank.Options{Depth: -1}, order: "0 1 2", stopped: "disabled"},
		{
			name: "missing states do not shrink batches", n: 6, options: rerank.Options{Batch: 2},
			model: &model{missing: map[string]bool{"p1": true, "p2": true}},
			order: "5 4 3 0 1 2", scored: 4, of: 6, missing: 2, stopped: "missing", batches: []int{2, 2},
		},
		{
			name: "all states missing", n: 2, model: &model{missing: map[string]bool{"p0": true, "p1": true}},
			order: "0 1", of: 2, missing: 2, stopped: "missing",
		},
		{
			name: "a broken record costs only its candidate", n: 4, model: &model{broken: map[string]error{"p3": broken}},
			order: "2 1 3 0", scored: 3, of: 4, stopped: "failed", cause: broken, batches: []int{3},
		},
		{
			name: "a logit that is no number costs only its candidate", n: 4, model: &model{logits: []float32{1, nan, 2, 3}},
			order: "3 2 0 1", scored: 3, of: 4, stopped: "failed", batches: []int{4},
		},
		{
			name: "the matcher breaks in its second batch", n: 6, options: rerank.Options{Batch: 2},
			model: &model{onMatch: func(_ context.Context, call int) ([]encoder.Logits, error) {
				if call == 2 {
					return nil, broken
				}
				return nil, nil
			}},
			order: "1 2 3 4 5 0", scored: 2, of: 6, stopped: "failed", cause: broken, batches: []int{2, 2},
		},
		{
			name: "the matcher answers for too few", n: 3,
			model: &model{onMatch: func(context.Context, int) ([]encoder.Logits, error) { return make([]encoder.Logits, 2), nil }},
			order: "0 1 2", of: 3, stopped: "failed", batches: []int{3},
		},
		{
			name: "a deadline of the matcher's own is a failure", n: 3,
			model: &model{onMatch: func(context.Context, int) ([]encoder.Logits, error) { return nil, context.DeadlineExceeded }},
			order: "0 1 2", of: 3, stopped: "failed", cause: context.DeadlineExceeded, batches: []int{3},
		},
		{
			name: "failed says more than missing", n: 3, model: &model{missing: map[string]bool{"p0": true}, broken: map[string]error{"p1": broken}},
			order: "0 1 2", scored: 1, of: 3, missing: 1, stopped: "failed", cause: broken, batches: []int{1},
		},
		{name: "defaults", n: 150, order: "", scored: 128, of: 128, batches: []int{16, 16, 16, 16, 16, 16, 16, 16}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := cmp.Or(tt.model, &model{})
			if m.logits == nil {
				m.logits = rising(tt.n)
			}
			r := rerank.New(m, m, tt.options)
			out := r.Rerank(t.Context(), query, candidates(tt.n))
			closed(t, r)
			if got := ids(out.Hits); got != tt.order && tt.name != "defaults" {
				t.Errorf("order %s, want %s", got, tt.order)
			}
			checkHits(t, out)
			if out.Scored != tt.scored || out.Of != tt.of || out.Missing != tt.missing || out.Stopped != tt.stopped {
				t.Errorf("outcome %d of %d, %d missing, %q; want %d of %d, %d, %q",
					out.Scored, out.Of, out.Missing, out.Stopped, tt.scored, tt.of, tt.missing, tt.stopped)
			}
			if (out.Err != nil) != (tt.stopped == "failed") || tt.cause != nil && !errors.Is(out.Err, tt.cause) {
				t.Errorf("cause %v, want %v", out.Err, tt.cause)
			}
			if !slices.Equal(m.batches, tt.batches) {
				t.Errorf("batches %v, want %v", m.batches, tt.batches)
			}
		})
	}
}

// fataler is a *testing.T or *rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkHits: ranks count up, scored hits are in order of their score and the
// others in the first stage's, and their numbers belong together.
func checkHits(t fataler, out rerank.Outcome) {
	t.Helper()
	var scored, others []rerank.Scored
	for i, h := range out.Hits {
		if h.Rank != i+1 {
			t.Fatalf("hit %d has rank %d", i+1, h.Rank)
		}
		if (h.Logit == nil) != (h.Probability == nil) {
			t.Fatalf("hit %+v has only one of logit and probability", h)
		}
		if h.Logit == nil {
			if h.Score != h.ITC && !math.IsNaN(h.ITC) {
				t.Fatalf("unscored hit %+v does not keep its cosine", h)
			}
			others = append(others, h)
			continue
		}
		if h.Score != float64(*h.Logit)+h.ITC || math.Abs(*h.Probability-1/(1+math.Exp(-float64(*h.Logit)))) > 1e-9 {
			t.Fatalf("score %v, probability %v do not fit logit %v and cosine %v", h.Score, *h.Probability, *h.Logit, h.ITC)
		}
		scored = append(scored, h)
	}
	if !slices.IsSortedFunc(others, func(a, b rerank.Scored) int { return a.ITCRank - b.ITCRank }) {
		t.Fatalf("unscored hits are out of order")
	}
	if !slices.IsSortedFunc(scored, func(a, b rerank.Scored) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	}) {
		t.Fatalf("scored hits are out of order")
	}
	if len(scored) != out.Scored {
		t.Fatalf("%d hits are scored, outcome says %d", len(scored), out.Scored)
	}
}

// closed ends a Reranker, so that what its worker noted can be read.
func closed(t fataler, r *rerank.Reranker) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func TestNoMatcher(t *testing.T) {
	m := &model{}
	for _, r := range []*rerank.Reranker{rerank.New(nil, m, rerank.Options{}), rerank.New(m, nil, rerank.Options{})} {
		out := r.Rerank(t.Context(), encoder.Query{}, candidates(3))
		if out.Stopped != rerank.StoppedDisabled || ids(out.Hits) != "0 1 2" {
			t.Errorf("outcome %+v", out)
		}
	}
}

func TestCandidateWithoutPicture(t *testing.T) {
	m := &model{logits: rising(2)}
	cands := candidates(2)
	cands[0].Picture = ""
	out := rerank.New(m, m, rerank.Options{}).Rerank(t.Context(), encoder.Query{}, cands)
	if out.Stopped != rerank.StoppedMissing || out.Missing != 1 || m.gets.Load() != 1 {
		t.Errorf("outcome %+v after %d gets", out, m.gets.Load())
	}
}

func TestBrokenStatesNeverReachTheMatcher(t *testing.T) {
	m := &model{logits: rising(3)}
	src := source(func(key string) features.Record {
		r, _, _ := m.Get(context.WithoutCancel(t.Context()), key)
		if key == "p1" {
			r.Tokens = 2
		}
		return r
	})
	out := rerank.New(m, src, rerank.Options{}).Rerank(t.Context(), encoder.Query{}, candidates(3))
	if out.Stopped != rerank.StoppedFailed || out.Scored != 2 || !slices.Equal(m.batches, []int{2}) || !strings.Contains(out.Err.Error(), "id001") {
		t.Errorf("outcome %+v, batches %v", out, m.batches)
	}
}

type source func(key string) features.Record

func (s source) Get(_ context.Context, key string) (features.Record, bool, error) {
	return s(key), true, nil
}

func TestConcurrentUse(t *testing.T) {
	m := &model{logits: rising(50)}
	r := rerank.New(m, m, rerank.Options{Batch: 7})
	want := ids(r.Rerank(t.Context(), encoder.Query{}, candidates(50)).Hits)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := ids(r.Rerank(t.Context(), encoder.Query{}, candidates(50)).Hits); got != want {
				t.Errorf("order %s, want %s", got, want)
			}
		})
	}
	wg.Wait()
}

func TestPropertyHitsAreAPermutation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 40).Draw(t, "n")
		cands := candidates(n)
		m := &model{missing: map[string]bool{}, broken: map[string]error{}}
		logit := rapid.OneOf(rapid.Float32Range(-20, 20), rapid.Float32Range(1, 1), rapid.Just(float32(math.NaN())), rapid.Just(float32(math.Inf(1))))
		for i := range cands {
			cands[i].ID = rapid.StringMatching("[ab]{1,3}").Draw(t, "id")
			m.logits = append(m.logits, logit.Draw(t, "logit"))
			switch rapid.IntRange(0, 9).Draw(t, "states") {
			case 0:
				m.missing[cands[i].Picture] = true
			case 1:
				m.broken[cands[i].Picture] = errors.New("broken")
			}
		}
		o := rerank.Options{Depth: rapid.IntRange(-1, 50).Draw(t, "depth"), Batch: rapid.IntRange(0, 9).Draw(t, "batch")}
		out := rerank.New(m, m, o).Rerank(t.Context(), encoder.Query{}, cands)
		checkHits(t, out)
		checkPermutation(t, cands, out.Hits)
		if (out.Stopped == "") != (out.Scored == out.Of) && o.Depth >= 0 {
			t.Fatalf("%d of %d scored, stopped %q", out.Scored, out.Of, out.Stopped)
		}
	})
}

func checkPermutation(t fataler, cands []rerank.Candidate, hits []rerank.Scored) {
	t.Helper()
	seen := make([]bool, len(cands))
	for _, h := range hits {
		at := h.ITCRank - 1
		if at < 0 || at >= len(cands) || seen[at] || cands[at] != h.Candidate {
			t.Fatalf("hit %+v is no candidate or comes twice", h)
		}
		seen[at] = true
	}
	if slices.Contains(seen, false) {
		t.Fatalf("%d hits of %d candidates", len(hits), len(cands))
	}
}
