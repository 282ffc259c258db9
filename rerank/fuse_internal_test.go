package rerank

import (
	"math"
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

func TestOrder(t *testing.T) {
	logit := float32(1)
	scored := func(id string, score float64, itcRank int) Scored {
		return Scored{Candidate: Candidate{ID: id}, Score: score, Logit: &logit, ITCRank: itcRank}
	}
	unscored := func(id string, itcRank int) Scored {
		return Scored{Candidate: Candidate{ID: id}, Score: 99, ITCRank: itcRank}
	}
	hits := []Scored{
		unscored("u3", 3), scored("low", -5, 1), scored("tie-b", 2, 2), unscored("u7", 7),
		scored("tie-a", 2, 6), scored("top", 3, 5), unscored("u4", 4), scored("tie-a", 2, 8),
	}
	order(hits)
	want := []struct {
		id      string
		itcRank int
	}{{"top", 5}, {"tie-a", 6}, {"tie-a", 8}, {"tie-b", 2}, {"low", 1}, {"u3", 3}, {"u4", 4}, {"u7", 7}}
	for i, w := range want {
		if h := hits[i]; h.ID != w.id || h.ITCRank != w.itcRank || h.Rank != i+1 {
			t.Errorf("place %d: %s (first stage %d, rank %d), want %s (%d)", i+1, h.ID, h.ITCRank, h.Rank, w.id, w.itcRank)
		}
	}
}
