package graph_test

import (
	"slices"
	"strings"
	"testing"

	"sightline/encoder/convert/graph"
)

// explainWeights says that every tensor is there that Explain reads.
func explainWeights(t *testing.T) graph.Weights {
	t.Helper()
	_, err := graph.Explain(shape(), graph.Weights{File: "w"})
	if err == nil || !strings.Contains(err.Error(), "match_explain") || !strings.Contains(err.Error(), "itm_head.weight") {
		t.Fatalf("without weights: error %v, want one that names the graph and itm_head.weight", err)
	}
	w := graph.Weights{File: "weights.safetensors", Tensors: map[string]graph.Range{}}
	_, list, _ := strings.Cut(err.Error(), "weights have no ")
	for name := range strings.SplitSeq(list, ", ") {
		w.Tensors[name] = graph.Range{Offset: 64, Length: 4, Shape: []int64{1}}
	}
	return w
}

// TestExplainEnds: what package encoder reads by name and shape, and that the
// float16 form keeps float32 ends.
func TestExplainEnds(t *testing.T) {
	w := explainWeights(t)
	checkStructure(t, graph.Explain, w)
	for _, w.Half = range []bool{false, true} {
		data, err := graph.Explain(shape(), w)
		if err != nil {
			t.Fatal(err)
		}
		g := parse(t, data)
		if !slices.Equal(g.inputs, []string{"ids", "states"}) || !slices.Equal(g.outputs, []string{"logits", "attention"}) {
			t.Errorf("half %v: inputs %v, outputs %v", w.Half, g.inputs, g.outputs)
		}
		for name, want := range map[string]string{
			"ids": "INT64[1,L]", "states": "FLOAT[1,17,128]", "logits": "FLOAT[1,2]", "attention": "FLOAT[2,2,L,17]",
		} {
			if g.ends[name] != want {
				t.Errorf("half %v: %s is %s, want %s", w.Half, name, g.ends[name], want)
			}
		}
		if strings.Contains(string(data), "vision_model") || strings.Contains(string(data), "crossattention.self.key.bias") {
			t.Errorf("half %v: reads the vision tower, or the key bias that cancels", w.Half)
		}
	}
}
