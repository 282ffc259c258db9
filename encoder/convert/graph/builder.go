// Package graph builds BLIP's ONNX graphs. Activations are kept as matrices
// [rows, width] so that every Linear is one Gemm reading its weight as stored
// ([out,in], transB): no transposed copy, and the bias and BERT's 1/8 come free.
package graph

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"sightline/encoder/onnx"
)

// Range is where a tensor's values lie in the weights file.
type Range struct {
	Offset int64
	Length int64
	Shape  []int64
	// Int8 says that the values are int8, [in,out] of a Linear, with a scale for
	// each output in the tensor of the same name and ScaleSuffix; see int8.go.
	Int8 bool
}

// Weights locates tensors, by their Hugging Face names, in the weights file
// that all graphs of a bundle share.
type Weights struct {
	File    string
	Tensors map[string]Range
	// Half says that the values are float16; the graphs then compute in float16,
	// see half.go.
	Half bool
	// Int8 says that some Tensors are int8.
	Int8 bool
}

// builder collects nodes. Its methods return the name of the value they made.
// A weight that is not in Weights is remembered in missing and reported by finish.
type builder struct {
	model   onnx.Model
	weights Weights
	known   map[string]bool // initializers already written
	shapes  map[string]string
	// rows are the values that were quantised already, so that the queries, keys
	// and values of one layer share theirs.
	rows    map[string]quantisedRows
	missing []string
	count   int
}

func newBuilder(name string, w Weights) *builder {
	return &builder{
		model:   onnx.Model{Name: name, Producer: "sightline"},
		weights: w, known: map[string]bool{}, shapes: map[string]string{}, rows: map[string]quantisedRows{},
	}
}

func (b *builder) input(name string, t onnx.DataType, dims ...any) string {
	b.model.Inputs = append(b.model.Inputs, endpoint(name, t, dims))
	return name
}

// output gives the float32 value x its outside name.
func (b *builder) output(x, name string, dims ...any) {
	b.model.Nodes = append(b.model.Nodes, onnx.Node{Op: "Identity", Name: name + "_out", Inputs: []string{x}, Outputs: []string{name}})
	b.model.Outputs = append(b.model.Outputs, endpoint(name, onnx.Float, dims))
}

// endpoint reads dims as numbers or as names of free dimensions.
func endpoint(name string, t onnx.DataType, dims []any) onnx.Value {
	v := onnx.Value{Name: name, Type: t}
	for _, d := range dims {
		switch d := d.(type) {
		case int:
			v.Dims, v.Free = append(v.Dims, int64(d)), append(v.Free, "")
		case string:
			v.Dims, v.Free = append(v.Dims, -1), append(v.Free, d)
		}
	}
	return v
}

func (b *builder) finish() ([]byte, error) {
	if len(b.missing) > 0 {
		return nil, fmt.Errorf("graph %s: weights have no %s", b.model.Name, strings.Join(b.missing, ", "))
	}
	return b.model.Marshal(), nil
}

// attr is one attribute of a node.
type attr = onnx.Attribute

func ints(name string, v ...int64) attr              { return attr{Name: name, Value: v} }
func number(name string, v int64) attr               { return attr{Name: name, Value: v} }
func float(name string, v float32) attr              { return attr{Name: name, Value: v} }
func (b *builder) fresh(hint string) string          { b.count++; return fmt.Sprintf("%s_%d", hint, b.count) }
func (b *builder) op(op string, in ...string) string { return b.node(op, nil, in...) }

func (b *builder) node(op string, attrs []attr, in ...string) string {
	return b.nodes(op, attrs, 1, in...)[0]
}

func (b *builder) nodes(op string, attrs []attr, outputs int, in ...string) []string {
	name := b.fresh(op)
	out := make([]string, outputs)
	for i := range out {
		out[i] = fmt.Sprintf("%s.%d", name, i)
	}
	b.model.Nodes = append(b.model.Nodes, onnx.Node{Op: op, Name: name, Inputs: in, Outputs: out, Attributes: attrs})
	return out
}

// weight is the tensor of that name in its own shape.
func (b *builder) weight(name string) string {
	r, ok := b.weights.Tensors[name]
	if !ok {
		b.missing = append(b.missing, name)
		return name
	}
	if r.Int8 {
		return b.dequantised(name)
	}
	return b.external(name, name, r.Shape)
}

// weightAs is the same bytes read in another shape.
func (b *builder) weightAs(name string, shape ...int64) string {
	if b.weights.Tensors[name].Int8 {
		return b.op("Reshape", b.dequantised(name), b.list(shape...))
	}
	return b.external(fmt.Sprintf("%s%v", name, shape), name, shape)
}

func (b *builder) external(as, name string, shape []int64) string {
	r, ok := b.weights.Tensors[name]
	if !ok {
		b.missing = append(b.missing, name)
		return as
	}
	return b.initializer(onnx.Tensor{
		Name: as, Type: b.weights.kindOf(r), Dims: shape,
		External: &onnx.External{Location: b.weights.File, Offset: r.Offset, Length: r.Length},
	})
}

