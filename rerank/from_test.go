package rerank_test

import (
	"context"
	"testing"

	"sightline/encoder"
	"sightline/rerank"
	"sightline/store/features"
)

// sourceFunc gives states by key.
type sourceFunc func(key string) (features.Record, bool, error)

func (f sourceFunc) Get(_ context.Context, key string) (features.Record, bool, error) { return f(key) }

// TestRerankFrom: states come from the given source, and the whole depth is read
// whatever bound and page there are.
func TestRerankFrom(t *testing.T) {
	bound := 3.0
	m := &model{logits: []float32{0, 1, 2, 3}}
	r := rerank.New(m, m, rerank.Options{Batch: 1, Bound: &bound, Page: 1})
	t.Cleanup(func() { _ = r.Close() })
	src := sourceFunc(func(key string) (features.Record, bool, error) {
		if key == "none" {
			return features.Record{}, false, nil
		}
		return features.Record{Tokens: 1, Width: 1, Float: []float32{float32(key[0] - '0')}}, true, nil
	})
	cands := []rerank.Candidate{{ID: "a", Picture: "3", ITC: 0.4}, {ID: "b", Picture: "none", ITC: 0.3}, {ID: "c", Picture: "1", ITC: 0.2}, {ID: "d", Picture: "2", ITC: 0.1}}
	out := r.RerankFrom(t.Context(), encoder.Query{IDs: []int64{1, 5, 2}}, cands, src)
	if out.Scored != 3 || out.Missing != 1 || out.Stopped != rerank.StoppedMissing || out.Hits[0].ID != "a" || *out.Hits[0].Logit != 3 || m.gets.Load() != 0 {
		t.Errorf("%+v, own source asked %d times", out, m.gets.Load())
	}
	if out := r.Rerank(t.Context(), encoder.Query{IDs: []int64{1, 5, 2}}, []rerank.Candidate{{ID: "a", Picture: "p2"}}); *out.Hits[0].Logit != 2 || m.gets.Load() != 1 {
		t.Errorf("afterwards, from its own source: %+v", out)
	}
}
