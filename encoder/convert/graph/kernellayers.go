package graph

import "sightline/encoder/onnx"

// kernelLayers is the text tower of an int8 bundle by own operators. Rows are
// float32 between operators; each operator rounds them for itself, with a scale
// a row, in the places where matchOfInt8 does.
type kernelLayers struct {
	kernelStates
	vision Shape
	padded bool // whether there are lengths
	// crossRows is the cross-attention of a layer up to its dense output; nil where
	// there is none.
	crossRows func(x, prefix string, layer int) string
}

func (k kernelLayers) match(mean string) ([]byte, error) {
	biases := (&int8Match{text: k.text, vision: k.vision}).meanValues(mean)
	k.crossRows = func(x, p string, layer int) string { return k.attend(x, p, layer == 0, biases[layer]) }
	k.output(k.head(k.layers(), "itm_head"), "logits", "B", 2)
	return k.finish()
}

// layers returns the hidden state of token 0 after the last layer, [B,D].
func (k kernelLayers) layers() string {
	x := k.embed()
	for i := range k.shape.Layers {
		p := textLayer(i)
		asking, last := x, i == k.shape.Layers-1
		var only []attr
		if last { // the rest of the last layer is for token 0 alone
			asking, only = k.first(x), []attr{number("first", 1)}
		}
		qkv := k.queriesKeysValues(x, p+"attention.self.")
		a := ""
		if k.padded {
			a = k.own("PaddedAttention", only, qkv, "ids", "lengths")
		} else {
			a = k.own("SelfAttention", only, qkv, "ids")
		}
		x = k.linearNorm(a, p+"attention.output.", asking)
		if k.crossRows != nil {
			x = k.linearNorm(k.crossRows(x, p, i), p+"crossattention.output.", x)
		}
		x = k.mlp(x, p)
	}
	return x
}

// MatchTextsKernel is MatchTexts of an int8 bundle by own operators, but for the
// attention to the one picture's keys and values, which are float32. Text has no such
// form: of one text all rows are one block, which one thread works on.
func MatchTextsKernel(s Shape, w Weights) ([]byte, error) {
	b := newBuilder("match_texts", w)
	t := &text{builder: b, shape: s.Text, tower: encoderTower, length: b.dim(b.input("ids", onnx.Int64, "B", "L"), 1)}
	b.input("lengths", onnx.Int64, "B")
	k := kernelLayers{kernelStates: kernelStates{text: t}, vision: s, padded: true}
	layers, h, n := s.Text.Layers, s.Text.Heads, s.Vision.Tokens()
	k.input("keys", onnx.Float, layers, h, HeadDim, n)
	k.input("values", onnx.Float, layers, h, n, HeadDim)
	k.crossRows = func(x, p string, layer int) string {
		of := func(v string) string { return k.node("Gather", []attr{number("axis", 0)}, v, k.index(int64(layer))) }
		q := p + "crossattention.self.query"
		rows := k.own("Linear", nil, x, k.int8Weight(q+".weight"), k.scaled(k.weight(q+".weight"+ScaleSuffix), 0.125), k.scaled(k.weight(q+".bias"), 0.125))
		rows = k.transpose(k.reshape(rows, -1, h, HeadDim), 1, 0, 2)
		return k.joinHeads(k.op("MatMul", k.softmax(k.op("MatMul", rows, of("keys"))), of("values")))
	}
	k.output(k.head(k.layers(), "itm_head"), "logits", "B", 2)
	return k.finish()
}

// first is the rows of token 0, whatever number of texts there is.
func (k kernelLayers) first(x string) string {
	return k.node("Gather", []attr{number("axis", 1)}, k.reshape(x, -1, k.length, k.shape.Width), k.index(0))
}

// linear8 are a Linear's weight, its scales and bias.
func (b *builder) linear8(name string) []string {
	weight := name + ".weight"
	return []string{b.int8Weight(weight), b.weight(weight + ScaleSuffix), b.weight(name + ".bias")}
}

// normed adds a node that ends in the LayerNorm of that name.
func (k kernelLayers) normed(op, norm string, in ...string) string {
	in = append(in, k.weight(norm+".weight"), k.weight(norm+".bias"))
	return k.own(op, []attr{float("epsilon", float32(k.shape.Eps))}, in...)
}

// linearNorm is LayerNorm(x Wᵀ + bias + residual). Where the residual has fewer
// rows, it is one text's, the same for every picture.
func (k kernelLayers) linearNorm(x, p, residual string) string {
	in := append([]string{x}, k.linear8(p+"dense")...)
	return k.normed("LinearNorm", p+"LayerNorm", append(in, residual)...)
}

// mlp is the feed-forward half of a layer, with its residual.
func (k kernelLayers) mlp(x, p string) string {
	in := append([]string{x}, k.linear8(p+"intermediate.dense")...)
	return k.normed("Mlp", p+"output.LayerNorm", append(in, k.linear8(p+"output.dense")...)...)
}

// queriesKeysValues is one product for all three, [R,3D], with 1/8 in the queries.
// ONNX Runtime joins the weights when it loads the graph.
func (k kernelLayers) queriesKeysValues(x, p string) string {
	join := func(axis int64, suffix string, query func(string) string) string {
		parts := []string{query(p + "query" + suffix)}
		for _, name := range []string{"key", "value"} {
			if suffix == ".weight" {
				parts = append(parts, k.int8Weight(p+name+suffix))
			} else {
				parts = append(parts, k.weight(p+name+suffix))
			}
		}
		return k.node("Concat", []attr{number("axis", axis)}, parts...)
	}
	eighth := func(name string) string { return k.scaled(k.weight(name), 0.125) }
	return k.own("Linear", nil, x, join(1, ".weight", k.int8Weight), join(0, ".weight"+ScaleSuffix, eighth), join(0, ".bias", eighth))
}

// attend is a layer's attention to the patch states up to its values, [B·L,D].
func (k kernelLayers) attend(x, p string, shared bool, bias string) string {
	var attrs []attr
	if shared {
		attrs = []attr{number("shared", 1)}
	}
	p += "crossattention.self."
	// The scale of the query's output and of the key's, and 1/8, are one column.
	factor := k.scaled(k.weight(p+"key.weight"+ScaleSuffix), 0.125)
	return k.own("CrossAttentionInt8", attrs, x, k.states, k.packed, k.scale,
		k.int8Weight(p+"query.weight"), k.op("Mul", k.weight(p+"query.weight"+ScaleSuffix), factor),
		k.op("Mul", k.weight(p+"query.bias"), factor), k.int8Weight(p+"key.weight"),
		k.int8Weight(p+"value.weight"), k.weight(p+"value.weight"+ScaleSuffix), bias)
}
