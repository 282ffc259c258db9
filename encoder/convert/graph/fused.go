package graph

import (
	"sightline/encoder/bundle"
	"sightline/encoder/onnx"
)

// The graphs for CUDA are built of ONNX Runtime's own fused operators: there
// the time of a small batch is the number of kernels times the 8 µs that
// starting one takes, and the match written as for the CPU has 590 of them
// (docs/gpu.md). Activations are [B,L,D]; the operators want them so.

// contrib adds a node of ONNX Runtime's domain with one output.
func (b *builder) contrib(op string, attrs []attr, in ...string) string {
	out := b.node(op, attrs, in...)
	b.model.Nodes[len(b.model.Nodes)-1].Domain = onnx.ContribDomain
	return out
}

// product is alpha·x Wᵀ, W as stored. A bias is left to the operator that comes
// next: Gemm would write it out with a product of its own first.
func (b *builder) product(x, weight string, alpha float32) string {
	return b.contrib("FusedMatMul", []attr{number("transB", 1), float("alpha", alpha)}, x, weight)
}

func (b *builder) dense(x, name string) string { return b.product(x, b.weight(name+".weight"), 1) }

// skip is one SkipLayerNormalization: LayerNorm(x + skip + bias). norm is the
// prefix of its weights; bias may be "".
type skip struct {
	norm string
	bias string
	eps  float64
}

// skipNorm returns the normalised sum and the sum itself, which a pre-norm
// tower goes on with.
func (b *builder) skipNorm(x, rest string, s skip) (normed, sum string) {
	in := []string{x, rest, b.weight(s.norm + ".weight"), b.weight(s.norm + ".bias")}
	if s.bias != "" {
		in = append(in, s.bias)
	}
	name := b.fresh("SkipLayerNormalization")
	normed, sum = name+".0", name+".3"
	b.model.Nodes = append(b.model.Nodes, onnx.Node{
		Op: "SkipLayerNormalization", Domain: onnx.ContribDomain, Name: name, Inputs: in,
		Outputs: []string{normed, "", "", sum}, Attributes: []attr{float("epsilon", float32(s.eps))},
	})
	return normed, sum
}

// postNorm is skipNorm where the sum itself is not read.
func (b *builder) postNorm(x, rest string, s skip) string {
	normed, _ := b.skipNorm(x, rest, s)
	last := &b.model.Nodes[len(b.model.Nodes)-1]
	last.Outputs = last.Outputs[:1]
	return normed
}

func (b *builder) biasGelu(x, name string) string {
	return b.contrib("BiasGelu", nil, x, b.weight(name+".bias"))
}

// attention projects x [B,L,D] to queries, keys and values and attends. weight
// is [3D,D] and bias [3D], queries first; lengths is int32 [B], "" for all of L.
func (b *builder) attention(x, weight, bias, lengths string, heads int) string {
	in := []string{x, b.transpose(weight, 1, 0), bias}
	if lengths != "" {
		in = append(in, lengths)
	}
	return b.contrib("Attention", []attr{number("num_heads", int64(heads))}, in...)
}

// fusedText is one pass through the text tower, see text.
type fusedText struct {
	*builder
	tower   bundle.Text
	lengths string // int32 [B], "" where nothing is padded
	// cross is the cross-attention of a layer with its dense output and bias,
	// from [B or 1,L,D] to [B,L,D]; nil where there is none.
	cross func(x string, layer int) string
}

func (b *builder) fusedText(shape bundle.Text, texts any) *fusedText {
	b.input("ids", onnx.Int64, texts, "L")
	return &fusedText{builder: b, tower: shape}
}

// padded reads the texts' lengths.
func (t *fusedText) padded() {
	t.lengths = t.to(t.input("lengths", onnx.Int64, "B"), onnx.Int32)
}

// forward returns the state of token 0 after the last layer, float32 [B,D].
func (t *fusedText) forward() string {
	x := t.embed()
	for i := range t.tower.Layers {
		p := textLayer(i)
		a := t.selfAttention(x, p+"attention.self.")
		if i == t.tower.Layers-1 { // the rest of the last layer is for token 0 alone
			a, x = t.first(a), t.first(x)
		}
		x = t.close(t.dense(a, p+"attention.output.dense"), x, p+"attention.output.")
		if t.cross != nil {
			norm := skip{norm: p + "crossattention.output.LayerNorm", eps: t.tower.Eps}
			x = t.postNorm(t.cross(x, i), x, norm)
		}
		h := t.biasGelu(t.dense(x, p+"intermediate.dense"), p+"intermediate.dense")
		x = t.close(t.dense(h, p+"output.dense"), x, p+"output.")
	}
	return t.full(t.reshape(x, -1, t.tower.Width))
}

// close ends a block: the bias of its dense output, the residual and the norm.
func (t *fusedText) close(x, rest, p string) string {
	return t.postNorm(x, rest, skip{norm: p + "LayerNorm", bias: t.weight(p + "dense.bias"), eps: t.tower.Eps})
}

func (t *fusedText) embed() string {
	p := "text_encoder.embeddings."
	words := t.op("Gather", t.weight(p+"word_embeddings.weight"), "ids")
	positions := t.op("Slice", t.weight(p+"position_embeddings.weight"), t.list(0), t.dim("ids", 1), t.list(0))
	return t.layerNorm(t.op("Add", words, positions), p+"LayerNorm", t.tower.Eps)
}

func (t *fusedText) first(x string) string {
	return t.node("Gather", []attr{number("axis", 1)}, x, t.list(0))
}

func (t *fusedText) selfAttention(x, p string) string {
	rows := []attr{number("axis", 0)}
	part := func(suffix string) []string {
		return []string{t.weight(p + "query" + suffix), t.weight(p + "key" + suffix), t.weight(p + "value" + suffix)}
	}
	weight, bias := t.node("Concat", rows, part(".weight")...), t.node("Concat", rows, part(".bias")...)
	return t.attention(x, weight, bias, t.lengths, t.tower.Heads)
}

func (t *fusedText) logits() ([]byte, error) {
	t.output(t.head(t.forward(), "itm_head"), "logits", "B", 2)
	return t.finish()
}

// fusedTextOnly is Text for CUDA.
func fusedTextOnly(s Shape, w Weights) ([]byte, error) {
	t := newBuilder("text", w).fusedText(s.Text, "B")
	t.padded()
	t.output(t.unit(t.head(t.forward(), "text_proj")), "embedding", "B", s.Embedding)
	return t.finish()
}
