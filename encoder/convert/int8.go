package convert

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"

	"sightline/encoder/bundle"
	"sightline/encoder/convert/graph"
)

// quantisable says which tensors an int8 bundle stores in int8: the Linears of
// all towers' layers, 86 % of BLIP-base's values, and the language head's product
// with the vocabulary, a fifth of what a step of its decoder reads. Embeddings
// are looked up, not multiplied, and the other heads are 0.2 % of the work and
// the last thing before a result.
func (p planned) quantisable() bool {
	if p.name == headWeight {
		return true
	}
	for _, tower := range []string{"vision_model.encoder.layers.", encoderTower + "encoder.layer.", decoderTower + "encoder.layer."} {
		if strings.HasPrefix(p.name, tower) {
			return len(p.shape) == 2 && strings.HasSuffix(p.name, ".weight")
		}
	}
	return false
}

// quantised replaces a weight [out,in] by int8 values [in,out], the order that
// ONNX's integer products read, and a scale for each output.
func (p planned) quantised() []planned {
	q := &quantiser{source: p.write, outputs: int(p.shape[0]), inputs: int(p.shape[1])}
	turned := tensorSpec{name: p.name, shape: []int64{p.shape[1], p.shape[0]}}
	scales := tensorSpec{name: p.name + graph.ScaleSuffix, shape: p.shape[:1]}
	return []planned{
		{tensorSpec: turned, write: q.values, precision: bundle.INT8},
		{tensorSpec: scales, write: q.scales, precision: bundle.FP32},
	}
}

// quantiser rounds one weight. Its values are written first; that leaves the
// scales for the tensor after. It holds one weight at a time, 9.4 MB in float32
// for BLIP-base.
type quantiser struct {
	source          func(io.Writer) error
	outputs, inputs int
	scale           []float32
}

// values writes the int8 values. Each output's largest magnitude becomes 127,
// so that all of them are symmetric and need no zero point.
func (q *quantiser) values(w io.Writer) error {
	var raw bytes.Buffer
	raw.Grow(4 * q.outputs * q.inputs)
	if err := q.source(&raw); err != nil {
		return err
	}
	data := raw.Bytes()
	if len(data) != 4*q.outputs*q.inputs {
		return fmt.Errorf("has %d bytes, %d by %d values want %d", len(data), q.outputs, q.inputs, 4*q.outputs*q.inputs)
	}
	q.scale = make([]float32, q.outputs)
	turned := make([]byte, q.outputs*q.inputs)
	for o := range q.outputs {
		row := data[4*o*q.inputs : 4*(o+1)*q.inputs]
		if err := q.row(row, o, turned); err != nil {
			return err
		}
	}
	_, err := w.Write(turned)
	return err
}

// row rounds the weights of output o and puts them where they stand in turned.
func (q *quantiser) row(row []byte, o int, turned []byte) error {
	peak := float32(0)
	for i := 0; i < len(row); i += 4 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(row[i:]) &^ (1 << 31))
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("a weight of output %d is %g, which int8 cannot hold", o, v)
		}
		peak = max(peak, v)
	}
	q.scale[o] = peak / 127
	if q.scale[o] == 0 { // all values are 0, or too small to be told from it
		q.scale[o] = 1
	}
	for i := range q.inputs {
		v := math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:]))
		step := math.RoundToEven(float64(v / q.scale[o]))
		turned[i*q.outputs+o] = byte(int8(min(max(step, -127), 127)))
	}
	return nil
}

func (q *quantiser) scales(w io.Writer) error {
	return binary.Write(w, binary.LittleEndian, q.scale)
}
