package rerank_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sightline/encoder"
	"sightline/rerank"
)

// reader is a TextMatcher: the match logit of a text is that of its second id,
// and the picture is known by its first state. For one RerankTexts at a time.
type reader struct {
	logits  map[int64]float32
	token   time.Duration // what one padded token takes
	project error
	onMatch func(ctx context.Context, call int) ([]encoder.Logits, error)

	projected int
	lengths   [][]int // of the texts of each run
	padded    int     // tokens computed
}

func (r *reader) Project(ctx context.Context, image encoder.States) (encoder.Projected, error) {
	r.projected++
	return encoder.Projected{Keys: encoder.Tensor{Name: "keys", Data: image.Float}}, errors.Join(r.project, ctx.Err())
}

func (r *reader) MatchProjected(ctx context.Context, image encoder.Projected, texts []encoder.Query) ([]encoder.Logits, error) {
	if v, ok := image.Keys.Data.([]float32); !ok || v[0] != 7 {
		return nil, fmt.Errorf("not the projected picture: %v", image)
	}
	var lengths []int
	for _, t := range texts {
		lengths = append(lengths, len(t.IDs))
	}
	r.lengths = append(r.lengths, lengths)
	tokens := len(texts) * slices.Max(lengths)
	r.padded += tokens
	if r.onMatch != nil {
		if l, err := r.onMatch(ctx, len(r.lengths)); l != nil || err != nil {
			return l, err
		}
	}
	if err := sleep(ctx, r.token*time.Duration(tokens)); err != nil {
		return nil, err
	}
	out := make([]encoder.Logits, len(texts))
	for i, t := range texts {
		out[i] = encoder.Logits{0, r.logits[t.IDs[1]]}
	}
	return out, nil
}

var sight = encoder.States{Tokens: 1, Width: 1, Float: []float32{7}}

// titled are candidates whose titles have so many tokens, 0 for none. The last
// one matches best.
func titled(r *reader, lengths ...int) []rerank.TextCandidate {
	r.logits = map[int64]float32{}
	out := make([]rerank.TextCandidate, len(lengths))
	for i, c := range candidates(len(lengths)) {
		out[i].Candidate = c
		if n := lengths[i]; n > 0 {
			out[i].Text.IDs = make([]int64, n)
			out[i].Text.IDs[1] = int64(i)
		}
		r.logits[int64(i)] = float32(i)
	}
	return out
}

