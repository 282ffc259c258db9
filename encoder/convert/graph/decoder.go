package graph

import (
	"fmt"

	"sightline/encoder/onnx"
)

// CaptionKV builds states [P,N,Dv] -> keys_i [P,h,64,N], values_i [P,h,N,64] of
// each layer: what the cross-attention of all steps reads of the pictures.
func CaptionKV(s Shape, w Weights) ([]byte, error) {
	return crossKV("caption_kv", s, w, s.Vision.Tokens())
}

// AnswerKV builds the same of a question's states [P,L,D].
func AnswerKV(s Shape, w Weights) ([]byte, error) {
	return crossKV("answer_kv", s, w, "L")
}

// crossKV gives each layer's keys and values an end of its own: one tensor of all
// layers would be copied apart in every step, 42 MB a picture for BLIP-base. The
// key bias is left out; it cancels in the softmax.
func crossKV(name string, s Shape, w Weights, tokens any) ([]byte, error) {
	b := newBuilder(name, w)
	h := s.Text.Heads
	states := b.narrow(b.input("states", onnx.Float, "P", tokens, s.Cross))
	pictures := b.dim(states, 0)
	rows := b.reshape(states, -1, s.Cross)
	split := func(x string, perm ...int64) string {
		return b.full(b.transpose(b.reshape(x, pictures, -1, h, HeadDim), perm...))
	}
	for i := range s.Text.Layers {
		p := fmt.Sprintf(decoderTower+"encoder.layer.%d.crossattention.self.", i)
		b.output(split(b.linearNoBias(rows, p+"key"), 0, 2, 3, 1), ofLayer("keys", i), "P", h, HeadDim, tokens)
		b.output(split(b.linear(rows, p+"value", 1), 0, 2, 1, 3), ofLayer("values", i), "P", h, tokens, HeadDim)
	}
	return b.finish()
}

func ofLayer(name string, layer int) string { return fmt.Sprintf("%s_%d", name, layer) }

// CaptionStep builds one step of a captioner, see bundle.GraphCaptionStep. In an
// int8 bundle it reads what CaptionKV made, else the patch states themselves with
// cross-attention absorbed: a step then costs a quarter to a half more, and a
// caption of ten tokens less, since projecting 577 states costs as much as some
// fifty rows gain (docs/models.md).
func CaptionStep(s Shape, w Weights) ([]byte, error) {
	d := newDecoder("caption_step", s, w)
	if w.Int8 {
		return d.build(d.projected(s.Vision.Tokens()))
	}
	return d.build(d.absorbedCross(s))
}

// AnswerStep builds one step of an answering model, see bundle.GraphAnswerStep:
// questions are padded, so it reads their lengths.
func AnswerStep(s Shape, w Weights) ([]byte, error) {
	d := newDecoder("answer_step", s, w)
	lengths := d.input("lengths", onnx.Int64, "P")
	cross := d.projected("L")
	d.crossMask = d.outside(lengths, d.dim(ofLayer("keys", 0), 3))
	return d.build(cross)
}

// decoder is one step of the text decoder: post-norm BERT layers over n tokens of
// R rows that go on from cached keys and values, and the language head.
type decoder struct {
	*text
	rows      string // dim value R
	past      string // dim value T
	pictures  string // dim value P of projected
	crossMask string // [P,1,1,L], "" where nothing is padded
}

func newDecoder(name string, s Shape, w Weights) *decoder {
	b := newBuilder(name, w)
	t := &text{builder: b, shape: s.Text, tower: decoderTower}
	ids := b.input("ids", onnx.Int64, "R", "n")
	b.input("parents", onnx.Int64, "R")
	t.batch, t.length = b.dim(ids, 0), b.dim(ids, 1)
	return &decoder{text: t, rows: t.batch}
}

// projected declares the keys and values of so many tokens and is the
// cross-attention of a layer over them, with its dense output.
func (d *decoder) projected(tokens any) func(x string, layer int) string {
	h := d.shape.Heads
	for i := range d.shape.Layers {
		d.input(ofLayer("keys", i), onnx.Float, "P", h, HeadDim, tokens)
		d.input(ofLayer("values", i), onnx.Float, "P", h, tokens, HeadDim)
	}
	d.pictures = d.dim(ofLayer("keys", 0), 0)
	return func(x string, layer int) string { return d.crossOutput(d.crossAttention(x, layer), layer) }
}

// absorbedCross is the same over patch states, absorbed.
func (d *decoder) absorbedCross(s Shape) func(x string, layer int) string {
	states := d.narrow(d.input("states", onnx.Float, "P", s.Vision.Tokens(), s.Cross))
	d.absorbStates(s, states)
	each := d.op("Div", d.op("Mul", d.rows, d.length), d.dim(states, 0)) // tokens of a picture
	return func(x string, layer int) string { return d.cross(x, layer, each) }
}

// build finishes a step.
func (d *decoder) build(cross func(x string, layer int) string) ([]byte, error) {
	h := d.shape.Heads
	for i := range d.shape.Layers {
		d.input(ofLayer("past_keys", i), onnx.Float, "R0", h, "T", HeadDim)
		d.input(ofLayer("past_values", i), onnx.Float, "R0", h, "T", HeadDim)
	}
	d.past = d.dim(ofLayer("past_keys", 0), 2)
	end := d.op("Add", d.past, d.length)
	x := d.embedAt(d.past, end)
	d.mask = d.causalMask(end)
	for i := range d.shape.Layers {
		x = d.selfAttention(x, i)
		x = d.addNorm(x, cross(x, i), d.prefix(i)+"crossattention.output.LayerNorm")
		x = d.feedForward(x, i)
	}
	d.output(d.languageHead(d.last(x)), "logits", "R", d.shape.Vocabulary)
	return d.finish()
}

