//go:build cgo

package ort_test

import (
	"math"
	"path/filepath"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

// TestHalf holds the float16 bundle to what transformers computes in float32.
// The CPU runs its graphs by casting around each kernel, so it rounds in the
// same places as CUDA does.
func TestHalf(t *testing.T) {
	for layout := range layouts {
		t.Run(layout, func(t *testing.T) {
			rt := openRuntime(t) // skip before converting
			checkHalf(t, rt, layout)
		})
	}
}

// checkHalf is shared with the CUDA test.
func checkHalf(t *testing.T, rt encoder.Runtime, layout string) {
	p := parity{fixture: readFixture(t, layout)}
	var m bundle.Manifest
	p.bundle, m = convertAs(t, layout, bundle.FP16)
	if m.Precision != bundle.FP16 {
		t.Fatalf("precision %q", m.Precision)
	}
	var err error
	if p.model, err = encoder.Open(t.Context(), p.bundle, rt); err != nil {
		t.Fatal(err)
	}
	defer p.model.Close()
	p.checkTokens(t)
	if p.features, err = p.model.Images(t.Context(), p.pixels(t)); err != nil {
		t.Fatal(err)
	}
	p.halfTowers(t)
	p.halfMatches(t)
	p.halfProjected(t, rt)
}

// drift collects how far values are from their reference.
type drift struct {
	worst, squares float64
	n              int
}

func (d *drift) add(got, want float32) {
	off := math.Abs(float64(got) - float64(want))
	if math.IsNaN(off) {
		off = math.Inf(1)
	}
	d.worst, d.squares, d.n = max(d.worst, off), d.squares+off*off, d.n+1
}

func (d *drift) rms() float64 { return math.Sqrt(d.squares / float64(d.n)) }

func (d *drift) check(t *testing.T, what string, rms, worst float64) {
	t.Helper()
	t.Logf("%-24s differs by %.2e at most, %.2e rms, of %d", what, d.worst, d.rms(), d.n)
	if d.n == 0 || d.worst > worst || d.rms() > rms {
		t.Errorf("%s differs by %.2e at most and %.2e rms, allowed are %.0e and %.0e", what, d.worst, d.rms(), worst, rms)
	}
}

func (p *parity) halfTowers(t *testing.T) {
	texts, err := p.model.Texts(t.Context(), p.queries)
	if err != nil {
		t.Fatal(err)
	}
	var cosines, images drift
	for j, f := range p.features {
		for i := range texts {
			cosines.add(dot(texts[i], f.Embedding), float32(p.Cosines[i][j]))
		}
		for i, v := range f.Embedding {
			images.add(v, p.ImageEmbeddings[j][i])
		}
	}
	cosines.check(t, "cosine", halfCosine/3, halfCosine)
	images.check(t, "picture embedding", halfCosine/3, halfCosine)
}

func (p *parity) halfMatches(t *testing.T) {
	full, int8s, texts := p.matchDrifts(t)
	full.check(t, "match over fp32 states", halfLogit/3, halfLogit)
	int8s.check(t, "match over int8 states", halfLogit, 3*halfLogit) // int8 rounds more than float16 does
	texts.check(t, "match of texts", halfLogit/3, halfLogit)
}

// matchDrifts compares the match logits of a coarser bundle with the reference:
// over exact and int8 states, and of one picture with all texts.
func (p *parity) matchDrifts(t *testing.T) (full, int8s, texts drift) {
	t.Helper()
	exact := p.states(func(f encoder.Features) encoder.States { return f.States })
	coarse := p.states(func(f encoder.Features) encoder.States { return f.States.Quantize() })
	for i, q := range p.queries {
		for states, d := range map[*[]encoder.States]*drift{&exact: &full, &coarse: &int8s} {
			got, err := p.model.Match(t.Context(), q, *states)
			if err != nil {
				t.Fatal(err)
			}
			for j := range got {
				d.add(got[j].Match(), p.Enc[i][j].Match())
			}
		}
	}
	for j, s := range exact {
		got, err := p.model.MatchTexts(t.Context(), s, p.queries)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			texts.add(got[i].Match(), p.Padded[i][j].Match())
		}
	}
	return full, int8s, texts
}

func (p *parity) halfProjected(t *testing.T, rt encoder.Runtime) {
	s, err := rt.Load(t.Context(), filepath.Join(p.bundle, bundle.GraphMatchProjected.File()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var projected drift
	for i, q := range p.queries {
		for j, l := range p.runProjected(t, s, q) {
			projected.add(l.Match(), p.Enc[i][j].Match())
		}
	}
	projected.check(t, "match, projected", halfLogit/3, halfLogit)
}

// Tolerances of float16 on these models, whose weights are drawn so that every
// detail shows: logits spread over 20.
const (
	halfCosine = 2e-3
	halfLogit  = 0.05
)
