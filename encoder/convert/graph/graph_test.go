package graph_test

import (
	"slices"
	"strings"
	"testing"

	"sightline/encoder/bundle"
	"sightline/encoder/convert/graph"
	"sightline/encoder/onnx"
)

var builders = map[bundle.Graph]struct {
	build   func(graph.Shape, graph.Weights) ([]byte, error)
	inputs  []string
	outputs []string
}{
	bundle.GraphVision:         {graph.Vision, []string{"pixels"}, []string{"embedding", "states"}},
	bundle.GraphText:           {graph.Text, []string{"ids", "lengths"}, []string{"embedding"}},
	bundle.GraphMatch:          {graph.Match, []string{"ids", "states"}, []string{"logits"}},
	bundle.GraphMatchInt8:      {graph.MatchInt8, []string{"ids", "states", "scale", "mean"}, []string{"logits"}},
	bundle.GraphMatchProjected: {graph.MatchProjected, []string{"ids", "states"}, []string{"logits"}},
	bundle.GraphImageKV:        {graph.ImageKV, []string{"states"}, []string{"keys", "values"}},
	bundle.GraphMatchTexts:     {graph.MatchTexts, []string{"ids", "lengths", "keys", "values"}, []string{"logits"}},
}

func shape() graph.Shape {
	return graph.Shape{
		Vision:    bundle.Vision{Image: 64, Patch: 16, Width: 128, Layers: 1, Heads: 2, MLP: 256, Eps: 1e-6},
		Text:      bundle.Text{Vocabulary: 10, Positions: 8, Width: 128, Layers: 2, Heads: 2, MLP: 256, Eps: 1e-12},
		Embedding: 32,
	}
}

// TestMissingWeights: without weights a graph is refused, and every weight
// that it wants is named.
func TestMissingWeights(t *testing.T) {
	wants := map[bundle.Graph]string{
		bundle.GraphVision: "vision_proj.weight", bundle.GraphText: "text_proj.bias", bundle.GraphMatch: "itm_head.weight",
		bundle.GraphMatchInt8: "crossattention.self.value.bias", bundle.GraphMatchProjected: "crossattention.self.key.bias",
		bundle.GraphImageKV: "crossattention.self.key.weight", bundle.GraphMatchTexts: "attention.self.query.weight",
	}
	for name, b := range builders {
		_, err := b.build(shape(), graph.Weights{File: "w"})
		if err == nil || !strings.Contains(err.Error(), string(name)) || !strings.Contains(err.Error(), wants[name]) {
			t.Errorf("%s: error %v, want one with the graph's name and %s", name, err, wants[name])
		}
	}
}

// anyWeights says that every tensor is there: the names come from the errors
// of a build without.
func anyWeights(t *testing.T) graph.Weights {
	t.Helper()
	w := graph.Weights{File: "weights.safetensors", Tensors: map[string]graph.Range{}}
	for _, b := range builders {
		_, err := b.build(shape(), graph.Weights{})
		_, list, _ := strings.Cut(err.Error(), "weights have no ")
		for name := range strings.SplitSeq(list, ", ") {
			w.Tensors[name] = graph.Range{Offset: 64, Length: 4, Shape: []int64{1}}
		}
	}
	return w
}

// TestEnds holds the graphs to the inputs and outputs that bundle documents,
// and each to reading only what its pass needs.
func TestEnds(t *testing.T) {
	w := anyWeights(t)
	for name, b := range builders {
		data, err := b.build(shape(), w)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		in, out, err := onnx.Names(data)
		if err != nil || !slices.Equal(in, b.inputs) || !slices.Equal(out, b.outputs) {
			t.Errorf("%s: inputs %v, outputs %v (%v), want %v, %v", name, in, out, err, b.inputs, b.outputs)
		}
		again, err := b.build(shape(), w)
		if err != nil || string(again) != string(data) {
			t.Errorf("%s: the same weights give other bytes (%v)", name, err)
		}
		if vision := strings.Contains(string(data), "vision_model"); vision != (name == bundle.GraphVision) {
			t.Errorf("%s: reads the vision tower: %v", name, vision)
		}
		if strings.Contains(string(data), "crossattention") == (name == bundle.GraphVision || name == bundle.GraphText) {
			t.Errorf("%s: cross-attention in the wrong graph", name)
		}
	}
}