// causalMask lets token i of the new ones see the past and the new up to itself.
func (d *decoder) causalMask(end string) string {
	stop := d.op("Squeeze", end)
	own := d.op("Unsqueeze", d.op("Range", d.op("Squeeze", d.past), stop, d.index(1)), d.list(1))
	all := d.op("Range", d.index(0), stop, d.index(1))
	later := d.op("Greater", all, own)
	return d.narrow(d.op("Where", later, d.constant(masked), d.constant(0)))
}

// outside is masked for tokens at or after the lengths [P], of longest in all:
// [P,1,1,L].
func (d *decoder) outside(lengths, longest string) string {
	positions := d.op("Range", d.index(0), d.op("Squeeze", longest), d.index(1))
	inside := d.op("Less", positions, d.op("Unsqueeze", lengths, d.list(1)))
	mask := d.op("Where", inside, d.constant(0), d.constant(masked))
	return d.op("Unsqueeze", d.narrow(mask), d.list(1, 2))
}

// selfAttention gives out the keys and values of all tokens so far, [R,h,T+n,64].
func (d *decoder) selfAttention(x string, layer int) string {
	p := d.prefix(layer) + "attention."
	heads := func(part string, scale float32) string {
		return d.transpose(d.reshape(d.linear(x, p+"self."+part, scale), d.rows, -1, d.shape.Heads, HeadDim), 0, 2, 1, 3)
	}
	q := heads("query", 0.125)
	k, v := d.cached("keys", heads("key", 1), layer), d.cached("values", heads("value", 1), layer)
	a := d.op("MatMul", d.softmax(d.op("Add", d.product(q, k, 1), d.mask)), v)
	a = d.reshape(d.transpose(a, 0, 2, 1, 3), -1, d.shape.Width)
	return d.addNorm(x, d.linear(a, p+"output.dense", 1), p+"output.LayerNorm")
}

// cached is what the rows' parents have, then what is new.
func (d *decoder) cached(what, fresh string, layer int) string {
	past := d.node("Gather", []attr{number("axis", 0)}, ofLayer("past_"+what, layer), "parents")
	all := d.node("Concat", []attr{number("axis", 2)}, d.narrow(past), fresh)
	d.output(d.full(all), ofLayer("present_"+what, layer), "R", d.shape.Heads, "T1", HeadDim)
	return all
}

// crossAttention takes the rows of one picture as so many queries of the same
// keys and values, which are thus read in place by all beams.
func (d *decoder) crossAttention(x string, layer int) string {
	q := d.linear(x, d.prefix(layer)+"crossattention.self.query", 0.125)
	q = d.transpose(d.reshape(q, d.pictures, -1, d.shape.Heads, HeadDim), 0, 2, 1, 3)
	scores := d.op("MatMul", q, d.narrow(ofLayer("keys", layer)))
	if d.crossMask != "" {
		scores = d.op("Add", scores, d.crossMask)
	}
	a := d.op("MatMul", d.softmax(scores), d.narrow(ofLayer("values", layer)))
	return d.reshape(d.transpose(a, 0, 2, 1, 3), -1, d.shape.Width)
}

// last is the rows' last token, [R,D].
func (d *decoder) last(x string) string {
	x = d.reshape(x, d.rows, -1, d.shape.Width)
	return d.node("Gather", []attr{number("axis", 1)}, x, d.index(-1))
}

// languageHead is the transform and the product with the vocabulary, whose weight
// is the word embedding's where none of its own is stored.
func (d *decoder) languageHead(x string) string {
	const p = "text_decoder.cls.predictions."
	x = d.gelu(d.linear(x, p+"transform.dense", 1))
	x = d.layerNorm(x, p+"transform.LayerNorm", d.shape.Eps)
	weight := p + "decoder.weight"
	switch r, own := d.weights.Tensors[weight]; {
	case !own:
		weight = decoderTower + "embeddings.word_embeddings.weight"
	case r.Int8:
		bias := d.op("Reshape", d.weight(p+"bias"), d.list(1, -1))
		return d.op("Add", d.int8Product(x, p+"decoder", 1), bias)
	}
	return d.full(d.node("Gemm", gemm(1), x, d.weight(weight), d.weight(p+"bias")))
}

// Question builds ids [P,L], lengths [P], states [P,N,Dv] -> questions [P,L,D]: the
// image-grounded text encoder, each text with a picture of its own. Questions
// are short, so that the absorbed form is the cheaper one.
func Question(s Shape, w Weights) ([]byte, error) {
	b := newBuilder("question", w)
	t := b.text(s.Text, "P")
	t.padding(b.input("lengths", onnx.Int64, "P"))
	states := b.narrow(b.input("states", onnx.Float, "P", s.Vision.Tokens(), s.Vision.Width))
	t.absorbStates(s, states)
	x := t.embed()
	for i := range s.Text.Layers {
		x = t.selfAttention(x, i, false)
		x = t.crossAttention(x, i, t.length)
		x = t.feedForward(x, i)
	}
	b.output(b.full(b.reshape(x, t.batch, t.length, s.Text.Width)), "questions", "P", "L", s.Text.Width)
	return b.finish()
}

// absorbStates sets the absorbed cross-attention of texts each of which has
// states [P,N,Dv] of its own.
func (t *text) absorbStates(s Shape, states string) {
	transposed := t.transpose(states, 0, 2, 1)
	attend := func(q string) string {
		return t.op("MatMul", t.softmax(t.op("MatMul", q, transposed)), states)
	}
	bias := func(p string) string { return t.weightAs(p+"value.bias", 1, 1, int64(s.Text.Width)) }
	t.absorbEach(s, absorbed{attend: attend, bias: bias})
}
