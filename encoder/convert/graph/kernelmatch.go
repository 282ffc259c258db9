package graph

import "sightline/encoder/onnx"

// The graphs for a CPU with encoder/ort's own operators, domain "sightline". A
// layer's attention to the patch states is one of them, since ONNX Runtime packs
// the states anew for both products of each layer and passes over the scores
// eight times (docs/models.md). States and scale may have any number of tokens.
// Of an int8 bundle all of a layer is such operators, six of them: what ONNX
// Runtime spends beside the products on rounding, biases, GELU and LayerNorm is
// then done to rows that are in the cache.

// MatchInt8Kernel is MatchInt8 by CrossAttention, of an fp32 or int8 bundle.
func MatchInt8Kernel(s Shape, w Weights) ([]byte, error) {
	b := newBuilder("match_int8", w)
	var k kernelStates
	if w.Int8 {
		k.text = &text{builder: b, shape: s.Text, tower: encoderTower, length: b.dim(b.input("ids", onnx.Int64, 1, "L"), 1)}
	} else {
		k.text = b.text(s.Text, 1)
	}
	dv := s.Vision.Width
	k.states = b.input("states", onnx.Int8, "B", "N", dv)
	k.scale = b.input("scale", onnx.Float, "B", "N")
	mean := b.input("mean", onnx.Float, "B", dv)
	k.packed = k.own("PackStates", nil, k.states)
	if w.Int8 {
		return kernelLayers{kernelStates: k, vision: s}.match(mean)
	}
	return k.match(s, mean)
}

// kernelStates are the patch states as CrossAttention reads them.
type kernelStates struct {
	*text
	states string // int8 [B,N,Dv]
	packed string // uint8 [B,·], for all layers
	scale  string // [B,N]
}

// own adds a node of encoder/ort's domain, of one output.
func (b *builder) own(op string, attrs []attr, in ...string) string {
	out := b.node(op, attrs, in...)
	b.model.Nodes[len(b.model.Nodes)-1].Domain = onnx.OwnDomain
	return out
}

// sharing says whether the queries of a layer are still one text's, for all
// pictures: it must be asked before crossAttention has widened them.
func (k kernelStates) sharing() []attr {
	if k.widen == "" {
		return nil
	}
	return []attr{number("shared", 1)}
}

// match is the float32 form. Rows of picture b and token l are b·L+l on both
// sides of CrossAttention, so nothing is regrouped.
func (k kernelStates) match(s Shape, mean string) ([]byte, error) {
	h, d, dv := int64(s.Text.Heads), s.Text.Width, int64(s.Vision.Width)
	k.widen = k.dim(k.states, 0)
	k.cross = func(x string, layer int, length string) string {
		p := k.prefix(layer) + "crossattention.self."
		q := k.op("MatMul", k.headRows(x, layer), k.weightAs(p+"key.weight", h, HeadDim, dv))
		c := k.own("CrossAttention", k.sharing(), q, k.states, k.packed, k.scale)
		value := k.transpose(k.weightAs(p+"value.weight", h, HeadDim, dv), 0, 2, 1)
		a := k.reshape(k.joinHeads(k.op("MatMul", c, value)), -1, length, d)
		bias := k.reshape(k.linear(mean, p+"value", 1), -1, 1, d)
		return k.crossOutput(k.reshape(k.op("Add", a, bias), -1, d), layer)
	}
	return k.logits()
}
