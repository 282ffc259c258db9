package encoder_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

// explainModel is a tiny model of two layers and two heads, whose graph gives
// the attention values 0, 1, 2, … .
func explainModel(t *testing.T, edit func(*bundle.Manifest)) (*encoder.Model, *scripted) {
	t.Helper()
	r := &scripted{}
	r.answer = func(_ bundle.Graph, in map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		return []encoder.Tensor{floats("logits", 0.5, 1, 2), floats("attention", 0, 2, 2, in["ids"].Shape[1], 5)}, nil
	}
	m, err := encoder.Open(t.Context(), tinyBundle(t, func(m *bundle.Manifest) {
		m.Text.Layers, m.Text.Heads, m.Graphs = 2, 2, []bundle.Graph{bundle.GraphMatchExplain}
		edit(m)
	}), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m, r
}

// TestExplainWords: pieces become words, and each word gets its own rows of the
// attention, without special tokens and without the class token's column.
func TestExplainWords(t *testing.T) {
	m, r := explainModel(t, func(*bundle.Manifest) {})
	e, err := m.Explain(t.Context(), m.Tokenize("zz [SEP] mugs"), tinyStates(0), encoder.ExplainOptions{Layers: []int{1}})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.runs, []bundle.Graph{bundle.GraphMatchExplain}) || e.Rows != 2 || e.Cols != 2 || !slices.Equal(e.Layers, []int{1}) {
		t.Errorf("ran %v; %d x %d, layers %v", r.runs, e.Rows, e.Cols, e.Layers)
	}
	if e.Logits != (encoder.Logits{0.5, 1.5}) {
		t.Errorf("logits %v", e.Logits)
	}
	if len(e.Words) != 2 {
		t.Fatalf("words %+v", e.Words)
	}
	// The tokens are [CLS] [UNK] [SEP] mug ##s [SEP]; layer 1 begins at 60 with
	// head 0, at 90 with head 1; so token i has the mean 75+5i … 79+5i.
	unknown, mugs := e.Words[0], e.Words[1]
	if unknown.Text != "[UNK]" || !slices.Equal(unknown.IDs, []int64{1}) || mugs.Text != "mugs" || !slices.Equal(mugs.Tokens, []string{"mug", "##s"}) {
		t.Errorf("words %+v", e.Words)
	}
	wantGrid(t, unknown, []float64{81, 82, 83, 84})
	wantGrid(t, mugs, []float64{93.5, 94.5, 95.5, 96.5}) // of tokens 3 and 4
}

// wantGrid: patches are what the class token's column is not.
func wantGrid(t *testing.T, w encoder.Word, patches []float64) {
	t.Helper()
	sum := 0.0
	for _, p := range patches {
		sum += p
	}
	if math.Abs(w.Share-sum) > 1e-9*sum {
		t.Errorf("%s: share %g, want %g", w.Text, w.Share, sum)
	}
	for i, p := range patches {
		if got := w.Grid[i/2][i%2]; math.Abs(float64(got)-p/sum) > 1e-6 {
			t.Errorf("%s: patch %d is %g, want %g", w.Text, i, got, p/sum)
		}
	}
}

// TestExplainAverages: layers count alike, and int8 states do as well as fp32 ones.
func TestExplainAverages(t *testing.T) {
	m, _ := explainModel(t, func(*bundle.Manifest) {})
	q, s := m.Tokenize("red"), tinyStates(0)
	both, err := m.Explain(t.Context(), q, s.Quantize(), encoder.ExplainOptions{Layers: []int{0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	// Of 3 tokens: layer 0 begins at 0 and 15, layer 1 at 30 and 45; token 1 at 5.
	wantGrid(t, both.Words[0], []float64{28.5, 29.5, 30.5, 31.5})
	usual, err := m.Explain(t.Context(), q, s, encoder.ExplainOptions{})
	if err != nil || !slices.Equal(usual.Layers, encoder.DefaultExplainLayers(m.Manifest())) {
		t.Errorf("layers %v (%v)", usual.Layers, err)
	}
	empty, err := m.Explain(t.Context(), m.Tokenize(""), s, encoder.ExplainOptions{})
	if err != nil || len(empty.Words) != 0 {
		t.Errorf("words of an empty text: %+v (%v)", empty.Words, err)
	}
}

func TestDefaultExplainLayers(t *testing.T) {
	for layers, want := range map[int]int{1: 0, 3: 0, 6: 3, 12: 7, 24: 15} {
		if got := encoder.DefaultExplainLayers(bundle.Manifest{Text: bundle.Text{Layers: layers}}); !slices.Equal(got, []int{want}) {
			t.Errorf("of %d layers: %v, want %d", layers, got, want)
		}
	}
}

func TestExplainZero(t *testing.T) {
	m, r := explainModel(t, func(*bundle.Manifest) {})
	r.answer = func(_ bundle.Graph, in map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		return []encoder.Tensor{floats("logits", 0, 1, 2), zeros("attention", 2, 2, in["ids"].Shape[1], 5)}, nil
	}
	e, err := m.Explain(t.Context(), m.Tokenize("red"), tinyStates(0), encoder.ExplainOptions{})
	if err != nil || e.Words[0].Share != 0 || e.Words[0].Grid[1][1] != 0 {
		t.Errorf("%+v (%v): want zeros, no NaN", e, err)
	}
}

func TestExplainRefuses(t *testing.T) {
	m, r := explainModel(t, func(*bundle.Manifest) {})
	q, s := m.Tokenize("red"), tinyStates(0)
	for _, l := range []int{-1, 2} {
		if _, err := m.Explain(t.Context(), q, s, encoder.ExplainOptions{Layers: []int{l}}); err == nil || !strings.Contains(err.Error(), "0 to 1") {
			t.Errorf("layer %d: %v", l, err)
		}
	}
	if _, err := m.Explain(t.Context(), encoder.Query{}, s, encoder.ExplainOptions{}); err == nil {
		t.Error("a query without ids was accepted")
	}
	if _, err := m.Explain(t.Context(), q, encoder.States{Tokens: 4, Width: 64, Float: s.Float[:256]}, encoder.ExplainOptions{}); err == nil {
		t.Error("states of another model were accepted")
	}
	if len(r.runs) != 0 {
		t.Errorf("ran %v", r.runs)
	}
	r.answer = func(bundle.Graph, map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		return []encoder.Tensor{floats("logits", 0, 1, 2), floats("attention", 0, 2, 2, 3, 4)}, nil
	}
	if _, err := m.Explain(t.Context(), q, s, encoder.ExplainOptions{}); err == nil || !strings.Contains(err.Error(), "attention") {
		t.Errorf("an attention of another shape: %v", err)
	}
	old, _ := explainModel(t, func(m *bundle.Manifest) { m.Graphs = nil })
	if _, err := old.Explain(t.Context(), q, s, encoder.ExplainOptions{}); !errors.Is(err, encoder.ErrNoExplain) || !strings.Contains(err.Error(), "convert it again") {
		t.Errorf("an old bundle: %v", err)
	}
}
