package graph

import "sightline/encoder/onnx"

// int8Match is MatchInt8 of an int8 bundle. All products run in int8, the ones
// by the heads' parts of W_k and W_v too. Scales travel beside the rows and are
// multiplied in where the tensor is small or another factor is due anyway:
// the key's are part of the query's columns, since its outputs are what the
// absorbed product sums over, and the probabilities' wait until after W_v.
type int8Match struct {
	*text
	vision     Shape
	states     string // int8 [B,N,Dv]
	transposed string // int8 [B,Dv,N]
	scale      string // [B,1,N]
	biases     []string
}

func matchOfInt8(s Shape, w Weights) ([]byte, error) {
	b := newBuilder("match_int8", w)
	m := &int8Match{text: b.text(s.Text, 1), vision: s}
	n, dv := s.Vision.Tokens(), s.Vision.Width
	m.states = b.input("states", onnx.Int8, "B", n, dv)
	m.scale = b.op("Unsqueeze", b.input("scale", onnx.Float, "B", n), b.list(1))
	m.transposed = b.transpose(m.states, 0, 2, 1)
	m.biases = m.meanValues(b.input("mean", onnx.Float, "B", dv))
	m.widen = b.dim(m.states, 0)
	m.cross = m.attend
	return m.logits()
}

// meanValues is the value of the mean state with its bias for each layer,
// [B,1,D]. A mean has outliers and is added to every token, so what its
// rounding leaves is rounded once more: 15 bits, for half a product of all
// layers at once.
func (m *int8Match) meanValues(mean string) []string {
	dv, layers := int64(m.vision.Vision.Width), m.shape.Layers
	high := m.quantise(mean, dv)
	block := []attr{number("axis", 1), number("block_size", dv)}
	rest := m.op("Sub", mean, m.node("DequantizeLinear", block, high.values, high.scale, high.zero))
	low := m.quantise(rest, dv)
	var weights, scales, biases []string
	for i := range layers {
		p := m.prefix(i) + "crossattention.self.value."
		weights = append(weights, m.int8Weight(p+"weight"))
		scales = append(scales, m.weight(p+"weight"+ScaleSuffix))
		biases = append(biases, m.weight(p+"bias"))
	}
	w, columns := m.node("Concat", []attr{number("axis", 1)}, weights...), m.node("Concat", []attr{number("axis", 0)}, scales...)
	part := func(r quantisedRows) string { return m.op("Mul", m.toFloat(r.values, w, columns), r.scale) }
	all := m.op("Add", m.op("Add", part(high), part(low)), m.node("Concat", []attr{number("axis", 0)}, biases...))
	all = m.op("Unsqueeze", all, m.list(1))
	return m.nodes("Split", []attr{number("axis", 2), number("num_outputs", int64(layers))}, layers, all)
}

// attend is the cross-attention of a layer with its dense output, in rows.
func (m *int8Match) attend(x string, layer int, length string) string {
	h, dv := m.shape.Heads, m.vision.Vision.Width
	q := m.absorbedQueries(x, layer)
	q = m.regroup(q, []any{h, -1, length}, dv)
	scores := m.contrib("MatMulIntegerToFloat", nil, q.values, m.transposed, m.constant(1), m.scale, m.zero128())
	p := m.op("Mul", m.softmax(m.op("Mul", scores, q.scale)), m.scale)
	weights := m.probabilities(p)
	c := m.contrib("MatMulIntegerToFloat", nil, weights.values, m.states, m.constant(1), m.constant(1))
	average := m.quantiseRows(c, int64(dv))
	average.scale = m.op("Mul", average.scale, weights.scale)
	average = m.regroup(average, []any{-1, h, length}, dv)
	flat := func(v string, width int) string { return m.reshape(v, h, -1, width) }
	return m.valueOutput(quantisedRows{values: flat(average.values, dv), scale: flat(average.scale, 1)}, layer, length)
}

// valueOutput is what follows the averages [h,R,Dv] of a layer: the heads' parts
// of W_v, the mean state's value and the dense output.
func (m *int8Match) valueOutput(average quantisedRows, layer int, length string) string {
	h, d, dv := m.shape.Heads, m.shape.Width, m.vision.Vision.Width
	value := m.prefix(layer) + "crossattention.self.value.weight"
	w := m.transpose(m.reshape(m.int8Weight(value), dv, h, HeadDim), 1, 0, 2)
	a := m.toFloat(average.values, w, m.reshape(m.weight(value+ScaleSuffix), h, 1, HeadDim))
	a = m.joinHeads(m.op("Mul", a, average.scale))
	a = m.op("Add", m.reshape(a, -1, length, d), m.biases[layer])
	return m.crossOutput(m.reshape(a, -1, d), layer)
}

// absorbedQueries are headQueries in uint8.
func (m *int8Match) absorbedQueries(x string, layer int) quantisedRows {
	values, scale := m.headQueries(x, layer)
	wide := m.quantiseRows(values, int64(m.vision.Vision.Width))
	wide.scale = m.op("Mul", wide.scale, scale)
	return wide
}

// headQueries are the rows (q W_k) of each head, float32 [h,R,Dv], but for a
// factor a row, [h,R,1].
func (m *int8Match) headQueries(x string, layer int) (values, scale string) {
	h, d, dv := m.shape.Heads, m.shape.Width, m.vision.Vision.Width
	p := m.prefix(layer) + "crossattention.self."
	// The scale of the query's output and of the key's, and 1/8, are one column.
	factor := m.scaled(m.weight(p+"key.weight"+ScaleSuffix), 0.125)
	query := p + "query.weight"
	rows := m.quantise(x, int64(d))
	q := m.toFloat(rows.values, m.int8Weight(query), m.op("Mul", m.weight(query+ScaleSuffix), factor))
	q = m.op("Add", m.op("Mul", q, rows.scale), m.op("Mul", m.weight(p+"query.bias"), factor))

	heads := m.quantiseRows(m.reshape(q, -1, h, HeadDim), HeadDim)
	w := m.reshape(m.transpose(m.int8Weight(p+"key.weight"), 1, 0), h, HeadDim, dv)
	values = m.toFloat(m.transpose(heads.values, 1, 0, 2), w, m.constant(1))
	return values, m.transpose(heads.scale, 1, 0, 2)
}

// regroup swaps the first two dimensions of rows and makes the first what it
// was: [h,B·L,·] to [B,h·L,·] and back. It is done to the uint8.
func (m *int8Match) regroup(r quantisedRows, dims []any, width int) quantisedRows {
	turn := func(v string, width int) string {
		v = m.reshape(v, append(append([]any{}, dims...), width)...)
		v = m.transpose(v, 1, 0, 2, 3)
		return m.reshape(v, 0, -1, width)
	}
	return quantisedRows{values: turn(r.values, width), scale: turn(r.scale, 1)}
}

// probabilities rounds rows [B,h·L,N] of nothing below 0: the largest is 255.
func (m *int8Match) probabilities(p string) quantisedRows {
	n := int64(m.vision.Vision.Tokens())
	peak := m.node("ReduceMax", []attr{number("keepdims", 1)}, p, m.list(-1))
	r := quantisedRows{scale: m.op("Mul", m.op("Max", peak, m.constant(1e-30)), m.constant(1.0/255))}
	r.values = m.node("QuantizeLinear", []attr{number("axis", 2), number("block_size", n)}, p, r.scale)
	return r
}