func TestRerankTexts(t *testing.T) {
	broken := errors.New("session lost")
	nan := float32(math.NaN())
	for _, tt := range []struct {
		name    string
		reader  reader
		titles  []int
		options rerank.Options
		spoil   func(*reader)
		order   string
		scored  int
		of      int
		missing int
		stopped string
		cause   error
		lengths string
	}{
		{name: "all scored, like lengths together", titles: []int{5, 9, 5, 6}, order: "3 2 1 0", scored: 4, of: 4, lengths: "[[5 5 6] [9]]"},
		{name: "some padding is cheaper than a run", titles: []int{8, 7, 9}, order: "2 1 0", scored: 3, of: 3, lengths: "[[7 8 9]]"},
		{name: "sub-batches in first-stage order", titles: []int{12, 5, 5, 12}, options: rerank.Options{Batch: 2}, order: "3 2 1 0", scored: 4, of: 4, lengths: "[[5] [12] [5] [12]]"},
		{name: "nothing to do", order: "", lengths: "[]"},
		{name: "depth cuts", titles: []int{5, 5, 5}, options: rerank.Options{Depth: 2}, order: "1 2 0", scored: 2, of: 2, lengths: "[[5 5]]"},
		{name: "switched off", titles: []int{5, 5}, options: rerank.Options{Depth: -1}, order: "0 1", stopped: "disabled", lengths: "[]"},
		{name: "without titles, at their expected places", titles: []int{0, 5, 0, 5}, options: rerank.Options{Batch: 2}, order: "3 0 1 2", scored: 2, of: 4, missing: 2, stopped: "missing", lengths: "[[5 5]]"},
		{name: "no title at all", titles: []int{0, 0}, order: "0 1", of: 2, missing: 2, stopped: "missing", lengths: "[]"},
		{name: "picture cannot be projected", reader: reader{project: broken}, titles: []int{5, 5}, order: "0 1", of: 2, stopped: "failed", cause: broken, lengths: "[]"},
		{
			name: "matcher breaks after one run", titles: []int{5, 5, 5, 5}, options: rerank.Options{Batch: 2},
			reader: reader{onMatch: func(_ context.Context, call int) ([]encoder.Logits, error) {
				return nil, map[int]error{2: broken}[call]
			}},
			order: "1 2 3 0", scored: 2, of: 4, stopped: "failed", cause: broken, lengths: "[[5 5] [5 5]]",
		},
		{
			name: "too few logits", titles: []int{5, 5},
			reader: reader{onMatch: func(context.Context, int) ([]encoder.Logits, error) { return make([]encoder.Logits, 1), nil }},
			order:  "0 1", of: 2, stopped: "failed", lengths: "[[5 5]]",
		},
		{name: "a logit that is no number", titles: []int{5, 5, 5}, spoil: func(r *reader) { r.logits[2] = nan }, order: "1 2 0", scored: 2, of: 3, stopped: "failed", lengths: "[[5 5 5]]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &tt.reader
			cands := titled(r, tt.titles...)
			if tt.spoil != nil {
				tt.spoil(r)
			}
			out := rerank.NewTexts(r, tt.options).RerankTexts(t.Context(), sight, cands)
			if ids(out.Hits) != tt.order || out.Scored != tt.scored || out.Of != tt.of || out.Missing != tt.missing || out.Stopped != tt.stopped {
				t.Errorf("order %s, outcome %+v", ids(out.Hits), out)
			}
			if (out.Err != nil) != (tt.stopped == "failed") || tt.cause != nil && !errors.Is(out.Err, tt.cause) {
				t.Errorf("cause %v", out.Err)
			}
			if got := fmt.Sprint(r.lengths); got != tt.lengths || r.projected > 1 {
				t.Errorf("runs of %s, want %s; projected %d times", got, tt.lengths, r.projected)
			}
			read := 0
			for i, h := range out.Hits {
				if h.Logit != nil {
					read++
				}
				if h.Rank != i+1 || h.Logit != nil && (h.Score != float64(*h.Logit)+h.ITC || *h.Probability <= 0) {
					t.Errorf("hit %+v", h)
				}
			}
			if read != tt.scored {
				t.Errorf("%d hits have a logit, %d were scored", read, tt.scored)
			}
		})
	}
}

func TestNoTextMatcher(t *testing.T) {
	out := rerank.NewTexts(nil, rerank.Options{}).RerankTexts(t.Context(), sight, titled(&reader{}, 5, 5))
	if out.Stopped != rerank.StoppedDisabled || ids(out.Hits) != "0 1" {
		t.Errorf("%+v", out)
	}
}

// Padding is a quarter at most, whatever the titles, and every title is read once.
func TestTextPadding(t *testing.T) {
	var lengths []int
	tokens := 0
	for i := range 200 {
		lengths = append(lengths, 3+i*i%29)
		tokens += lengths[i]
	}
	r := &reader{}
	out := rerank.NewTexts(r, rerank.Options{Depth: 200}).RerankTexts(t.Context(), sight, titled(r, lengths...))
	if out.Scored != 200 || r.projected != 1 || 3*r.padded > 4*tokens || len(r.lengths) > 50 {
		t.Errorf("%d scored in %d runs, %d projections, %d tokens computed for %d", out.Scored, len(r.lengths), r.projected, r.padded, tokens)
	}
}

func TestTextsUnderADeadline(t *testing.T) {
	for name, c := range map[string]struct {
		limit   time.Duration
		cancel  bool
		scored  int
		stopped string
		took    time.Duration
	}{
		// 4 titles of 5 tokens a run, 20 ms each.
		"two runs, no time for a third": {50 * time.Millisecond, false, 8, "deadline", 40 * time.Millisecond},
		"not even one":                  {10 * time.Millisecond, false, 0, "deadline", 10 * time.Millisecond},
		"enough":                        {time.Second, false, 16, "", 80 * time.Millisecond},
		"caller has left":               {time.Second, true, 0, "cancelled", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.limit)
				defer cancel()
				if c.cancel {
					cancel()
				}
				r := &reader{token: time.Millisecond}
				cands := titled(r, slices.Repeat([]int{5}, 16)...)
				start := time.Now()
				out := rerank.NewTexts(r, rerank.Options{Batch: 4}).RerankTexts(ctx, sight, cands)
				if took := time.Since(start); out.Scored != c.scored || out.Stopped != c.stopped || out.Err != nil || took != c.took || len(out.Hits) != 16 {
					t.Errorf("after %s: %+v", took, out)
				}
			})
		})
	}
}
