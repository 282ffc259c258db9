package convert

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"sightline/encoder/bundle"
)

func linearOf(values []float32, out, in int64) planned {
	return planned{
		tensorSpec: tensorSpec{name: "text_encoder.encoder.layer.0.output.dense.weight", shape: []int64{out, in}},
		write:      func(w io.Writer) error { return binary.Write(w, binary.LittleEndian, values) },
	}
}

// TestQuantised: each output has its own scale, values lie [in,out], and
// rounding is off by half a step at most.
func TestQuantised(t *testing.T) {
	values := []float32{
		127, -63.4, 0.5, 0, // one output a row
		-0.001, 0.0005, 0.001, 0,
		0, 0, 0, 0,
	}
	parts := linearOf(values, 3, 4).quantised()
	var raw, scales bytes.Buffer
	if err := errors.Join(parts[0].store(&raw), parts[1].store(&scales)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(parts[0].shape, []int64{4, 3}) || int64(raw.Len()) != parts[0].bytes() || int64(scales.Len()) != parts[1].bytes() {
		t.Errorf("shapes %v %v, %d and %d bytes", parts[0].shape, parts[1].shape, raw.Len(), scales.Len())
	}
	scale := make([]float32, 3)
	if err := binary.Read(&scales, binary.LittleEndian, scale); err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		o, in := i/4, i%4
		got := float64(int8(raw.Bytes()[in*3+o])) * float64(scale[o])
		if math.Abs(got-float64(v)) > float64(scale[o])*0.501 {
			t.Errorf("output %d, input %d: %g became %g, a step is %g", o, in, v, got, scale[o])
		}
	}
}

// TestQuantisedRefusals: what int8 cannot hold, and a source that ends early.
func TestQuantisedRefusals(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for want, values := range map[string][]float32{"NaN": {1, nan, 1, 1}, "Inf": {1, 1, inf, 1}, "12 bytes": {1, 1, 1}} {
		err := linearOf(values, 2, 2).quantised()[0].store(io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want one with %q", values, err, want)
		}
	}
}

// TestQuantisable: Linears of layers, and nothing that is looked up, added or
// read last.
func TestQuantisable(t *testing.T) {
	tests := map[string]bool{
		"vision_model.encoder.layers.3.mlp.fc1.weight":                        true,
		"text_encoder.encoder.layer.0.crossattention.self.key.weight":         true,
		"text_encoder.encoder.layer.0.crossattention.output.LayerNorm.weight": false,
		"vision_model.encoder.layers.3.mlp.fc1.bias":                          false,
		"text_encoder.embeddings.word_embeddings.weight":                      false,
		"vision_model.embeddings.patch_embedding.weight":                      false,
		"itm_head.weight":    false,
		"vision_proj.weight": false,
	}
	for name, want := range tests {
		shape := []int64{4, 4}
		if strings.Contains(name, "LayerNorm") || strings.HasSuffix(name, ".bias") {
			shape = shape[:1]
		}
		p := planned{tensorSpec: tensorSpec{name: name, shape: shape}}
		if p.quantisable() != want {
			t.Errorf("%s: quantisable %v, want %v", name, !want, want)
		}
		if n := len(p.as(bundle.INT8)); (n == 2) != want {
			t.Errorf("%s: stored as %d tensors", name, n)
		}
	}
}
