package encoder_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

// TestProjectOnce: batches of texts share one projection, and give what
// MatchTexts gives.
func TestProjectOnce(t *testing.T) {
	keys, values := floats("keys", 1, 1, 1, 64, 5), floats("values", 2, 1, 1, 5, 64)
	m, r := tinyModel(t, func(g bundle.Graph, in map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		if g == bundle.GraphImageKV {
			return []encoder.Tensor{keys, values}, nil
		}
		wantTensor(t, in["keys"], keys)
		wantTensor(t, in["values"], values)
		n := in["ids"].Shape[0]
		return []encoder.Tensor{floats("logits", float32(in["lengths"].Data.([]int64)[0]), n, 2)}, nil
	})
	image, err := m.Project(t.Context(), tinyStates(0))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]float32{"": 2, "red": 3, "red mugs": 5} {
		got, err := m.MatchProjected(t.Context(), image, []encoder.Query{m.Tokenize(text)})
		if err != nil || !slices.Equal(got, []encoder.Logits{{want, want + 1}}) {
			t.Errorf("%q: %v (%v)", text, got, err)
		}
		whole, err := m.MatchTexts(t.Context(), tinyStates(0), []encoder.Query{m.Tokenize(text)})
		if err != nil || !slices.Equal(got, whole) {
			t.Errorf("%q: MatchTexts gives %v (%v), in two steps %v", text, whole, err, got)
		}
	}
	if got, err := m.MatchProjected(t.Context(), image, nil); got != nil || err != nil {
		t.Errorf("no texts: %v, %v", got, err)
	}
	if n := len(r.runs); n != 1+3*3 {
		t.Errorf("%d runs: %v", n, r.runs)
	}
}

func TestProjectRefuses(t *testing.T) {
	m, r := tinyModel(t, func(bundle.Graph, map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		return []encoder.Tensor{floats("keys", 1, 1, 1, 64, 5)}, nil
	})
	if _, err := m.Project(t.Context(), encoder.States{Tokens: 4, Width: 64, Float: make([]float32, 256)}); err == nil || len(r.runs) != 0 {
		t.Errorf("states of another model: %v, ran %v", err, r.runs)
	}
	if _, err := m.Project(t.Context(), tinyStates(0)); err == nil || !strings.Contains(err.Error(), "1 outputs") {
		t.Errorf("a graph without values: %v", err)
	}
	if _, err := m.MatchTexts(t.Context(), tinyStates(0), []encoder.Query{{IDs: make([]int64, 99)}}); err == nil || len(r.runs) != 1 {
		t.Errorf("a text that is too long: %v, ran %v", err, r.runs)
	}
}

func TestWarmTexts(t *testing.T) {
	broken := errors.New("no memory")
	var fails bundle.Graph
	m, r := tinyModel(t, func(g bundle.Graph, _ map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		if g == fails {
			return nil, broken
		}
		if g == bundle.GraphImageKV {
			return []encoder.Tensor{floats("keys", 1, 1, 1, 64, 5), floats("values", 2, 1, 1, 5, 64)}, nil
		}
		return []encoder.Tensor{floats("logits", 0, 1, 2)}, nil
	})
	if err := m.WarmTexts(t.Context()); err != nil || len(r.runs) != 2 {
		t.Errorf("%v, ran %v", err, r.runs)
	}
	for _, fails = range []bundle.Graph{bundle.GraphImageKV, bundle.GraphMatchTexts} {
		if err := m.WarmTexts(t.Context()); !errors.Is(err, broken) {
			t.Errorf("%s is broken: %v", fails, err)
		}
	}
}
