package graph_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"sightline/encoder/bundle"
	"sightline/encoder/convert/graph"
)

// int8Weights are those of an int8 bundle of shape: the layers' Linears in int8
// with their scales.
func int8Weights(t *testing.T) graph.Weights {
	t.Helper()
	w := anyWeights(t)
	w.Int8 = true
	var linears []string
	for name := range w.Tensors {
		inLayer := strings.HasPrefix(name, "vision_model.encoder.layers.") || strings.HasPrefix(name, "text_encoder.encoder.layer.") ||
			strings.HasPrefix(name, "text_decoder.bert.encoder.layer.")
		if inLayer && strings.HasSuffix(name, ".weight") && !strings.Contains(name, "LayerNorm") && !strings.Contains(name, "layer_norm") {
			linears = append(linears, name)
		}
	}
	linears = append(linears, "text_decoder.cls.predictions.decoder.weight") // stored in int8 also where it is tied
	slices.Sort(linears)
	for _, name := range linears {
		w.Tensors[name] = graph.Range{Offset: 64, Length: 4, Shape: []int64{128, 128}, Int8: true}
		w.Tensors[name+graph.ScaleSuffix] = graph.Range{Offset: 64, Length: 4, Shape: []int64{128}}
	}
	return w
}

// TestInt8Structure: every graph of an int8 bundle hangs together, keeps its
// ends and multiplies in int8.
func TestInt8Structure(t *testing.T) {
	w := int8Weights(t)
	for name, b := range builders {
		t.Run(string(name), func(t *testing.T) {
			checkStructure(t, b.build, w)
			full, err := b.build(shape(), anyWeights(t))
			if err != nil {
				t.Fatal(err)
			}
			data, err := b.build(shape(), w)
			if err != nil {
				t.Fatal(err)
			}
			want, got := parse(t, full).ends, parse(t, data).ends
			if name == bundle.GraphCaptionStep { // reads keys and values instead
				delete(want, "states")
				crossEnds("17", want)
			}
			for end, form := range want {
				if got[end] != form {
					t.Errorf("%s is %s, in float32 %s", end, got[end], form)
				}
			}
			if !strings.Contains(string(data), "MatMulIntegerToFloat") {
				t.Error("no product in int8")
			}
			if strings.Contains(string(data), "DynamicQuantize") {
				t.Error("a scale for a whole batch: a result would depend on what is beside it")
			}
		})
	}
	if full, err := graph.Vision(shape(), anyWeights(t)); err != nil || strings.Contains(string(full), "MatMulInteger") {
		t.Errorf("the float32 graph multiplies in int8 (%v)", err)
	}
}

// TestInt8MissingScale: weights without their scales are refused by name.
func TestInt8MissingScale(t *testing.T) {
	w := int8Weights(t)
	const scale = "text_encoder.encoder.layer.0.crossattention.self.key.weight_scale"
	delete(w.Tensors, scale)
	for _, name := range []bundle.Graph{bundle.GraphMatch, bundle.GraphMatchInt8, bundle.GraphMatchProjected, bundle.GraphImageKV} {
		if _, err := builders[name].build(shape(), w); err == nil || !strings.Contains(err.Error(), scale) {
			t.Errorf("%s: error %v, want one that names %s", name, err, scale)
		}
	}
}

// TestKernelForms: the forms of the other graphs for our own operators hang
// together, have the ends of the plain ones and leave no product with a weight of the
// layers to ONNX Runtime.
func TestKernelForms(t *testing.T) {
	w := int8Weights(t)
	for name, build := range map[bundle.Graph]func(graph.Shape, graph.Weights) ([]byte, error){
		bundle.GraphVision: graph.VisionKernel, bundle.GraphMatchTexts: graph.MatchTextsKernel,
	} {
		t.Run(string(name), func(t *testing.T) {
			checkStructure(t, build, w)
			plain, err := builders[name].build(shape(), w)
			if err != nil {
				t.Fatal(err)
			}
			own, err := build(shape(), w)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := parse(t, own).ends, parse(t, plain).ends; !maps.Equal(got, want) {
				t.Errorf("ends %v, want %v", got, want)
			}
			for _, op := range []string{"MatMulInteger", "QuantizeLinear", "Gelu", "MultiHeadAttention"} {
				if strings.Contains(string(own), op) {
					t.Errorf("%s is there", op)
				}
			}
		})
	}
}

// TestKernelStructure: the forms for our own operators hang together, read what
// the plain graph reads, any number of patch tokens, and leave no product over
// patch states to ONNX Runtime.
func TestKernelStructure(t *testing.T) {
	for name, w := range map[string]graph.Weights{"float32": anyWeights(t), "int8": int8Weights(t)} {
		t.Run(name, func(t *testing.T) {
			checkStructure(t, graph.MatchInt8Kernel, w)
			data, err := graph.MatchInt8Kernel(shape(), w)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{
				"ids": "INT64[1,L]", "states": "INT8[B,N,128]", "scale": "FLOAT[B,N]", "mean": "FLOAT[B,128]", "logits": "FLOAT[B,2]",
			}
			if got := parse(t, data).ends; !maps.Equal(got, want) {
				t.Errorf("ends %v, want %v", got, want)
			}
			for op, there := range map[string]bool{"sightline": true, "PackStates": true, "Softmax": name == "float32", "Gelu": name == "float32"} {
				if strings.Contains(string(data), op) != there {
					t.Errorf("%s is there: %v", op, !there)
				}
			}
		})
	}
	w := int8Weights(t)
	const missing = "text_encoder.encoder.layer.1.crossattention.self.value.weight"
	delete(w.Tensors, missing)
	if _, err := graph.MatchInt8Kernel(shape(), w); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("error %v, want one that names %s", err, missing)
	}
}
