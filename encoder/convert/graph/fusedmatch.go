package graph

import (
	"encoding/binary"
	"math"

	"sightline/encoder/onnx"
)

// MatchInt8CUDA is MatchInt8 for CUDA, which has no kernels for its int8
// products: states become the graph's own type once, for all layers.
func MatchInt8CUDA(s Shape, w Weights) ([]byte, error) {
	t := newBuilder("match_int8", w).fusedText(s.Text, 1)
	n, dv := s.Vision.Tokens(), s.Vision.Width
	states := t.to(t.input("states", onnx.Int8, "B", n, dv), w.kind())
	scale := t.op("Unsqueeze", t.narrow(t.input("scale", onnx.Float, "B", n)), t.list(2))
	mean := t.narrow(t.input("mean", onnx.Float, "B", dv))
	return t.absorbed(s, centred{states: t.op("Mul", states, scale), mean: mean})
}

// fusedMatch is Match for CUDA. It takes the mean off the states as
// States.Quantize does: float16 has 11 bits, and a score of 50 that all patches
// share would cost each probability 2 %.
func fusedMatch(s Shape, w Weights) ([]byte, error) {
	t := newBuilder("match", w).fusedText(s.Text, 1)
	states := t.input("states", onnx.Float, "B", s.Vision.Tokens(), s.Vision.Width)
	mean := t.node("ReduceMean", []attr{number("keepdims", 1)}, states, t.list(1))
	return t.absorbed(s, centred{
		states: t.narrow(t.op("Sub", states, mean)),
		mean:   t.narrow(t.op("Squeeze", mean, t.list(1))),
	})
}

// centred are patch states [B,N,Dv] without their mean [B,Dv], which as in
// MatchInt8 leaves the scores unchanged and is added after the average.
type centred struct {
	states string
	mean   string
}

// absorbed is the cross-attention of Match with W_k folded not only into the
// query's values but into its weights, and W_v into those of the output:
//
//	scores = x (W_q,hᵀ W_k,h / 8) Eᵀ        [D,Dv] a head
//	output = Σ_h (softmax(scores) E) (W_v,hᵀ W_o,hᵀ)   [Dv,D] a head
//
// Six times the multiplications of these two steps, which are a quarter of all
// at 8 tokens, for no transposition by heads: 9 kernels a layer in place of 24.
// ONNX Runtime computes the products once, when it loads the graph: 340 MB of
// device memory for BLIP-base in float16.
func (t *fusedText) absorbed(s Shape, e centred) ([]byte, error) {
	dv := s.Vision.Width
	states, padding := t.padTokens(e.states, s.Vision.Tokens(), dv)
	shares := t.shares(e.mean, dv)
	t.cross = func(x string, layer int) string {
		p := textLayer(layer) + "crossattention."
		q := t.op("Add", t.op("MatMul", x, t.queryKey(p, dv)), t.queryKeyBias(p, dv))
		scores := t.product(t.rows(q, dv), states, 0.125)
		if padding != "" {
			scores = t.op("Add", scores, padding)
		}
		c := t.op("MatMul", t.softmax(scores), states)
		c = t.reshape(c, 0, -1, t.tower.Heads*dv)
		return t.op("Add", t.op("MatMul", c, t.valueOutput(p, dv)), t.shareOf(shares, layer))
	}
	return t.logits()
}

// rows turns [B,L,h·Dv] into [B,L·h,Dv].
func (t *fusedText) rows(x string, dv int) string { return t.reshape(x, 0, -1, dv) }

// heads reads a query, key or value weight as float32 [h,64,width].
func (t *fusedText) heads(name string, width int) string {
	return t.full(t.weightAs(name, int64(t.tower.Heads), HeadDim, int64(width)))
}

// queryKey is W_qᵀ W_k of all heads, [D,h·Dv].
func (t *fusedText) queryKey(p string, dv int) string {
	q := t.transpose(t.heads(p+"self.query.weight", t.tower.Width), 0, 2, 1)
	product := t.transpose(t.op("MatMul", q, t.heads(p+"self.key.weight", dv)), 1, 0, 2)
	return t.narrow(t.reshape(product, t.tower.Width, t.tower.Heads*dv))
}

