//go:build cgo

package ort_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

// attentionCase is a line of attention.json: transformers' cross-attention.
type attentionCase struct {
	Text, Picture int
	Shape         []int64
	Values        []float32
}

// TestExplainParity: the attention is transformers' and the logits are those of
// match, both within 1e-5.
func TestExplainParity(t *testing.T) {
	for _, layout := range []string{"hf-safetensors", "hf-sparse-bin"} {
		t.Run(layout, func(t *testing.T) {
			rt := openRuntime(t)
			p := parity{fixture: readFixture(t, layout)}
			p.bundle, _ = convertFixture(t, layout)
			p.model = openModel(t, p.bundle)
			features, err := p.model.Images(t.Context(), p.pixels(t))
			if err != nil {
				t.Fatal(err)
			}
			graph, err := rt.Load(t.Context(), filepath.Join(p.bundle, bundle.GraphMatchExplain.File()))
			if err != nil {
				t.Fatal(err)
			}
			defer graph.Close()
			cases := readAttention(t, layout)
			if len(cases) != 4 {
				t.Fatalf("%d cases", len(cases))
			}
			for _, c := range cases {
				p.checkExplain(t, graph, features[c.Picture].States, c)
			}
		})
	}
}

func readAttention(t *testing.T, layout string) []attentionCase {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parityDir, layout, "attention.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []attentionCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func (p *parity) checkExplain(t *testing.T, graph encoder.Session, s encoder.States, c attentionCase) {
	t.Helper()
	what := fmt.Sprintf("%q on %s", p.Texts[c.Text], p.Pictures[c.Picture])
	ids := slices.Clone(p.IDs[c.Text])
	ids[0] = p.Special["enc"]
	out, err := graph.Run(t.Context(),
		encoder.Tensor{Name: "ids", Shape: []int64{1, int64(len(ids))}, Data: ids},
		encoder.Tensor{Name: "states", Shape: []int64{1, int64(s.Tokens), int64(s.Width)}, Data: s.Float})
	if err != nil {
		t.Fatal(err)
	}
	attention, err := out[1].Float32s()
	if err != nil || !slices.Equal(out[1].Shape, c.Shape) {
		t.Fatalf("%s: attention %v (%v), want %v", what, out[1].Shape, err, c.Shape)
	}
	near(t, "attention of "+what, attention, c.Values, 1e-5)

	q := encoder.Query{IDs: p.IDs[c.Text]}
	match, err := p.model.Match(t.Context(), q, []encoder.States{s})
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.model.Explain(t.Context(), q, s, encoder.ExplainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	nearLogits(t, "logits of "+what, []encoder.Logits{e.Logits}, match, 1e-5)
	if len(e.Words) == 0 {
		t.Errorf("%s: no words", what)
	}
}

// TestExplainRounded: bundles of other precisions explain too, as far as their
// rounding goes.
func TestExplainRounded(t *testing.T) {
	openRuntime(t)
	p := parity{fixture: readFixture(t, "hf-safetensors")}
	dir, _ := convertFixture(t, "hf-safetensors")
	p.model = openModel(t, dir)
	features, err := p.model.Images(t.Context(), p.pixels(t)[:2])
	if err != nil {
		t.Fatal(err)
	}
	for precision, tolerance := range map[string]float64{bundle.FP16: 0.01, bundle.INT8: 0.05} {
		dir, _ := convertAs(t, "hf-safetensors", precision)
		rounded := openModel(t, dir)
		for _, f := range features {
			p.checkRounded(t, rounded, f.States, tolerance)
		}
	}
}

func (p *parity) checkRounded(t *testing.T, rounded *encoder.Model, s encoder.States, tolerance float64) {
	t.Helper()
	q := encoder.Query{IDs: p.IDs[1]}
	want, err := p.model.Explain(t.Context(), q, s, encoder.ExplainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := rounded.Explain(t.Context(), q, s, encoder.ExplainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want.Words {
		for r := range w.Grid {
			near(t, rounded.Manifest().Precision+" "+w.Text, got.Words[i].Grid[r], w.Grid[r], tolerance)
		}
	}
}
