package graph

import "sightline/encoder/onnx"

// CaptionStepAbsorbed is for measuring.
func CaptionStepAbsorbed(s Shape, w Weights) ([]byte, error) {
	d := newDecoder("caption_step_absorbed", s, w)
	h := d.shape.Heads
	states := d.input("states", onnx.Float, "P", s.Vision.Tokens(), s.Cross)
	for i := range d.shape.Layers {
		d.input(ofLayer("past_keys", i), onnx.Float, "R0", h, "T", HeadDim)
		d.input(ofLayer("past_values", i), onnx.Float, "R0", h, "T", HeadDim)
	}
	d.past = d.dim(ofLayer("past_keys", 0), 2)
	end := d.op("Add", d.past, d.length)
	x := d.embedAt(d.past, end)
	d.mask = d.causalMask(end)
	transposed := d.transpose(states, 0, 2, 1)
	attend := func(q string) string {
		return d.op("MatMul", d.softmax(d.op("MatMul", q, transposed)), states)
	}
	bias := func(p string) string { return d.weightAs(p+"value.bias", 1, 1, int64(s.Text.Width)) }
	pictures := d.dim(states, 0)
	each := d.op("Div", d.op("Mul", d.rows, d.length), pictures)
	d.text.absorbEach(s, absorbed{attend: attend, bias: bias})
	for i := range d.shape.Layers {
		x = d.selfAttention(x, i)
		x = d.addNorm(x, d.cross(x, i, each), d.prefix(i)+"crossattention.output.LayerNorm")
		x = d.feedForward(x, i)
	}
	d.output(d.languageHead(d.last(x)), "logits", "R", d.shape.Vocabulary)
	return d.finish()
}
