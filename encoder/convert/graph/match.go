package graph

import (
	"sightline/encoder/onnx"
)

// Match builds ids [1,L], states [B,N,Dv] -> logits [B,2] with absorbed
// cross-attention: instead of projecting N patch states into keys and values
// for each candidate, W_k is folded into the query and W_v applied after the
// average. With q' the scaled query of head h,
//
//	scores = (q' W_k,h) Eᵀ            the key bias is the same for every
//	                                  patch and cancels in the softmax
//	output = (softmax(scores) E) W_v,hᵀ + b_v,h   since a row sums to 1
//
// so E, as stored, is the only thing a candidate brings, shared by all heads
// and layers. Exact; cheaper than projecting below bundle's AbsorbLimit.
func Match(s Shape, w Weights) ([]byte, error) {
	if w.Half {
		return fusedMatch(s, w)
	}
	b := newBuilder("match", w)
	t := b.text(s.Text, 1)
	states := b.input("states", onnx.Float, "B", s.Vision.Tokens(), s.Vision.Width)
	transposed := b.transpose(states, 0, 2, 1)
	attend := func(q string) string {
		return b.op("MatMul", b.softmax(b.op("MatMul", q, transposed)), states)
	}
	bias := func(p string) string { return b.weightAs(p+"value.bias", 1, 1, int64(s.Text.Width)) }
	return t.match(s, states, absorbed{attend: attend, bias: bias})
}

// MatchInt8 builds Match over int8 states [B,N,Dv] with scale [B,N] and mean
// [B,Dv]: state j is scale[j]·int8[j] + mean. The mean never enters the
// products: q·mean is the same for every patch and cancels in the softmax, and
// since a row of probabilities sums to 1 the average gains just the mean, so
// its projection stands where the value bias stands. What is left to quantise
// is small, and rounding errors of the probabilities multiply only that.
//
// Both products run in int8. Queries are scaled per row to int8+128, because A
// uint8 with zero point 128 and B int8 is the combination that ONNX Runtime has
// a fast path for (0.76 ms where fp32 takes 7.4 and uint8×uint8 7.7); the
// token's scale is multiplied into the scores after, and into the
// probabilities before, the second product.
func MatchInt8(s Shape, w Weights) ([]byte, error) {
	if w.Half {
		return MatchInt8CUDA(s, w)
	}
	if w.Int8 {
		return matchOfInt8(s, w)
	}
	b := newBuilder("match_int8", w)
	t := b.text(s.Text, 1)
	n, dv := s.Vision.Tokens(), s.Vision.Width
	states := b.input("states", onnx.Int8, "B", n, dv)
	scale := b.op("Unsqueeze", b.input("scale", onnx.Float, "B", n), b.list(1))
	mean := b.input("mean", onnx.Float, "B", dv)
	transposed := b.transpose(states, 0, 2, 1)
	attend := func(q string) string {
		zero := b.uint8s("zero_128", 128, 1, 1, 1)
		rows, rowScale := b.quantizeRows(q, b.op("Abs", q), quantized{steps: 127, zero: zero, width: dv})
		scores := b.cast(b.op("MatMulInteger", rows, transposed, b.uint8s("zero_point", 128)))
		p := b.op("Mul", b.softmax(b.op("Mul", b.op("Mul", scores, rowScale), scale)), scale)
		none := b.uint8s("zero_0", 0, 1, 1, 1)
		rows, rowScale = b.quantizeRows(p, p, quantized{steps: 255, zero: none, width: n})
		return b.op("Mul", b.cast(b.op("MatMulInteger", rows, states)), rowScale)
	}
	bias := func(p string) string {
		return b.reshape(b.linear(mean, p+"value", 1), -1, 1, s.Text.Width)
	}
	return t.match(s, states, absorbed{attend: attend, bias: bias})
}

// quantized says how rows become uint8: one block a row of width values.
type quantized struct {
	steps float32
	zero  string // [1,1,1]
	width int
}

