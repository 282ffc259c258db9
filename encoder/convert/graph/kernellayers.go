package graph

// kernelLayers is the text tower of MatchInt8Kernel for an int8 bundle. Rows are
// float32 between operators; each operator rounds them for itself, with a scale
// a row, in the places where matchOfInt8 does.
type kernelLayers struct {
	kernelStates
	vision Shape
}

func (k kernelLayers) match(mean string) ([]byte, error) {
	biases := (&int8Match{text: k.text, vision: k.vision}).meanValues(mean)
	x := k.embed()
	for i := range k.shape.Layers {
		p := textLayer(i)
		asking, last := x, i == k.shape.Layers-1
		var only []attr
		if last { // the rest of the last layer is for token 0 alone
			asking, only = k.first(x), []attr{number("first", 1)}
		}
		a := k.own("SelfAttention", only, k.queriesKeysValues(x, p+"attention.self."), "ids")
		x = k.linearNorm(a, p+"attention.output.", asking)
		x = k.linearNorm(k.attend(x, p, i == 0, biases[i]), p+"crossattention.output.", x)
		x = k.mlp(x, p)
	}
	k.output(k.head(x, "itm_head"), "logits", "B", 2)
	return k.finish()
}

// first is the rows of token 0, whatever number of texts there is.
func (k kernelLayers) first(x string) string {
	return k.node("Gather", []attr{number("axis", 1)}, k.reshape(x, -1, k.length, k.shape.Width), k.index(0))
}

// linear8 are a Linear's weight, its scales and bias.
func (k kernelLayers) linear8(name string) []string {
	weight := name + ".weight"
	return []string{k.int8Weight(weight), k.weight(weight + ScaleSuffix), k.weight(name + ".bias")}
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
