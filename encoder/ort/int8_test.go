//go:build cgo

package ort_test

import (
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

// TestInt8Bundle holds the int8 bundle to what transformers computes in
// float32, and each result to be the same whatever else is in the batch.
func TestInt8Bundle(t *testing.T) {
	for layout := range layouts {
		t.Run(layout, func(t *testing.T) {
			openRuntime(t) // skip before converting
			p := parity{fixture: readFixture(t, layout)}
			var m bundle.Manifest
			p.bundle, m = convertAs(t, layout, bundle.INT8)
			if m.Precision != bundle.INT8 {
				t.Fatalf("precision %q", m.Precision)
			}
			p.model = openModel(t, p.bundle)
			p.checkTokens(t)
			var err error
			if p.features, err = p.model.Images(t.Context(), p.pixels(t)); err != nil {
				t.Fatal(err)
			}
			p.int8Towers(t)
			p.int8Matches(t)
			p.int8Alone(t)
		})
	}
}

func (p *parity) int8Towers(t *testing.T) {
	texts, err := p.model.Texts(t.Context(), p.queries)
	if err != nil {
		t.Fatal(err)
	}
	var cosines drift
	for j, f := range p.features {
		for i := range texts {
			cosines.add(dot(texts[i], f.Embedding), float32(p.Cosines[i][j]))
		}
	}
	cosines.check(t, "cosine", int8Cosine/3, int8Cosine)
}

func (p *parity) int8Matches(t *testing.T) {
	full, int8s, texts := p.matchDrifts(t)
	full.check(t, "match over fp32 states", int8Logit/3, int8Logit)
	int8s.check(t, "match over int8 states", int8Logit/3, int8Logit)
	texts.check(t, "match of texts", int8Logit/3, int8Logit)
}

// int8Alone: rows have scales of their own, so a picture's state and score do
// not depend on its neighbours.
func (p *parity) int8Alone(t *testing.T) {
	coarse := p.states(func(f encoder.Features) encoder.States { return f.States.Quantize() })
	together, err := p.model.Match(t.Context(), p.queries[0], coarse)
	if err != nil {
		t.Fatal(err)
	}
	for j, s := range coarse {
		alone, err := p.model.Match(t.Context(), p.queries[0], []encoder.States{s})
		if err != nil {
			t.Fatal(err)
		}
		var off drift
		off.add(alone[0].Match(), together[j].Match())
		if off.worst > 1e-4 {
			t.Errorf("picture %d: logit %g alone, %g beside others", j, alone[0].Match(), together[j].Match())
		}
	}
}

// Tolerances of int8 on these models, whose weights are drawn so that every
// detail shows: logits spread over 20.
const (
	int8Cosine = 0.03
	int8Logit  = 0.6
)
