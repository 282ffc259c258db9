package graph

import (
	"fmt"

	"sightline/encoder/bundle"
	"sightline/encoder/onnx"
)

// masked is added to the scores of padding, as BLIP does (models/med.py):
// exp(-10000) is 0 in float32, so padding changes nothing.
const masked = -10000

// text builds one pass through the text tower: post-norm BERT layers, with
// cross-attention between self-attention and feed-forward where cross is set.
// Rows are [batch·length, D], all of text 0 first.
type text struct {
	*builder
	shape  bundle.Text
	tower  string // prefix of its weights
	batch  string // dim values
	length string
	mask   string // [B,1,1,L], "" where nothing is padded
	// cross is the cross-attention of a layer up to its dense output, in rows.
	cross func(x string, layer int, length string) string
	// widen says that the states have a batch of their own, while the text is
	// one: its first layer is worked out once for all pictures.
	widen string
}

// The text towers: that of retrieval and of questions, and the decoder.
const (
	encoderTower = "text_encoder."
	decoderTower = "text_decoder.bert."
)

func (t *text) prefix(layer int) string { return t.tower + fmt.Sprintf("encoder.layer.%d.", layer) }

func textLayer(layer int) string {
	return fmt.Sprintf(encoderTower+"encoder.layer.%d.", layer)
}

// Text builds ids [B,L], lengths [B] -> embedding [B,E] unit.
func Text(s Shape, w Weights) ([]byte, error) {
	if w.Half {
		return fusedTextOnly(s, w)
	}
	b := newBuilder("text", w)
	t := b.text(s.Text, "B")
	t.padding(b.input("lengths", onnx.Int64, "B"))
	b.output(b.unit(b.linear(t.forward(), "text_proj", 1)), "embedding", "B", s.Embedding)
	return b.finish()
}

// text declares the input ids [texts,L], texts a number or a name. In a graph
// of one text and B pictures it must not be "B" too: equal names promise equal
// sizes, and ONNX Runtime reuses buffers by that.
func (b *builder) text(shape bundle.Text, texts any) *text {
	ids := b.input("ids", onnx.Int64, texts, "L")
	return &text{builder: b, shape: shape, tower: encoderTower, batch: b.dim(ids, 0), length: b.dim(ids, 1)}
}

// padding makes the mask from the texts' lengths.
func (t *text) padding(lengths string) {
	positions := t.op("Range", t.index(0), t.op("Squeeze", t.length), t.index(1))
	inside := t.op("Less", positions, t.op("Unsqueeze", lengths, t.list(1)))
	mask := t.op("Where", inside, t.constant(0), t.constant(masked))
	t.mask = t.op("Unsqueeze", t.narrow(mask), t.list(1, 2))
}

// forward returns the hidden state of token 0 after the last layer, [B,D].
// Nothing else of the last layer is read, so it is computed for token 0 alone.
func (t *text) forward() string {
	x := t.embed()
	for i := range t.shape.Layers {
		last := i == t.shape.Layers-1
		x = t.selfAttention(x, i, last)
		length := t.length
		if last {
			length = t.list(1)
		}
		if t.cross != nil {
			x = t.crossAttention(x, i, length)
		}
		x = t.feedForward(x, i)
	}
	return x
}

func (t *text) embed() string {
	return t.embedAt(t.list(0), t.length)
}

// embedAt is embed of tokens that stand at the positions from to to.
func (t *text) embedAt(from, to string) string {
	p := t.tower + "embeddings."
	words := t.op("Gather", t.weight(p+"word_embeddings.weight"), "ids")
	positions := t.op("Slice", t.weight(p+"position_embeddings.weight"), from, to, t.list(0))
	x := t.layerNorm(t.op("Add", words, positions), p+"LayerNorm", t.shape.Eps)
	return t.reshape(x, -1, t.shape.Width)
}

// first is the rows of token 0.
func (t *text) first(x string) string {
	return t.node("Gather", []attr{number("axis", 1)}, t.reshape(x, t.batch, t.length, t.shape.Width), t.index(0))
}

func (t *text) selfAttention(x string, layer int, onlyFirst bool) string {
	p, h := t.prefix(layer)+"attention.", t.shape.Heads
	asking := x
	if onlyFirst {
		asking = t.first(x)
	}
	q := t.linear(asking, p+"self.query", 0.125)
	q = t.transpose(t.reshape(q, t.batch, -1, h, HeadDim), 0, 2, 1, 3)
	k := t.transpose(t.reshape(t.linear(x, p+"self.key", 1), t.batch, -1, h, HeadDim), 0, 2, 3, 1)
	v := t.transpose(t.reshape(t.linear(x, p+"self.value", 1), t.batch, -1, h, HeadDim), 0, 2, 1, 3)
	scores := t.op("MatMul", q, k)
	if t.mask != "" {
		scores = t.op("Add", scores, t.mask)
	}
	a := t.op("MatMul", t.softmax(scores), v)
	a = t.reshape(t.transpose(a, 0, 2, 1, 3), -1, t.shape.Width)
	return t.addNorm(asking, t.linear(a, p+"output.dense", 1), p+"output.LayerNorm")
}

func (t *text) crossAttention(x string, layer int, length string) string {
	out := t.cross(x, layer, length)
	norm := t.prefix(layer) + "crossattention.output.LayerNorm"
	if t.widen == "" {
		return t.addNorm(x, out, norm)
	}
	// From one text to a batch: the residual is the same for every picture.
	d := t.shape.Width
	wide := t.op("Add", t.reshape(x, 1, -1, d), t.reshape(out, t.widen, -1, d))
	t.batch, t.widen = t.widen, ""
	return t.layerNorm(t.reshape(wide, -1, d), norm, t.shape.Eps)
}

func (t *text) feedForward(x string, layer int) string {
	p := t.prefix(layer)
	f := t.linear(t.gelu(t.linear(x, p+"intermediate.dense", 1)), p+"output.dense", 1)
	return t.addNorm(x, f, p+"output.LayerNorm")
}

func (t *text) addNorm(x, y, norm string) string {
	return t.layerNorm(t.op("Add", y, x), norm, t.shape.Eps)
}

// headRows turns scaled queries [R,D] into [h,R,64], rows grouped by head.
func (t *text) headRows(x string, layer int) string {
	q := t.linear(x, t.prefix(layer)+"crossattention.self.query", 0.125)
	return t.transpose(t.reshape(q, -1, t.shape.Heads, HeadDim), 1, 0, 2)
}

// joinHeads is its inverse, [h,R,64] to [R,D].
func (t *text) joinHeads(x string) string {
	return t.reshape(t.transpose(x, 1, 0, 2), -1, t.shape.Width)
}

func (t *text) crossOutput(a string, layer int) string {
	return t.linear(a, t.prefix(layer)+"crossattention.output.dense", 1)
}
