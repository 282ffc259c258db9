package encoder_test

import (
	"slices"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

// TestBatchLayout holds what the text graph reads, value by value, and that
// each text gets its own row back.
func TestBatchLayout(t *testing.T) {
	m, _ := tinyModel(t, func(_ bundle.Graph, in map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		wantTensor(t, in["ids"], encoder.Tensor{Name: "ids", Shape: []int64{3, 4}, Data: []int64{2, 4, 3, 0, 2, 5, 6, 3, 2, 3, 0, 0}})
		wantTensor(t, in["lengths"], encoder.Tensor{Name: "lengths", Shape: []int64{3}, Data: []int64{3, 4, 2}})
		return []encoder.Tensor{floats("embedding", 0, 3, 2)}, nil
	})
	queries := []encoder.Query{m.Tokenize("red"), m.Tokenize("blue mug"), m.Tokenize("")}
	queries[0].IDs[0] = 7 // whatever the caller has there
	got, err := m.Texts(t.Context(), queries)
	if err != nil || !slices.EqualFunc(got, [][]float32{{0, 1}, {2, 3}, {4, 5}}, slices.Equal) {
		t.Fatalf("embeddings %v (%v)", got, err)
	}
	if row := append(got[0], 9); got[1][0] != 2 || len(row) != 3 {
		t.Error("appending to one embedding changes the next")
	}
	if queries[0].IDs[0] != 7 {
		t.Error("the caller's ids were changed")
	}
}

func TestTokenizeOwnsIDs(t *testing.T) {
	m, _ := tinyModel(t, nil)
	a := m.Tokenize("red mugs")
	want := slices.Clone(a.IDs)
	b := m.Tokenize("red mugs red mugs red")
	if a.Cut != 0 || b.Cut != 3 || len(b.IDs) != 6 || b.IDs[5] != 3 {
		t.Errorf("%+v, %+v: want 6 ids at most and 3 pieces cut", a, b)
	}
	b.IDs[1] = 99
	if c := m.Tokenize("red mugs"); !slices.Equal(a.IDs, want) || !slices.Equal(c.IDs, want) {
		t.Errorf("ids %v and %v, want %v: texts share memory", a.IDs, c.IDs, want)
	}
}

// TestMatchGraph: which graph a batch goes to, and every tensor that it reads.
func TestMatchGraph(t *testing.T) {
	a, b := tinyStates(0), tinyStates(1000)
	qa, qb := a.Quantize(), b.Quantize()
	long := encoder.Query{IDs: []int64{2, 4, 5, 6, 4, 3}}
	short := encoder.Query{IDs: long.IDs[1:]} // 5 tokens: as many as may be absorbed
	tests := map[string]struct {
		query  encoder.Query
		states []encoder.States
		graph  bundle.Graph
		want   []encoder.Tensor
	}{
		"fp32": {short, []encoder.States{a, b}, bundle.GraphMatch, []encoder.Tensor{
			{Name: "ids", Shape: []int64{1, 5}, Data: []int64{9, 5, 6, 4, 3}},
			{Name: "states", Shape: []int64{2, 5, 64}, Data: slices.Concat(a.Float, b.Float)},
		}},
		"fp32 long": {long, []encoder.States{b}, bundle.GraphMatchProjected, []encoder.Tensor{
			{Name: "ids", Shape: []int64{1, 6}, Data: []int64{9, 4, 5, 6, 4, 3}},
			{Name: "states", Shape: []int64{1, 5, 64}, Data: b.Float},
		}},
		"int8 long": {long, []encoder.States{qb, qa}, bundle.GraphMatchInt8, []encoder.Tensor{
			{Name: "ids", Shape: []int64{1, 6}, Data: []int64{9, 4, 5, 6, 4, 3}},
			{Name: "states", Shape: []int64{2, 5, 64}, Data: slices.Concat(qb.Int8, qa.Int8)},
			{Name: "scale", Shape: []int64{2, 5}, Data: slices.Concat(qb.Scale, qa.Scale)},
			{Name: "mean", Shape: []int64{2, 64}, Data: slices.Concat(qb.Mean, qa.Mean)},
		}},
		"both kinds": {short, []encoder.States{qa, b}, bundle.GraphMatch, []encoder.Tensor{
			{Name: "ids", Shape: []int64{1, 5}, Data: []int64{9, 5, 6, 4, 3}},
			{Name: "states", Shape: []int64{2, 5, 64}, Data: slices.Concat(qa.Dequantize().Float, b.Float)},
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, r := tinyModel(t, func(_ bundle.Graph, in map[string]encoder.Tensor) ([]encoder.Tensor, error) {
				if len(in) != len(test.want) {
					t.Errorf("%d inputs, want %d", len(in), len(test.want))
				}
				for _, w := range test.want {
					wantTensor(t, in[w.Name], w)
				}
				return []encoder.Tensor{floats("logits", 0, int64(len(test.states)), 2)}, nil
			})
			if limit := m.Manifest().AbsorbLimit(); limit != 5 {
				t.Fatalf("absorbed up to %d tokens, the test means 5", limit)
			}
			got, err := m.Match(t.Context(), test.query, test.states)
			if err != nil || len(got) != len(test.states) || got[0] != (encoder.Logits{0, 1}) {
				t.Errorf("logits %v (%v)", got, err)
			}
			if !slices.Equal(r.runs, []bundle.Graph{test.graph}) {
				t.Errorf("ran %v, want %s", r.runs, test.graph)
			}
		})
	}
}

// TestMatchTextsInputs: the picture is projected once, int8 states as fp32.
func TestMatchTextsInputs(t *testing.T) {
	states := tinyStates(0).Quantize()
	keys, values := floats("keys", 1, 1, 1, 64, 5), floats("values", 2, 1, 1, 5, 64)
	m, r := tinyModel(t, func(g bundle.Graph, in map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		if g == bundle.GraphImageKV {
			wantTensor(t, in["states"], encoder.Tensor{Name: "states", Shape: []int64{1, 5, 64}, Data: states.Dequantize().Float})
			return []encoder.Tensor{keys, values}, nil
		}
		wantTensor(t, in["keys"], keys)
		wantTensor(t, in["values"], values)
		wantTensor(t, in["ids"], encoder.Tensor{Name: "ids", Shape: []int64{2, 3}, Data: []int64{9, 3, 0, 9, 4, 3}})
		wantTensor(t, in["lengths"], encoder.Tensor{Name: "lengths", Shape: []int64{2}, Data: []int64{2, 3}})
		return []encoder.Tensor{floats("logits", 0, 2, 2)}, nil
	})
	got, err := m.MatchTexts(t.Context(), states, []encoder.Query{m.Tokenize(""), m.Tokenize("red")})
	if err != nil || !slices.Equal(got, []encoder.Logits{{0, 1}, {2, 3}}) {
		t.Errorf("logits %v (%v)", got, err)
	}
	if !slices.Equal(r.runs, []bundle.Graph{bundle.GraphImageKV, bundle.GraphMatchTexts}) {
		t.Errorf("ran %v", r.runs)
	}
	if got, err := m.MatchTexts(t.Context(), states, nil); got != nil || err != nil {
		t.Errorf("no texts: %v, %v", got, err)
	}
}

func TestImagesInputs(t *testing.T) {
	a, b := make(encoder.Pixels, 3*32*32), make(encoder.Pixels, 3*32*32)
	a[0], b[len(b)-1] = 5, 7
	m, _ := tinyModel(t, func(_ bundle.Graph, in map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		wantTensor(t, in["pixels"], encoder.Tensor{Name: "pixels", Shape: []int64{2, 3, 32, 32}, Data: []float32(slices.Concat(a, b))})
		return []encoder.Tensor{floats("embedding", 0, 2, 2), floats("states", 0, 2, 5, 64)}, nil
	})
	got, err := m.Images(t.Context(), []encoder.Pixels{a, b})
	if err != nil || len(got) != 2 {
		t.Fatalf("%d features (%v)", len(got), err)
	}
	for i, f := range got {
		if f.States.Tokens != 5 || f.States.Width != 64 || f.States.Float[0] != float32(i*5*64) || f.Embedding[1] != float32(2*i+1) {
			t.Errorf("features %d: embedding %v, states begin with %g", i, f.Embedding, f.States.Float[0])
		}
		if err := f.States.Check(); err != nil {
			t.Error(err)
		}
	}
}
