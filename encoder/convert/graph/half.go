package graph

import (
	"sightline/encoder/onnx"
)

// A float16 graph keeps float32 (and int8) ends, so that callers need not know.
// Inside, activations are float16. ONNX Runtime's CUDA kernels accumulate
// products, softmax and LayerNorm in float32 and round once to store. What is
// computed in float32 here, because a rounding there would reach a result
// undiluted: the vision tower's final norm, the three heads, the unit length,
// the mean of patch states, and the products of weights.

// kind is the type of the weights.
func (w Weights) kind() onnx.DataType {
	if w.Half {
		return onnx.Float16
	}
	return onnx.Float
}

func (w Weights) kindOf(r Range) onnx.DataType {
	if r.Int8 {
		return onnx.Int8
	}
	return w.kind()
}

// narrow casts a float32 value to what the graph computes in.
func (b *builder) narrow(x string) string {
	if !b.weights.Half {
		return x
	}
	return b.to(x, onnx.Float16)
}

// full casts what the graph computes in to float32. For a weight that is done
// once, when the graph is loaded.
func (b *builder) full(x string) string {
	if !b.weights.Half {
		return x
	}
	return b.cast(x)
}

func (b *builder) to(x string, t onnx.DataType) string {
	return b.node("Cast", []attr{number("to", int64(t))}, x)
}

// head is x Wᵀ + bias in float32, of a float32 x.
func (b *builder) head(x, name string) string {
	return b.node("Gemm", gemm(1), x, b.full(b.weight(name+".weight")), b.full(b.weight(name+".bias")))
}
