package rerank

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"sightline/encoder"
)

func TestFuse(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	tests := []struct {
		name   string
		logits encoder.Logits
		itc    float64
		want   float64
		ok     bool
	}{
		{"sum of raw logit and raw cosine", encoder.Logits{-3, 2.5}, 0.25, 2.75, true},
		{"no-match logit does not count", encoder.Logits{9, 2.5}, 0.25, 2.75, true},
		{"both negative", encoder.Logits{1, -1.5}, -0.5, -2, true},
		{"zero", encoder.Logits{}, 0, 0, true},
		{"logit NaN", encoder.Logits{0, nan}, 0.5, 0, false},
		{"other logit NaN", encoder.Logits{nan, 1}, 0.5, 0, false},
		{"logit infinite", encoder.Logits{0, inf}, 0.5, 0, false},
		{"other logit infinite", encoder.Logits{-inf, 1}, 0.5, 0, false},
		{"cosine NaN", encoder.Logits{0, 1}, math.NaN(), 0, false},
		{"largest logit", encoder.Logits{0, math.MaxFloat32}, 1, float64(math.MaxFloat32) + 1, true},
	}
	for _, tt := range tests {
		got, ok := fuse(tt.logits, tt.itc)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s: fuse(%v, %v) = %v, %v; want %v, %v", tt.name, tt.logits, tt.itc, got, ok, tt.want, tt.ok)
		}
	}
}

// hit is "m2.5" a match of score 2.5, "n-3" a scored non-match, "u" unscored;
// cosines fall by the place in the first stage.
func hits(marks ...string) []Scored {
	out := make([]Scored, len(marks))
	for i, mark := range marks {
		h := Scored{Candidate: Candidate{ID: mark, ITC: -float64(i) / 1000}, ITCRank: i + 1}
		if score, err := strconv.ParseFloat(mark[1:], 64); err == nil {
			logit, probability := float32(score-h.ITC), map[bool]float64{true: 0.9, false: 0.1}[mark[0] == 'm']
			h.Score, h.Logit, h.Probability = score, &logit, &probability
		}
		out[i] = h
	}
	return out
}

func TestArrange(t *testing.T) {
	low := -4.0
	tests := []struct {
		name  string
		order Order
		bound *float64
		hits  []Scored
		want  string
	}{
		{"by score, ties by id", OrderExpected, nil, hits("m1", "n-3", "m5", "m2"), "m5 m2 m1 n-3"},
		{"unscored at the mean of those before", OrderExpected, nil, hits("m5", "n-7", "n-1", "u", "u"), "m5 n-1 u u n-7"},
		{"not above the bound", OrderExpected, &low, hits("m5", "n-7", "n-1", "u"), "m5 n-1 u n-7"},
		{"with nothing scored before, at the mean of those after", OrderExpected, nil, hits("u0x", "n-7", "u", "m-1", "n-9"), "m-1 u0x n-7 u n-9"},
		{"nothing scored", OrderExpected, nil, hits("u1x", "u2x"), "u1x u2x"},
		{"scored above all", OrderScored, nil, hits("m5", "u", "n-7", "n-1", "u"), "m5 n-1 n-7 u u"},
		{"non-matches as they came", OrderMatches, nil, hits("n-7", "m1", "n-1", "m2", "u"), "m2 m1 n-7 n-1 u"},
	}
	for _, tt := range tests {
		arrange(tt.hits, tt.order, tt.bound)
		var got []string
		for i, h := range tt.hits {
			got = append(got, h.ID)
			if h.Rank != i+1 {
				t.Errorf("%s: hit %d has rank %d", tt.name, i+1, h.Rank)
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, s, tt.want)
		}
	}
}

// Only the last window of scored candidates counts, which are nearest in cosine.
func TestExpect(t *testing.T) {
	logits := make([]float64, 3*window)
	for i := range logits {
		logits[i] = float64(i / window)
	}
	if got := expect(logits, len(logits), nil); got != 2 {
		t.Errorf("expected logit %v, want 2", got)
	}
	if got := expect(logits, 0, nil); got != 0 {
		t.Errorf("expected logit of those after %v, want 0", got)
	}
	bound := 1.5
	if got := expect(logits, len(logits), &bound); got != bound {
		t.Errorf("expected logit %v, want the bound", got)
	}
}
