package onnx_test

import (
	"bytes"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"sightline/encoder/onnx"
)

func sample() *onnx.Model {
	return &onnx.Model{
		Name: "g", Producer: "test",
		Nodes: []onnx.Node{{
			Op: "MultiHeadAttention", Domain: onnx.ContribDomain, Name: "n", Inputs: []string{"x", "w"}, Outputs: []string{"y"},
			Attributes: []onnx.Attribute{
				{Name: "num_heads", Value: int64(2)},
				{Name: "scale", Value: float32(0.125)},
				{Name: "mode", Value: "linear"},
				{Name: "perm", Value: []int64{1, 0}},
			},
		}},
		Initializers: []onnx.Tensor{
			{Name: "w", Type: onnx.Float, Dims: []int64{2, 3}, External: &onnx.External{Location: "weights.safetensors", Offset: 64, Length: 24}},
			{Name: "i", Type: onnx.Int64, Dims: []int64{1}, Raw: []byte{7, 0, 0, 0, 0, 0, 0, 0}},
		},
		Inputs:  []onnx.Value{{Name: "x", Type: onnx.Float, Dims: []int64{-1, 2}, Free: []string{"B", ""}}},
		Outputs: []onnx.Value{{Name: "y", Type: onnx.Float, Dims: []int64{-1, 3}, Free: []string{"B", ""}}},
	}
}

// message is a decoded protobuf message: the raw values of each field in order.
type message map[protowire.Number][]any

func decode(t *testing.T, data []byte) message {
	t.Helper()
	m := message{}
	for len(data) > 0 {
		field, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		data = data[n:]
		var v any
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(data)
		case protowire.Fixed32Type:
			v, n = protowire.ConsumeFixed32(data)
		case protowire.BytesType:
			v, n = protowire.ConsumeBytes(data)
		default:
			t.Fatalf("wire type %d", kind)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		m[field] = append(m[field], v)
		data = data[n:]
	}
	return m
}

func (m message) sub(t *testing.T, path ...protowire.Number) message {
	t.Helper()
	for _, field := range path {
		if len(m[field]) == 0 {
			t.Fatalf("field %d is missing", field)
		}
		m = decode(t, m[field][0].([]byte))
	}
	return m
}

func (m message) text(field protowire.Number, i int) string { return string(m[field][i].([]byte)) }

// TestMarshal checks the field numbers of onnx.proto by a decoder that knows
// none of them.
func TestMarshal(t *testing.T) {
	m := decode(t, sample().Marshal())
	if m[1][0] != uint64(onnx.IRVersion) || len(m[8]) != 2 {
		t.Errorf("IR version %v, %d operator sets", m[1], len(m[8]))
	}
	contrib := decode(t, m[8][1].([]byte))
	if contrib.text(1, 0) != onnx.ContribDomain || contrib[2][0] != uint64(onnx.ContribVersion) {
		t.Errorf("operator set %v", contrib)
	}
	graph := m.sub(t, 7)
	node := graph.sub(t, 1)
	if node.text(4, 0) != "MultiHeadAttention" || node.text(7, 0) != onnx.ContribDomain || node.text(1, 1) != "w" || node.text(2, 0) != "y" {
		t.Errorf("node %v", node)
	}
	checkAttributes(t, node)
	external, inline := decode(t, graph[5][0].([]byte)), decode(t, graph[5][1].([]byte))
	if external[2][0] != uint64(onnx.Float) || external[14][0] != uint64(1) || len(external[9]) != 0 || len(external[1]) != 2 {
		t.Errorf("external tensor %v", external)
	}
	for i, want := range []string{"location", "weights.safetensors", "offset", "64", "length", "24"} {
		if got := decode(t, external[13][i/2].([]byte)).text(protowire.Number(1+i%2), 0); got != want {
			t.Errorf("external data has %q, want %q", got, want)
		}
	}
	if len(inline[9][0].([]byte)) != 8 || len(inline[14]) != 0 {
		t.Errorf("inline tensor %v", inline)
	}
	shape := graph.sub(t, 11).sub(t, 2, 1, 2)
	if free := decode(t, shape[1][0].([]byte)); free.text(2, 0) != "B" {
		t.Errorf("free dimension %v", free)
	}
	if fixed := decode(t, shape[1][1].([]byte)); fixed[1][0] != uint64(2) {
		t.Errorf("fixed dimension %v", fixed)
	}
	if !bytes.Equal(sample().Marshal(), sample().Marshal()) {
		t.Error("equal models give different bytes")
	}
}

func checkAttributes(t *testing.T, node message) {
	t.Helper()
	want := []struct {
		name  string
		kind  uint64
		field protowire.Number
	}{{"num_heads", 2, 3}, {"scale", 1, 2}, {"mode", 3, 4}, {"perm", 7, 8}}
	for i, w := range want {
		a := decode(t, node[5][i].([]byte))
		if a.text(1, 0) != w.name || a[20][0] != w.kind || len(a[w.field]) == 0 {
			t.Errorf("attribute %d is %v, want %s of type %d in field %d", i, a, w.name, w.kind, w.field)
		}
	}
	if perm := decode(t, node[5][3].([]byte)); !slices.Equal(perm[8], []any{uint64(1), uint64(0)}) {
		t.Errorf("perm %v", perm[8])
	}
}

func TestMarshalUnknownAttribute(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an attribute of unknown type was written")
		}
	}()
	(&onnx.Model{Nodes: []onnx.Node{{Attributes: []onnx.Attribute{{Name: "a", Value: 1}}}}}).Marshal()
}

func TestNames(t *testing.T) {
	in, out, err := onnx.Names(sample().Marshal())
	if err != nil || !slices.Equal(in, []string{"x"}) || !slices.Equal(out, []string{"y"}) {
		t.Errorf("%v %v %v", in, out, err)
	}
	whole := sample().Marshal()
	for n := range len(whole) - 40 { // without its end a graph has no outputs
		if _, _, err := onnx.Names(whole[:n]); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, len(whole))
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add(sample().Marshal())
	f.Add([]byte{0x3a, 0x00})
	f.Add([]byte{0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte("\x3a\x04\x5a\x02\x0a\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, out, err := onnx.Names(data)
		if err == nil && (len(in) == 0 || len(out) == 0) {
			t.Errorf("no error, and %d inputs, %d outputs", len(in), len(out))
		}
	})
}
