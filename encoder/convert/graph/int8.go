package graph

// The graphs of an int8 bundle. A Linear multiplies rows of uint8 by int8
// weights and scales the sums: A uint8 with zero point 128 and B int8 is the
// combination that ONNX Runtime has its fast kernels for. Every row has a scale
// of its own, its largest magnitude, so that a result never depends on what
// else is in the batch; ONNX Runtime's fused DynamicQuantizeMatMul has one
// scale for all of A, hence the same pair would score differently beside
// others. docs/models.md has the measurements.

// ScaleSuffix stands after the name of an int8 weight in that of its scales.
const ScaleSuffix = "_scale"

// quantisedRows are uint8 [...,K] with zero point 128 and a float32 [...,1]
// scale a row; zero is the zero point in the shape of scale.
type quantisedRows struct{ values, scale, zero string }

// quantise rounds the rows of the matrix x [R,width]. The same x is rounded once.
func (b *builder) quantise(x string, width int64) quantisedRows {
	rows, ok := b.rows[x]
	if !ok {
		rows = b.round(x, b.rowScale(x), 1, width)
		b.rows[x] = rows
	}
	return rows
}

// quantiseRows is quantise of [.,.,width].
func (b *builder) quantiseRows(x string, width int64) quantisedRows {
	return b.round(x, b.rowScale(x), 2, width)
}

// round is one pass of QuantizeLinear over blocks of width along axis: it does
// what Mul, Round, Add and Cast do in four.
func (b *builder) round(x, scale string, axis, width int64) quantisedRows {
	zero := b.op("Expand", b.zero128(), b.op("Shape", scale))
	block := []attr{number("axis", axis), number("block_size", width)}
	return quantisedRows{values: b.node("QuantizeLinear", block, x, scale, zero), scale: scale, zero: zero}
}

func (b *builder) zero128() string { return b.uint8s("zero_point", 128) }

// rowScale is the largest magnitude of each row in steps of 1/127. Two
// reductions read x twice; Abs and one would write it once more.
func (b *builder) rowScale(x string) string {
	keep := []attr{number("keepdims", 1)}
	high := b.node("ReduceMax", keep, x, b.list(-1))
	low := b.op("Neg", b.node("ReduceMin", keep, x, b.list(-1)))
	// A row of zeros would divide by 0.
	return b.op("Mul", b.op("Max", high, low, b.constant(1e-30)), b.constant(1.0/127))
}

// int8Product is scale·x Wᵀ.
func (b *builder) int8Product(in, name string, scale float32) string {
	weight := name + ".weight"
	x := b.quantise(in, b.weights.Tensors[weight].Shape[0])
	y := b.toFloat(x.values, b.int8Weight(weight), b.scaled(b.weight(weight+ScaleSuffix), scale))
	return b.op("Mul", y, x.scale)
}

// biasRow is a bias as [1,out]: with one of [out] ONNX Runtime would join the Add
// and the GELU after it to its BiasGelu, which takes a quarter longer than both.
func (b *builder) biasRow(name string) string {
	return b.op("Reshape", b.weight(name+".bias"), b.list(1, -1))
}

// toFloat is the product of uint8 a (zero point 128) and int8 w, times a scale
// for each column: MatMulInteger, its Cast and a Mul in one pass.
func (b *builder) toFloat(a, w, columns string) string {
	return b.contrib("MatMulIntegerToFloat", nil, a, w, b.constant(1), columns, b.zero128())
}

// scaled is factor·v of a small weight, worked out when the graph is loaded.
func (b *builder) scaled(v string, factor float32) string {
	if factor == 1 {
		return v
	}
	return b.op("Mul", v, b.constant(factor))
}

// int8Weight is the stored int8 values [in,out].
func (b *builder) int8Weight(name string) string {
	return b.external(name, name, b.weights.Tensors[name].Shape)
}

// dequantised is an int8 weight as float32 [out,in]. ONNX Runtime works it out
// once, when it loads the graph.
func (b *builder) dequantised(name string) string {
	values := b.op("Mul", b.cast(b.int8Weight(name)), b.weight(name+ScaleSuffix))
	return b.transpose(values, 1, 0)
}
