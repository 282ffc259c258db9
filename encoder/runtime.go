package encoder

import (
	"context"
	"fmt"
)

// Tensor is one named input or output of a graph: row-major values and their
// shape. Data holds []float32, []int64 or []int8 of exactly the shape's size; of
// an input also [][]float32 or [][]int8, whose pieces stand one after another.
// A session reads inputs without copying; the caller must not change them
// until Run has returned.
//
// Among the inputs of Run, a tensor with the name of one of the graph's outputs is
// no input: its Data, a []float32 of the output's size, is where that output is
// written. It then comes back without having been copied; until Run has
// returned, and after an error, what it holds means nothing.
type Tensor struct {
	Name  string
	Shape []int64
	Data  any
}

// Len is the number of elements that the shape names.
func (t Tensor) Len() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Float32s returns the values of a float32 tensor.
func (t Tensor) Float32s() ([]float32, error) {
	v, ok := t.Data.([]float32)
	if !ok || int64(len(v)) != t.Len() {
		return nil, fmt.Errorf("tensor %s: want float32 %v, have %T", t.Name, t.Shape, t.Data)
	}
	return v, nil
}

// Runtime loads graphs. encoder/ort is the one that runs real models; whatever
// fulfils the contract passes the suite in encodertest. A Runtime is safe for
// concurrent use.
type Runtime interface {
	// Load reads the graph at path and its external weights. The session
	// belongs to the caller, who closes it before the runtime.
	Load(ctx context.Context, path string) (Session, error)
	// Device names what graphs run on, for logs and answers: "cpu", "cuda:0".
	Device() string
	// Close releases the runtime after all of its sessions are closed.
	Close() error
}

// Session is one loaded graph. Run is safe for concurrent use and bounded by
// the runtime; it returns ctx's error soon after ctx ends, even mid-graph.
type Session interface {
	// Run feeds inputs by name and returns all outputs in the graph's order.
	Run(ctx context.Context, inputs ...Tensor) ([]Tensor, error)
	// Close frees the session. Close waits for runs under way.
	Close() error
}
