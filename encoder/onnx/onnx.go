// Package onnx writes the small part of the ONNX protobuf format that
// Sightline's graphs use, and reads back the names of a graph's ends.
//
// The messages are encoded by hand with protowire rather than by types
// generated from onnx.proto: twelve short functions against 3,000 generated
// lines, no protoc in the build, and the same input gives the same bytes (the
// generated marshaller promises no stable order). What that costs is a check
// that the field numbers are right; the parity tests and ONNX Runtime's own
// reader give it on every run.
//
// Field numbers: onnx/onnx.proto, IR version 10 (ONNX 1.16).
package onnx

import (
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// IRVersion and Opset are what every graph declares: opset 21 is the first
// with blocked QuantizeLinear, and needs IR 10. ContribVersion is that of
// ONNX Runtime's own domain, com.microsoft; OwnVersion of the operators of
// encoder/ort.
const (
	IRVersion      = 10
	Opset          = 21
	ContribVersion = 1
	ContribDomain  = "com.microsoft"
	OwnVersion     = 1
	OwnDomain      = "sightline"
)

// DataType is TensorProto.DataType.
type DataType int32

// The data types that the graphs use.
const (
	Float   DataType = 1
	Uint8   DataType = 2
	Int8    DataType = 3
	Int32   DataType = 6
	Int64   DataType = 7
	Bool    DataType = 9
	Float16 DataType = 10
)

// Model is a graph with its ends, to be written by Marshal.
type Model struct {
	Name         string
	Producer     string
	Nodes        []Node
	Initializers []Tensor
	Inputs       []Value
	Outputs      []Value
}

// Node is one operator. Attributes hold int64, float32, string or []int64.
type Node struct {
	Op         string
	Domain     string // "" is the standard operator set
	Name       string
	Inputs     []string
	Outputs    []string
	Attributes []Attribute
}

// Attribute is one named attribute of a node.
type Attribute struct {
	Name  string
	Value any
}

// Tensor is an initializer: either Raw, its little-endian bytes, or External,
// a range of another file.
type Tensor struct {
	Name     string
	Type     DataType
	Dims     []int64
	Raw      []byte
	External *External
}

// External points at Length bytes at Offset in the file Location, a name
// relative to the graph's folder. ONNX Runtime maps the file into memory.
type External struct {
	Location string
	Offset   int64
	Length   int64
}

// Value names an input or output. A dimension below 0 is free; it is written
// with the name in Free at its index, so that equal names must agree.
type Value struct {
	Name string
	Type DataType
	Dims []int64
	Free []string
}

// Marshal encodes the model. Equal models give equal bytes.
func (m *Model) Marshal() []byte {
	var b []byte
	b = appendVarint(b, 1, IRVersion)
	b = appendString(b, 2, m.Producer)
	b = appendBytes(b, 7, m.graph())
	b = appendBytes(b, 8, opset("", Opset))
	if m.uses(ContribDomain) {
		b = appendBytes(b, 8, opset(ContribDomain, ContribVersion))
	}
	if m.uses(OwnDomain) {
		b = appendBytes(b, 8, opset(OwnDomain, OwnVersion))
	}
	return b
}

func (m *Model) uses(domain string) bool {
	return slices.ContainsFunc(m.Nodes, func(n Node) bool { return n.Domain == domain })
}

func opset(domain string, version uint64) []byte {
	return appendVarint(appendString(nil, 1, domain), 2, version)
}

func (m *Model) graph() []byte {
	var b []byte
	for _, n := range m.Nodes {
		b = appendBytes(b, 1, n.marshal())
	}
	b = appendString(b, 2, m.Name)
	for _, t := range m.Initializers {
		b = appendBytes(b, 5, t.marshal())
	}
	for _, v := range m.Inputs {
		b = appendBytes(b, 11, v.marshal())
	}
	for _, v := range m.Outputs {
		b = appendBytes(b, 12, v.marshal())
	}
	return b
}

func (n Node) marshal() []byte {
	var b []byte
	for _, s := range n.Inputs {
		b = appendString(b, 1, s)
	}
	for _, s := range n.Outputs {
		b = appendString(b, 2, s)
	}
	b = appendString(b, 3, n.Name)
	b = appendString(b, 4, n.Op)
	for _, a := range n.Attributes {
		b = appendBytes(b, 5, a.marshal())
	}
	if n.Domain != "" {
		b = appendString(b, 7, n.Domain)
	}
	return b
}

// AttributeProto.AttributeType.
const (
	attrFloat  = 1
	attrInt    = 2
	attrString = 3
	attrInts   = 7
)

// marshal panics on a type that no graph of ours uses: that is a bug in the
// builder, not a condition of the data.
func (a Attribute) marshal() []byte {
	b := appendString(nil, 1, a.Name)
	switch v := a.Value.(type) {
	case float32:
		b = protowire.AppendTag(b, 2, protowire.Fixed32Type)
		b = protowire.AppendFixed32(b, math.Float32bits(v))
		return appendVarint(b, 20, attrFloat)
	case int64:
		return appendVarint(appendVarint(b, 3, uint64(v)), 20, attrInt)
	case string:
		return appendVarint(appendString(b, 4, v), 20, attrString)
	case []int64:
		for _, i := range v {
			b = appendVarint(b, 8, uint64(i))
		}
		return appendVarint(b, 20, attrInts)
	}
	panic("onnx: attribute " + a.Name + " has a type the writer does not know. This is a bug")
}

func (t Tensor) marshal() []byte {
	var b []byte
	for _, d := range t.Dims {
		b = appendVarint(b, 1, uint64(d))
	}
	b = appendVarint(b, 2, uint64(t.Type))
	b = appendString(b, 8, t.Name)
	if t.External == nil {
		return appendBytes(b, 9, t.Raw)
	}
	b = appendBytes(b, 13, entry("location", t.External.Location))
	b = appendBytes(b, 13, entry("offset", strconv.FormatInt(t.External.Offset, 10)))
	b = appendBytes(b, 13, entry("length", strconv.FormatInt(t.External.Length, 10)))
	return appendVarint(b, 14, 1) // DataLocation EXTERNAL
}

func entry(key, value string) []byte {
	return appendString(appendString(nil, 1, key), 2, value)
}

func (v Value) marshal() []byte {
	var shape []byte
	for i, d := range v.Dims {
		var dim []byte
		if d < 0 {
			dim = appendString(nil, 2, v.Free[i])
		} else {
			dim = appendVarint(nil, 1, uint64(d))
		}
		shape = appendBytes(shape, 1, dim)
	}
	tensor := appendBytes(appendVarint(nil, 1, uint64(v.Type)), 2, shape)
	return appendBytes(appendString(nil, 1, v.Name), 2, appendBytes(nil, 1, tensor))
}

func appendVarint(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}
