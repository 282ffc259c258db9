package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"sightline/encoder/bundle"
	"sightline/encoder/convert/graph"
)

// parsed is the part of a graph that its structure depends on.
type parsed struct {
	initializers []string
	external     map[string][2]string // name -> location and offset
	nodes        []parsedNode
	ends         map[string]string // inputs and outputs -> "FLOAT[B,3,64,64]"
	inputs       []string
	outputs      []string
}

type parsedNode struct {
	name            string
	inputs, outputs []string
}

// each calls visit for every field: value is []byte or uint64.
func each(t *testing.T, data []byte, visit func(field protowire.Number, value any)) {
	t.Helper()
	for len(data) > 0 {
		field, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		data = data[n:]
		switch kind {
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(data)
			if n < 0 {
				t.Fatal(protowire.ParseError(n))
			}
			visit(field, v)
			data = data[n:]
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(data)
			if n < 0 {
				t.Fatal(protowire.ParseError(n))
			}
			visit(field, v)
			data = data[n:]
		default:
			n := protowire.ConsumeFieldValue(field, kind, data)
			if n < 0 {
				t.Fatal(protowire.ParseError(n))
			}
			data = data[n:]
		}
	}
}

// bytesOf returns the length-delimited fields of that number.
func bytesOf(t *testing.T, data []byte, want protowire.Number) [][]byte {
	t.Helper()
	var all [][]byte
	each(t, data, func(field protowire.Number, v any) {
		if b, ok := v.([]byte); ok && field == want {
			all = append(all, b)
		}
	})
	return all
}

func parse(t *testing.T, model []byte) parsed {
	t.Helper()
	g := parsed{ends: map[string]string{}, external: map[string][2]string{}}
	each(t, bytesOf(t, model, 7)[0], func(field protowire.Number, v any) {
		b, _ := v.([]byte)
		switch field {
		case 1:
			n := parsedNode{name: string(bytesOf(t, b, 3)[0])}
			for _, in := range bytesOf(t, b, 1) {
				n.inputs = append(n.inputs, string(in))
			}
			for _, out := range bytesOf(t, b, 2) {
				n.outputs = append(n.outputs, string(out))
			}
			g.nodes = append(g.nodes, n)
		case 5:
			name := string(bytesOf(t, b, 8)[0])
			g.initializers = append(g.initializers, name)
			if data := bytesOf(t, b, 13); len(data) == 3 {
				g.external[name] = [2]string{string(bytesOf(t, data[0], 2)[0]), string(bytesOf(t, data[1], 2)[0])}
			}
		case 11, 12:
			name := string(bytesOf(t, b, 1)[0])
			g.ends[name] = end(t, b)
			if field == 11 {
				g.inputs = append(g.inputs, name)
			} else {
				g.outputs = append(g.outputs, name)
			}
		}
	})
	return g
}

// end writes a ValueInfoProto as its type and dimensions.
func end(t *testing.T, value []byte) string {
	t.Helper()
	kind, dims := "?", []string{}
	tensor := bytesOf(t, bytesOf(t, value, 2)[0], 1)[0]
	each(t, tensor, func(field protowire.Number, v any) {
		if field == 1 {
			kind = map[uint64]string{1: "FLOAT", 3: "INT8", 7: "INT64"}[v.(uint64)]
		}
	})
	for _, dim := range bytesOf(t, bytesOf(t, tensor, 2)[0], 1) {
		each(t, dim, func(_ protowire.Number, v any) {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			dims = append(dims, fmt.Sprint(v))
		})
	}
	return kind + "[" + strings.Join(dims, ",") + "]"
}

