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
	bundle.GraphCaptionKV:      {graph.CaptionKV, []string{"states"}, perLayer("keys", "values")},
	bundle.GraphCaptionStep: {
		graph.CaptionStep, append([]string{"ids", "parents", "states"}, perLayer("past_keys", "past_values")...), presentEnds(),
	},
	bundle.GraphQuestion: {graph.Question, []string{"ids", "lengths", "states"}, []string{"questions"}},
	bundle.GraphAnswerKV: {graph.AnswerKV, []string{"states"}, perLayer("keys", "values")},
	bundle.GraphAnswerStep: {
		graph.AnswerStep, slices.Concat([]string{"ids", "parents", "lengths"}, perLayer("keys", "values"), perLayer("past_keys", "past_values")), presentEnds(),
	},
}

// perLayer are these ends of layer 0, then of layer 1.
func perLayer(names ...string) []string {
	var all []string
	for _, layer := range []string{"_0", "_1"} {
		for _, name := range names {
			all = append(all, name+layer)
		}
	}
	return all
}

func presentEnds() []string { return append(perLayer("present_keys", "present_values"), "logits") }

func shape() graph.Shape {
	return graph.Shape{
		Vision:    bundle.Vision{Image: 64, Patch: 16, Width: 128, Layers: 1, Heads: 2, MLP: 256, Eps: 1e-6},
		Text:      bundle.Text{Vocabulary: 10, Positions: 8, Width: 128, Layers: 2, Heads: 2, MLP: 256, Eps: 1e-12},
		Embedding: 32, Cross: 128,
	}
}

// TestMissingWeights: without weights a graph is refused, and every weight
// that it wants is named.
func TestMissingWeights(t *testing.T) {
	wants := map[bundle.Graph]string{
		bundle.GraphVision: "vision_proj.weight", bundle.GraphText: "text_proj.bias", bundle.GraphMatch: "itm_head.weight",
		bundle.GraphMatchInt8: "crossattention.self.value.bias", bundle.GraphMatchProjected: "crossattention.self.key.bias",
		bundle.GraphImageKV: "crossattention.self.key.weight", bundle.GraphMatchTexts: "attention.self.query.weight",
		bundle.GraphCaptionKV: "text_decoder.bert.encoder.layer.1.crossattention.self.value.bias", bundle.GraphCaptionStep: "text_decoder.cls.predictions.bias",
		bundle.GraphQuestion: "text_encoder.encoder.layer.0.crossattention.self.key.weight", bundle.GraphAnswerKV: "crossattention.self.key.weight",
		bundle.GraphAnswerStep: "text_decoder.bert.embeddings.word_embeddings.weight",
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

// TestLanguageHead: a head of its own is read where there is one, else the word
// embedding is.
func TestLanguageHead(t *testing.T) {
	const own = "text_decoder.cls.predictions.decoder.weight"
	tied := anyWeights(t)
	untied := anyWeights(t)
	untied.Tensors[own] = graph.Range{Offset: 64, Length: 4, Shape: []int64{1}}
	for name, build := range map[bundle.Graph]func(graph.Shape, graph.Weights) ([]byte, error){
		bundle.GraphCaptionStep: graph.CaptionStep, bundle.GraphAnswerStep: graph.AnswerStep,
	} {
		checkStructure(t, build, untied)
		for w, want := range map[*graph.Weights]bool{&tied: false, &untied: true} {
			data, err := build(shape(), *w)
			if err != nil || strings.Contains(string(data), own) != want {
				t.Errorf("%s: reads %s: %v (%v)", name, own, !want, err)
			}
		}
	}
}

// TestVisionWithoutEmbedding: models that write have no embedding of pictures.
func TestVisionWithoutEmbedding(t *testing.T) {
	w, s := anyWeights(t), shape()
	s.Embedding = 0
	half := w
	half.Half = true
	for _, w := range []graph.Weights{w, half} {
		data, err := graph.Vision(s, w)
		if err != nil {
			t.Fatal(err)
		}
		if _, out, err := onnx.Names(data); err != nil || !slices.Equal(out, []string{"states"}) || strings.Contains(string(data), "vision_proj") {
			t.Errorf("outputs %v (%v), want states alone", out, err)
		}
	}
}

// TestBeamsShare: no node of a step repeats anything, so that all beams read the
// keys and values of their picture in place.
func TestBeamsShare(t *testing.T) {
	for name, build := range map[bundle.Graph]func(graph.Shape, graph.Weights) ([]byte, error){
		bundle.GraphCaptionStep: graph.CaptionStep, bundle.GraphAnswerStep: graph.AnswerStep,
	} {
		data, err := build(shape(), anyWeights(t))
		if err != nil {
			t.Fatal(err)
		}
		readers := map[string]int{}
		for _, n := range parse(t, data).nodes {
			if strings.HasPrefix(n.name, "Expand") || strings.HasPrefix(n.name, "Tile") {
				t.Errorf("%s: node %s repeats %v", name, n.name, n.inputs)
			}
			for _, in := range n.inputs {
				if (strings.HasPrefix(in, "keys_") || in == "states") && !strings.HasPrefix(n.name, "Shape") {
					readers[n.name]++
				}
			}
		}
		// Of keys one product a layer; of states too, beside the one that turns them.
		if want := map[bundle.Graph]int{bundle.GraphCaptionStep: 3, bundle.GraphAnswerStep: 2}; len(readers) != want[name] {
			t.Errorf("%s: what is read of a picture is read by %v", name, readers)
		}
	}
}
