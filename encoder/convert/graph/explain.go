package graph

import "sightline/encoder/onnx"

// Explain builds ids [1,L], states [1,N,Dv] -> logits [1,2], attention
// [layers,h,L,N]: Match of one picture, which also says where each text token
// looked. The absorbed scores are those of BLIP itself, so their softmax is its
// cross-attention as it stands.
//
// All layers are given out and the caller chooses: 6.6 MB for BLIP-base at 20
// tokens, next to nothing beside the pass. Match works out its last layer for
// token 0 alone; here each token needs its own row there, an eighth more work.
//
// The mean is taken off the states as in MatchInt8: exact, and what keeps the
// scores of a float16 bundle precise. That bundle has this graph in the plain
// form on CUDA too, since one picture now and then needs no speed.
func Explain(s Shape, w Weights) ([]byte, error) {
	b := newBuilder("match_explain", w)
	t := b.text(s.Text, 1)
	n, dv := s.Vision.Tokens(), s.Vision.Width
	whole := b.input("states", onnx.Float, 1, n, dv)
	mean := b.node("ReduceMean", []attr{number("keepdims", 1)}, whole, b.list(1))
	states := b.narrow(b.op("Sub", whole, mean))
	mean = b.narrow(b.reshape(mean, -1, dv))
	transposed := b.transpose(states, 0, 2, 1)

	var layers []string
	t.absorb(s, states, absorbed{
		attend: func(q string) string {
			p := b.softmax(b.op("MatMul", q, transposed)) // [1,h·L,N]
			layers = append(layers, p)
			return b.op("MatMul", p, states)
		},
		bias: func(p string) string { return b.reshape(b.linear(mean, p+"value", 1), -1, 1, s.Text.Width) },
	})
	first := t.first(t.everyToken())
	all := b.node("Concat", []attr{number("axis", 0)}, layers...)
	b.output(b.head(b.full(first), "itm_head"), "logits", 1, 2)
	b.output(b.full(b.reshape(all, s.Text.Layers, s.Text.Heads, -1, n)), "attention", s.Text.Layers, s.Text.Heads, "L", n)
	return b.finish()
}

// everyToken is forward without its cut of the last layer to token 0.
func (t *text) everyToken() string {
	x := t.embed()
	for i := range t.shape.Layers {
		x = t.selfAttention(x, i, false)
		x = t.crossAttention(x, i, t.length)
		x = t.feedForward(x, i)
	}
	return x
}
