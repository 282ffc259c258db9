package graph

import (
	"fmt"

	"sightline/encoder/onnx"
)

// ImageKV builds states [1,N,Dv] -> keys [layers,h,64,N], values
// [layers,h,N,64]: what MatchTexts reads of one picture, for every layer. The
// key bias is left out; it cancels in the softmax.
func ImageKV(s Shape, w Weights) ([]byte, error) {
	b := newBuilder("image_kv", w)
	h, n := s.Text.Heads, s.Vision.Tokens()
	states := b.narrow(b.input("states", onnx.Float, 1, n, s.Vision.Width))
	rows := b.reshape(states, n, s.Vision.Width)
	var keys, values []string
	for i := range s.Text.Layers {
		p := fmt.Sprintf("text_encoder.encoder.layer.%d.crossattention.self.", i)
		k := b.reshape(b.linearNoBias(rows, p+"key"), 1, n, h, HeadDim)
		v := b.reshape(b.linear(rows, p+"value", 1), 1, n, h, HeadDim)
		keys = append(keys, b.transpose(k, 0, 2, 3, 1))
		values = append(values, b.transpose(v, 0, 2, 1, 3))
	}
	axis := []attr{number("axis", 0)}
	b.output(b.full(b.node("Concat", axis, keys...)), "keys", s.Text.Layers, h, HeadDim, n)
	b.output(b.full(b.node("Concat", axis, values...)), "values", s.Text.Layers, h, n, HeadDim)
	return b.finish()
}

// MatchTexts builds ids [B,L], lengths [B], keys, values -> logits [B,2]. The
// tokens of all texts are rows of one product per head, [h,B·L,64]·[h,64,N]:
// the picture's keys and values are read once and never repeated.
func MatchTexts(s Shape, w Weights) ([]byte, error) {
	if w.Half {
		return fusedMatchTexts(s, w)
	}
	b := newBuilder("match_texts", w)
	t := b.text(s.Text, "B")
	t.padding(b.input("lengths", onnx.Int64, "B"))
	layers, h, n := s.Text.Layers, s.Text.Heads, s.Vision.Tokens()
	b.input("keys", onnx.Float, layers, h, HeadDim, n)
	b.input("values", onnx.Float, layers, h, n, HeadDim)
	t.cross = func(x string, layer int, _ string) string {
		axis := []attr{number("axis", 0)}
		k := t.node("Gather", axis, "keys", t.index(int64(layer)))
		v := t.node("Gather", axis, "values", t.index(int64(layer)))
		p := t.softmax(t.op("MatMul", t.headRows(x, layer), k))
		return t.crossOutput(t.joinHeads(t.op("MatMul", p, v)), layer)
	}
	return t.logits()
}