// TestShapes holds inputs and outputs to package bundle's description of the
// graphs: 17 patch tokens of width 128, 2 text layers of 2 heads, embedding 32.
func TestShapes(t *testing.T) {
	want := map[bundle.Graph]map[string]string{
		bundle.GraphVision:         {"pixels": "FLOAT[B,3,64,64]", "embedding": "FLOAT[B,32]", "states": "FLOAT[B,17,128]"},
		bundle.GraphText:           {"ids": "INT64[B,L]", "lengths": "INT64[B]", "embedding": "FLOAT[B,32]"},
		bundle.GraphMatch:          {"ids": "INT64[1,L]", "states": "FLOAT[B,17,128]", "logits": "FLOAT[B,2]"},
		bundle.GraphMatchInt8:      {"ids": "INT64[1,L]", "states": "INT8[B,17,128]", "scale": "FLOAT[B,17]", "mean": "FLOAT[B,128]", "logits": "FLOAT[B,2]"},
		bundle.GraphMatchProjected: {"ids": "INT64[1,L]", "states": "FLOAT[B,17,128]", "logits": "FLOAT[B,2]"},
		bundle.GraphImageKV:        {"states": "FLOAT[1,17,128]", "keys": "FLOAT[2,2,64,17]", "values": "FLOAT[2,2,17,64]"},
		bundle.GraphMatchTexts: {
			"ids": "INT64[B,L]", "lengths": "INT64[B]", "keys": "FLOAT[2,2,64,17]", "values": "FLOAT[2,2,17,64]", "logits": "FLOAT[B,2]",
		},
		bundle.GraphCaptionKV: crossEnds("17", map[string]string{"states": "FLOAT[P,17,128]"}),
		bundle.GraphAnswerKV:  crossEnds("L", map[string]string{"states": "FLOAT[P,L,128]"}),
		bundle.GraphQuestion:  {"ids": "INT64[P,L]", "lengths": "INT64[P]", "states": "FLOAT[P,17,128]", "questions": "FLOAT[P,L,128]"},
		bundle.GraphCaptionStep: stepEnds(map[string]string{
			"ids": "INT64[R,n]", "parents": "INT64[R]", "states": "FLOAT[P,17,128]", "logits": "FLOAT[R,10]",
		}),
		bundle.GraphAnswerStep: crossEnds("L", stepEnds(map[string]string{
			"ids": "INT64[R,n]", "parents": "INT64[R]", "lengths": "INT64[P]", "logits": "FLOAT[R,10]",
		})),
	}
	w := anyWeights(t)
	for _, half := range []bool{false, true} { // float16 graphs have the same ends
		w.Half = half
		checkShapes(t, w, want)
	}
}

// layerEnds adds the ends of these names of both layers.
func layerEnds(form string, ends map[string]string, names ...string) map[string]string {
	for _, name := range perLayer(names...) {
		ends[name] = form
	}
	return ends
}

func crossEnds(tokens string, ends map[string]string) map[string]string {
	layerEnds("FLOAT[P,2,64,"+tokens+"]", ends, "keys")
	return layerEnds("FLOAT[P,2,"+tokens+",64]", ends, "values")
}

func stepEnds(ends map[string]string) map[string]string {
	layerEnds("FLOAT[R0,2,T,64]", ends, "past_keys", "past_values")
	return layerEnds("FLOAT[R,2,T1,64]", ends, "present_keys", "present_values")
}

func checkShapes(t *testing.T, w graph.Weights, want map[bundle.Graph]map[string]string) {
	t.Helper()
	for name, b := range builders {
		data, err := b.build(shape(), w)
		if err != nil {
			t.Fatal(err)
		}
		g := parse(t, data)
		if len(g.ends) != len(want[name]) {
			t.Errorf("%s: ends %v", name, g.ends)
		}
		for end, shape := range want[name] {
			if g.ends[end] != shape {
				t.Errorf("%s: %s is %s, want %s", name, end, g.ends[end], shape)
			}
		}
	}
}

// TestStructure: every value has one maker that comes before its readers, and
// everything that is made is read.
func TestStructure(t *testing.T) {
	full := anyWeights(t)
	half := full
	half.Half = true
	for name, b := range builders {
		t.Run(string(name), func(t *testing.T) { checkStructure(t, b.build, full) })
		t.Run(string(name)+" float16", func(t *testing.T) { checkStructure(t, b.build, half) })
	}
	t.Run("int8 for CUDA", func(t *testing.T) { checkStructure(t, graph.MatchInt8CUDA, full) })
}

func checkStructure(t *testing.T, build func(graph.Shape, graph.Weights) ([]byte, error), w graph.Weights) {
	data, err := build(shape(), w)
	if err != nil {
		t.Fatal(err)
	}
	g := parse(t, data)
	made, read, nodes := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, v := range append(append([]string{}, g.inputs...), g.initializers...) {
		if made[v] {
			t.Errorf("%s is there twice", v)
		}
		made[v] = true
	}
	for _, n := range g.nodes {
		if nodes[n.name] {
			t.Errorf("two nodes %s", n.name)
		}
		nodes[n.name] = true
		for _, in := range n.inputs {
			if !made[in] {
				t.Errorf("node %s reads %s, which nothing before it makes", n.name, in)
			}
			read[in] = true
		}
		for _, out := range n.outputs {
			if out == "" { // an output that the operator need not make
				continue
			}
			if made[out] {
				t.Errorf("%s is made twice", out)
			}
			made[out] = true
		}
	}
	for _, out := range g.outputs {
		read[out] = true
	}
	for v := range made {
		if !read[v] {
			t.Errorf("%s is never read", v)
		}
	}
	for v, at := range g.external {
		if at != [2]string{"weights.safetensors", "64"} {
			t.Errorf("%s lies at %v", v, at)
		}
	}
	if len(g.external) == 0 {
		t.Error("no weights")
	}
}