// quantizeRows scales each row by its largest magnitude. Blocked QuantizeLinear
// does in one pass what Mul, Round, Add and Cast do in four.
func (b *builder) quantizeRows(x, magnitude string, q quantized) (rows, scale string) {
	peak := b.node("ReduceMax", []attr{number("keepdims", 1)}, magnitude, b.list(-1))
	// A row of zeros would divide by 0.
	scale = b.op("Mul", b.op("Max", peak, b.constant(1e-30)), b.constant(1/q.steps))
	zero := b.op("Expand", q.zero, b.op("Shape", scale))
	return b.node("QuantizeLinear", []attr{number("axis", 2), number("block_size", int64(q.width))}, x, scale, zero), scale
}

func (b *builder) cast(x string) string {
	return b.node("Cast", []attr{number("to", int64(onnx.Float))}, x)
}

// absorbed is what differs between the absorbed graphs.
type absorbed struct {
	// attend maps absorbed queries [·,h·L,Dv] to averaged states [B,h·L,Dv].
	attend func(q string) string
	// bias is what the values gain after the average, [B or 1,1,D].
	bias func(prefix string) string
}

// match finishes an absorbed graph.
func (t *text) match(s Shape, states string, form absorbed) ([]byte, error) {
	t.absorb(s, states, form)
	return t.logits()
}

// absorb sets the cross-attention of an absorbed graph of one text.
func (t *text) absorb(s Shape, states string, form absorbed) {
	t.widen = t.dim(states, 0)
	t.absorbEach(s, form)
}

// absorbEach is absorb of as many texts as pictures.
func (t *text) absorbEach(s Shape, form absorbed) {
	h, d, dv := t.shape.Heads, t.shape.Width, s.Vision.Width
	t.cross = func(x string, layer int, length string) string {
		p := t.prefix(layer) + "crossattention.self."
		key := t.weightAs(p+"key.weight", int64(h), HeadDim, int64(dv))
		q := t.op("MatMul", t.headRows(x, layer), key) // [h,R,Dv]
		q = t.transpose(t.reshape(q, h, -1, length, dv), 1, 0, 2, 3)
		c := form.attend(t.reshape(q, 0, -1, dv)) // [B,h·L,Dv]
		c = t.transpose(t.reshape(c, 0, h, -1, dv), 1, 0, 2, 3)
		value := t.transpose(t.weightAs(p+"value.weight", int64(h), HeadDim, int64(dv)), 0, 2, 1)
		a := t.op("MatMul", t.reshape(c, h, -1, dv), value) // [h,R,64]
		a = t.op("Add", t.reshape(t.joinHeads(a), -1, length, d), form.bias(p))
		return t.crossOutput(t.reshape(a, -1, d), layer)
	}
}

func (t *text) logits() ([]byte, error) {
	t.output(t.head(t.full(t.forward()), "itm_head"), "logits", "B", 2)
	return t.finish()
}

// MatchProjected builds Match with keys and values projected per candidate, as
// BLIP's own code computes it.
func MatchProjected(s Shape, w Weights) ([]byte, error) {
	b := newBuilder("match_projected", w)
	t := b.text(s.Text, 1)
	h, n := s.Text.Heads, s.Vision.Tokens()
	states := b.input("states", onnx.Float, "B", n, s.Vision.Width)
	rows := b.reshape(b.narrow(states), -1, s.Vision.Width)
	t.widen = b.dim(states, 0)
	t.cross = func(x string, layer int, length string) string {
		p := t.prefix(layer) + "crossattention.self."
		q := t.linear(x, p+"query", 0.125)
		q = t.transpose(t.reshape(q, -1, length, h, HeadDim), 0, 2, 1, 3)
		k := t.transpose(t.reshape(t.linear(rows, p+"key", 1), -1, n, h, HeadDim), 0, 2, 3, 1)
		v := t.transpose(t.reshape(t.linear(rows, p+"value", 1), -1, n, h, HeadDim), 0, 2, 1, 3)
		a := t.op("MatMul", t.softmax(t.op("MatMul", q, k)), v)
		return t.crossOutput(t.reshape(t.transpose(a, 0, 2, 1, 3), -1, t.shape.Width), layer)
	}
	return t.logits()
}