func (b *builder) initializer(t onnx.Tensor) string {
	if !b.known[t.Name] {
		b.known[t.Name] = true
		b.model.Initializers = append(b.model.Initializers, t)
	}
	return t.Name
}

func (b *builder) constant(v float32) string {
	return b.initializer(onnx.Tensor{
		Name: fmt.Sprintf("const_%x", math.Float32bits(v)), Type: onnx.Float,
		Raw: binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)),
	})
}

func (b *builder) uint8s(name string, v byte, dims ...int64) string {
	return b.initializer(onnx.Tensor{Name: name, Type: onnx.Uint8, Dims: dims, Raw: []byte{v}})
}

// list is a 1-D int64 constant; index a scalar one.
func (b *builder) list(v ...int64) string {
	return b.int64s(fmt.Sprintf("list_%v", v), []int64{int64(len(v))}, v)
}

func (b *builder) index(v int64) string {
	return b.int64s(fmt.Sprintf("index_%d", v), nil, []int64{v})
}

func (b *builder) int64s(name string, dims, v []int64) string {
	var raw []byte
	for _, i := range v {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(i))
	}
	return b.initializer(onnx.Tensor{Name: name, Type: onnx.Int64, Dims: dims, Raw: raw})
}

// dim is dimension axis of x as a 1-element list, for shape.
func (b *builder) dim(x string, axis int64) string {
	return b.node("Shape", []attr{number("start", axis), number("end", axis+1)}, x)
}

// shape makes the argument of Reshape and Expand from numbers and dim values.
// Equal shapes are made once.
func (b *builder) shape(parts ...any) string {
	key := fmt.Sprintf("%v", parts)
	if name, ok := b.shapes[key]; ok {
		return name
	}
	name, fixed := "", numbers(parts)
	if len(fixed) == len(parts) {
		name = b.list(fixed...)
	} else {
		name = b.node("Concat", []attr{number("axis", 0)}, b.dimensions(parts)...)
	}
	b.shapes[key] = name
	return name
}

// numbers are the parts of a shape that are known while building.
func numbers(parts []any) []int64 {
	var fixed []int64
	for _, p := range parts {
		if n, ok := p.(int); ok {
			fixed = append(fixed, int64(n))
		}
	}
	return fixed
}

// dimensions names each part of a shape, numbers as 1-element lists.
func (b *builder) dimensions(parts []any) []string {
	names := make([]string, len(parts))
	for i, p := range parts {
		switch p := p.(type) {
		case int:
			names[i] = b.list(int64(p))
		case string:
			names[i] = p
		}
	}
	return names
}

// reshape takes numbers (0 copies, -1 infers) and dim values.
func (b *builder) reshape(x string, parts ...any) string {
	return b.op("Reshape", x, b.shape(parts...))
}

func (b *builder) transpose(x string, perm ...int64) string {
	return b.node("Transpose", []attr{ints("perm", perm...)}, x)
}

// linear is scale·(x Wᵀ + bias) over rows.
func (b *builder) linear(x, name string, scale float32) string {
	if b.weights.Tensors[name+".weight"].Int8 {
		return b.op("Add", b.int8Product(x, name, scale), b.scaled(b.biasRow(name), scale))
	}
	return b.node("Gemm", gemm(scale), x, b.weight(name+".weight"), b.weight(name+".bias"))
}

func gemm(scale float32) []attr {
	return []attr{float("alpha", scale), float("beta", scale), number("transB", 1)}
}

// linearNoBias is x Wᵀ.
func (b *builder) linearNoBias(x, name string) string {
	if b.weights.Tensors[name+".weight"].Int8 {
		return b.int8Product(x, name, 1)
	}
	return b.node("Gemm", []attr{number("transB", 1)}, x, b.weight(name+".weight"))
}

func (b *builder) layerNorm(x, name string, eps float64) string {
	return b.norm(x, b.weight(name+".weight"), b.weight(name+".bias"), eps)
}

func (b *builder) norm(x, weight, bias string, eps float64) string {
	return b.node("LayerNormalization", []attr{number("axis", -1), float("epsilon", float32(eps))}, x, weight, bias)
}

// gelu is the exact form, x·Φ(x) by erf: BLIP uses nn.GELU().
func (b *builder) gelu(x string) string { return b.op("Gelu", x) }

func (b *builder) softmax(x string) string {
	return b.node("Softmax", []attr{number("axis", -1)}, x)
}

// unit divides rows by their length, at least 1e-12 as F.normalize does.
func (b *builder) unit(x string) string {
	norm := b.node("ReduceL2", []attr{number("keepdims", 1)}, x, b.list(-1))
	return b.op("Div", x, b.op("Max", norm, b.constant(1e-12)))
}