// queryKeyBias is the query's bias through W_k, [h·Dv].
func (t *fusedText) queryKeyBias(p string, dv int) string {
	bias := t.full(t.weightAs(p+"self.query.bias", int64(t.tower.Heads), 1, HeadDim))
	return t.narrow(t.reshape(t.op("MatMul", bias, t.heads(p+"self.key.weight", dv)), t.tower.Heads*dv))
}

// valueOutput is W_vᵀ W_oᵀ of all heads, [h·Dv,D].
func (t *fusedText) valueOutput(p string, dv int) string {
	v := t.transpose(t.heads(p+"self.value.weight", dv), 0, 2, 1)
	o := t.full(t.weightAs(p+"output.dense.weight", int64(t.tower.Width), int64(t.tower.Heads), HeadDim))
	product := t.op("MatMul", v, t.transpose(o, 1, 2, 0))
	return t.narrow(t.reshape(product, t.tower.Heads*dv, t.tower.Width))
}

// shares is what a picture's mean and the biases of W_v and W_o add to each
// layer's output, [layers,B,1,D], in two products for all layers.
func (t *fusedText) shares(mean string, dv int) string {
	d := t.tower.Width
	stack := func(name string, dims ...int64) string {
		var all []string
		for i := range t.tower.Layers {
			all = append(all, t.weightAs(textLayer(i)+"crossattention."+name, append([]int64{1}, dims...)...))
		}
		return t.node("Concat", []attr{number("axis", 0)}, all...)
	}
	value := t.transpose(stack("self.value.weight", int64(d), int64(dv)), 0, 2, 1)
	output := t.transpose(stack("output.dense.weight", int64(d), int64(d)), 0, 2, 1)
	v := t.op("Add", t.op("MatMul", mean, value), stack("self.value.bias", 1, int64(d)))
	all := t.op("Add", t.op("MatMul", v, output), stack("output.dense.bias", 1, int64(d)))
	return t.op("Unsqueeze", all, t.list(2))
}

func (t *fusedText) shareOf(shares string, layer int) string {
	return t.node("Gather", []attr{number("axis", 0)}, shares, t.index(int64(layer)))
}

// tokenStep is what the number of patch states is rounded up to: tensor cores
// take rows of float16 that start at a multiple of 16 bytes, and 577 is odd.
const tokenStep = 8

// padTokens adds states of zeros up to a multiple of tokenStep, and makes the
// scores' bias that takes them out of the softmax, "" where there are none.
func (t *fusedText) padTokens(states string, n, width int) (padded, bias string) {
	more := (tokenStep - n%tokenStep) % tokenStep
	if more == 0 {
		return states, ""
	}
	zeros := t.op("Expand", t.narrow(t.constant(0)), t.shape(t.dim(states, 0), more, width))
	var raw []byte
	for i := range n + more {
		v := float32(0)
		if i >= n {
			v = masked
		}
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	scores := t.initializer(onnx.Tensor{Name: "padding", Type: onnx.Float, Dims: []int64{1, 1, int64(n + more)}, Raw: raw})
	return t.node("Concat", []attr{number("axis", 1)}, states, zeros), t.narrow(scores)
}

// fusedMatchTexts is MatchTexts for CUDA: all texts are one sequence of queries
// to the picture, so that its keys and values are read once and no scores are
// written.
func fusedMatchTexts(s Shape, w Weights) ([]byte, error) {
	t := newBuilder("match_texts", w).fusedText(s.Text, "B")
	t.padded()
	layers, h, n, d := s.Text.Layers, s.Text.Heads, s.Vision.Tokens(), s.Text.Width
	keys := t.transpose(t.narrow(t.input("keys", onnx.Float, layers, h, HeadDim, n)), 0, 1, 3, 2)
	values := t.narrow(t.input("values", onnx.Float, layers, h, n, HeadDim))
	batch := t.dim("ids", 0)
	t.cross = func(x string, layer int) string {
		p := textLayer(layer) + "crossattention."
		axis, at := []attr{number("axis", 0)}, t.list(int64(layer))
		q := t.op("Add", t.dense(x, p+"self.query"), t.weight(p+"self.query.bias"))
		a := t.contrib("MultiHeadAttention", []attr{number("num_heads", int64(h))},
			t.reshape(q, 1, -1, d), t.node("Gather", axis, keys, at), t.node("Gather", axis, values, at))
		out := t.dense(t.reshape(a, batch, -1, d), p+"output.dense")
		return t.op("Add", out, t.weight(p+"output.dense.bias"))
	}
	return t.logits()
}
