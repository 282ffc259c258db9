//go:build cgo && !windows

package ort_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/encoder/onnx"
	"sightline/encoder/ort"
)

// operatorTest runs one of our operators alone. Inputs that start with "w" are
// part of the graph.
type operatorTest struct {
	op     string
	inputs []operand
	ints   map[string]int64
	want   string // a part of the error, "" for none
}

type operand struct {
	name  string
	kind  onnx.DataType
	shape []int64
}

func floats(name string, shape ...int64) operand { return operand{name, onnx.Float, shape} }
func int8s(name string, shape ...int64) operand  { return operand{name, onnx.Int8, shape} }
func longs(name string, shape ...int64) operand  { return operand{name, onnx.Int64, shape} }

func (o operand) size() int64 {
	n := int64(1)
	for _, d := range o.shape {
		n *= d
	}
	return n
}

func (o operand) tensor() encoder.Tensor {
	t := encoder.Tensor{Name: o.name, Shape: o.shape}
	switch o.kind {
	case onnx.Float:
		t.Data = make([]float32, o.size())
	case onnx.Int8:
		t.Data = make([]int8, o.size())
	default:
		t.Data = make([]int64, o.size())
	}
	return t
}

// graph writes a model of the operator into a folder of the test. uint8 ends do
// not exist here, so packed states are made by PackStates and a uint8 result is
// cast.
func (o operatorTest) graph(t *testing.T) string {
	t.Helper()
	m := onnx.Model{Name: "test", Producer: "test"}
	var in []string
	for _, i := range o.inputs {
		in = append(in, i.name)
		switch {
		case strings.HasPrefix(i.name, "w"):
			m.Initializers = append(m.Initializers, onnx.Tensor{Name: i.name, Type: i.kind, Dims: i.shape, Raw: make([]byte, i.size())})
			continue
		case i.name == "packed":
			continue
		}
		v := onnx.Value{Name: i.name, Type: i.kind}
		for d := range i.shape {
			v.Dims, v.Free = append(v.Dims, -1), append(v.Free, i.name+string(rune('a'+d)))
		}
		m.Inputs = append(m.Inputs, v)
		if i.name == "states" && o.op != "PackStates" {
			m.Nodes = append(m.Nodes, onnx.Node{Op: "PackStates", Domain: onnx.OwnDomain, Name: "pack", Inputs: []string{"states"}, Outputs: []string{"packed"}})
		}
	}
	node := onnx.Node{Op: o.op, Domain: onnx.OwnDomain, Name: "op", Inputs: in, Outputs: []string{"raw"}}
	for name, v := range o.ints {
		node.Attributes = append(node.Attributes, onnx.Attribute{Name: name, Value: v})
	}
	m.Nodes = append(m.Nodes, node, onnx.Node{
		Op: "Cast", Name: "cast", Inputs: []string{"raw"}, Outputs: []string{"out"},
		Attributes: []onnx.Attribute{{Name: "to", Value: int64(onnx.Float)}},
	})
	m.Outputs = []onnx.Value{{Name: "out", Type: onnx.Float, Dims: []int64{-1}, Free: []string{"n"}}}
	path := filepath.Join(t.TempDir(), "op.onnx")
	if err := os.WriteFile(path, m.Marshal(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run loads and runs the operator on zeros.
func (o operatorTest) run(t *testing.T, rt encoder.Runtime) error {
	t.Helper()
	s, err := rt.Load(t.Context(), o.graph(t))
	if err != nil {
		return err
	}
	defer s.Close()
	var in []encoder.Tensor
	for _, i := range o.inputs {
		if i.name != "packed" && !strings.HasPrefix(i.name, "w") {
			in = append(in, i.tensor())
		}
	}
	_, err = s.Run(t.Context(), in...)
	return err
}

func attention(q operand, states, scale []int64, want string, ints map[string]int64) operatorTest {
	return operatorTest{
		op: "CrossAttention", want: want, ints: ints,
		inputs: []operand{q, int8s("states", states...), {name: "packed"}, floats("scale", scale...)},
	}
}

// cross has three pictures of five states of width 64.
func cross(x, query, key, bias operand, want string, ints map[string]int64) operatorTest {
	h := query.shape[1]
	value := key
	value.name = "wv"
	return operatorTest{
		op: "CrossAttentionInt8", want: want, ints: ints,
		inputs: []operand{
			x, int8s("states", 3, 5, 64),
			{name: "packed"},
			floats("scale", 3, 5),
			query, floats("f", h), floats("b", h), key, value, floats("vf", h), bias,
		},
	}
}

// TestOperators: sound shapes run, empty ones among them, and any others are
// errors of ONNX Runtime's that say what is wrong, never a crash.
func TestOperators(t *testing.T) {
	type dims = []int64
	shared := map[string]int64{"shared": 1}
	linear := func(x, w, factor, bias operand, want string) operatorTest {
		return operatorTest{op: "Linear", inputs: []operand{x, w, factor, bias}, want: want}
	}
	tests := map[string]operatorTest{
		"pack":                        {op: "PackStates", inputs: []operand{int8s("states", 2, 5, 64)}},
		"pack none":                   {op: "PackStates", inputs: []operand{int8s("states", 0, 5, 64)}},
		"pack a matrix":               {op: "PackStates", inputs: []operand{int8s("states", 5, 64)}, want: "states must be"},
		"pack no tokens":              {op: "PackStates", inputs: []operand{int8s("states", 2, 0, 64)}, want: "states must be"},
		"attend":                      attention(floats("q", 2, 6, 64), dims{3, 5, 64}, dims{3, 5}, "", nil),
		"attend, one text":            attention(floats("q", 2, 7, 64), dims{3, 5, 64}, dims{3, 5}, "", shared),
		"attend to no picture":        attention(floats("q", 2, 0, 64), dims{0, 5, 64}, dims{0, 5}, "", nil),
		"attend, odd rows":            attention(floats("q", 2, 7, 64), dims{3, 5, 64}, dims{3, 5}, "no multiple", nil),
		"attend, other width":         attention(floats("q", 2, 6, 32), dims{3, 5, 64}, dims{3, 5}, "q must be", nil),
		"attend, a matrix":            attention(floats("q", 6, 64), dims{3, 5, 64}, dims{3, 5}, "q must be", nil),
		"attend, fewer scales":        attention(floats("q", 2, 6, 64), dims{3, 5, 64}, dims{3, 4}, "scale must be", nil),
		"linear":                      linear(floats("x", 3, 64), int8s("w", 64, 48), floats("f", 48), floats("b", 48), ""),
		"linear of nothing":           linear(floats("x", 0, 64), int8s("w", 64, 48), floats("f", 48), floats("b", 48), ""),
		"linear, other width":         linear(floats("x", 3, 48), int8s("w", 64, 48), floats("f", 48), floats("b", 48), "x must be"),
		"linear, short bias":          linear(floats("x", 3, 64), int8s("w", 64, 48), floats("f", 48), floats("b", 47), "one value a column"),
		"linear, odd weight":          linear(floats("x", 3, 64), int8s("w", 64, 50), floats("f", 50), floats("b", 50), "multiples of 16"),
		"linear, weight from out":     linear(floats("x", 3, 64), int8s("v", 64, 48), floats("f", 48), floats("b", 48), "not part of the graph"),
		"attend in int8":              cross(floats("x", 6, 32), int8s("wq", 32, 128), int8s("wk", 64, 128), floats("vb", 3, 1, 128), "", nil),
		"attend in int8, one text":    cross(floats("x", 5, 32), int8s("wq", 32, 128), int8s("wk", 64, 128), floats("vb", 3, 1, 128), "", shared),
		"attend in int8, odd rows":    cross(floats("x", 5, 32), int8s("wq", 32, 128), int8s("wk", 64, 128), floats("vb", 3, 1, 128), "no multiple", nil),
		"attend in int8, narrow":      cross(floats("x", 6, 16), int8s("wq", 32, 128), int8s("wk", 64, 128), floats("vb", 3, 1, 128), "x must be", nil),
		"attend in int8, other heads": cross(floats("x", 6, 32), int8s("wq", 32, 64), int8s("wk", 64, 128), floats("vb", 3, 1, 64), "the weights must be", nil),
		"attend in int8, half a head": cross(floats("x", 6, 32), int8s("wq", 32, 96), int8s("wk", 64, 96), floats("vb", 3, 1, 96), "multiple of 64", nil),
		"attend in int8, other width": cross(floats("x", 6, 32), int8s("wq", 32, 128), int8s("wk", 48, 128), floats("vb", 3, 1, 128), "Dv", nil),
		"attend in int8, one bias":    cross(floats("x", 6, 32), int8s("wq", 32, 128), int8s("wk", 64, 128), floats("vb", 1, 1, 128), "values' bias", nil),
		"mlp": {op: "Mlp", inputs: []operand{
			floats("x", 4, 64), int8s("w", 64, 96), floats("f", 96), floats("b", 96), int8s("w2", 96, 64), floats("f2", 64), floats("b2", 64), floats("g", 64), floats("h", 64),
		}},
		"mlp, other middle": {op: "Mlp", want: "must be [D,M]", inputs: []operand{
			floats("x", 4, 64), int8s("w", 64, 96), floats("f", 96), floats("b", 96), int8s("w2", 64, 64), floats("f2", 64), floats("b2", 64), floats("g", 64), floats("h", 64),
		}},
		"norm": {op: "LinearNorm", inputs: []operand{
			floats("x", 4, 64), int8s("w", 64, 48), floats("f", 48), floats("b", 48), floats("residual", 2, 48), floats("g", 48), floats("h", 48),
		}},
		"norm, residual of other rows": {op: "LinearNorm", want: "residual must be", inputs: []operand{
			floats("x", 4, 64), int8s("w", 64, 48), floats("f", 48), floats("b", 48), floats("residual", 3, 48), floats("g", 48), floats("h", 48),
		}},
		"add": {op: "LinearAdd", inputs: []operand{
			floats("x", 4, 64), int8s("w", 64, 48), floats("f", 48), floats("b", 48), floats("residual", 4, 48),
		}},
		"add to nothing": {op: "LinearAdd", inputs: []operand{
			floats("x", 0, 64), int8s("w", 64, 48), floats("f", 48), floats("b", 48), floats("residual", 0, 48),
		}},
		"add, residual of other width": {op: "LinearAdd", want: "residual must be", inputs: []operand{
			floats("x", 4, 64), int8s("w", 64, 48), floats("f", 48), floats("b", 48), floats("residual", 4, 64),
		}},
		"norm before": {op: "NormLinear", inputs: []operand{
			floats("x", 33, 64), int8s("w", 64, 48), floats("f", 48), floats("b", 48), floats("g", 64), floats("h", 64),
		}},
		"norm before, of other width": {op: "NormLinear", want: "one value a column", inputs: []operand{
			floats("x", 33, 64), int8s("w", 64, 48), floats("f", 48), floats("b", 48), floats("g", 48), floats("h", 48),
		}},
		"norm before mlp": {op: "NormMlp", inputs: []operand{
			floats("x", 33, 64), int8s("w", 64, 96), floats("f", 96), floats("b", 96), int8s("w2", 96, 64), floats("f2", 64), floats("b2", 64), floats("g", 64), floats("h", 64),
		}},
		"picture":                     {op: "PictureAttention", ints: map[string]int64{"tokens": 5}, inputs: []operand{floats("x", 10, 192)}},
		"picture, none":               {op: "PictureAttention", ints: map[string]int64{"tokens": 5}, inputs: []operand{floats("x", 0, 192)}},
		"picture, odd rows":           {op: "PictureAttention", want: "attribute tokens", ints: map[string]int64{"tokens": 5}, inputs: []operand{floats("x", 11, 192)}},
		"picture, no tokens":          {op: "PictureAttention", want: "attribute tokens", inputs: []operand{floats("x", 10, 192)}},
		"picture, odd width":          {op: "PictureAttention", want: "multiple of 64", ints: map[string]int64{"tokens": 5}, inputs: []operand{floats("x", 10, 128)}},
		"padded":                      {op: "PaddedAttention", inputs: []operand{floats("x", 6, 192), longs("ids", 2, 3), longs("lengths", 2)}},
		"padded, a length too few":    {op: "PaddedAttention", want: "one number a text", inputs: []operand{floats("x", 6, 192), longs("ids", 2, 3), longs("lengths", 1)}},
		"self-attention":              {op: "SelfAttention", inputs: []operand{floats("x", 6, 192), longs("ids", 1, 3)}},
		"self-attention, first alone": {op: "SelfAttention", ints: map[string]int64{"first": 1}, inputs: []operand{floats("x", 6, 192), longs("ids", 2, 3)}},
		"self-attention, odd rows":    {op: "SelfAttention", want: "ids must be", inputs: []operand{floats("x", 7, 192), longs("ids", 1, 3)}},
		"self-attention, odd width":   {op: "SelfAttention", want: "x must be", inputs: []operand{floats("x", 6, 190), longs("ids", 1, 3)}},
		"self-attention, long text":   {op: "SelfAttention", want: "at most 512", inputs: []operand{floats("x", 513, 192), longs("ids", 1, 513)}},
	}
	for _, instructions := range []string{ort.Instructions()[0], ort.Instructions()[len(ort.Instructions())-1]} {
		rt := runtimeAt(t, instructions, 2)
		for name, test := range tests {
			t.Run(instructions+" "+name, func(t *testing.T) {
				err := test.run(t, rt)
				if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want one with %q", err, test.want)
				}
			})
		}
	}
}
