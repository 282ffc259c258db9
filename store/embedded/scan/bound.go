package scan

import (
	"errors"
	"fmt"
	"math"
)

// ErrVector is returned for a vector that a matrix cannot hold or compare: of
// another length, not finite, or with a norm beyond 2^±40 that is not 0.
var ErrVector = errors.New("unusable vector")

// roundoff is half a unit in the last place of a float32 of 1.
const roundoff = 1.0 / (1 << 24)

// meta is what a vector's code means and how far it is off. C reads it as
// three floats.
type meta struct {
	scale    float32 // value = scale * code
	residual float32 // norm of what the code lost, rounded up
	norm     float32 // norm of the decoded vector, rounded up
}

// check also keeps norms where no product or bound of two vectors overflows
// and none underflows by more than the roundoff that bounds allow for.
func check(v []float32, dim int) error {
	if len(v) != dim {
		return fmt.Errorf("%w: %d dimensions instead of %d", ErrVector, len(v), dim)
	}
	norm := norm(v)
	if norm != 0 && !(norm >= 1.0/(1<<40) && norm <= 1<<40) { // NaN too
		return fmt.Errorf("%w: its norm is %g", ErrVector, norm)
	}
	return nil
}

func norm(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// rounding rounds a float64 below 2^51 to an integer when it is added and taken
// off again. It is inlined where math.RoundToEven asks what the processor can.
const rounding = 3 << 51

// quantise writes round(v / scale) + 128 into code, 128 (zero) where code is
// longer than v. The scale maps the largest component to 127: clipping it
// instead would lose more than finer steps gain. What was lost is measured, not
// assumed, so the bound holds however the rounding went.
func quantise(v []float32, code []byte) meta {
	scale := float64(largest(v) / 127)
	var inverse, residual, norm float64
	if scale > 0 {
		inverse = 1 / scale
	}
	for i, x := range v {
		c := float64(x)*inverse + rounding - rounding
		code[i] = byte(int32(c) + 128)
		decoded := scale * c
		lost := float64(x) - decoded
		residual += lost * lost
		norm += decoded * decoded
	}
	for i := len(v); i < len(code); i++ {
		code[i] = 128
	}
	return meta{scale: float32(scale), residual: rootUp(residual), norm: rootUp(norm)}
}

func largest(v []float32) float32 {
	var top float32
	for _, x := range v { // plain comparisons: the built-in max also looks for NaN
		if x < 0 {
			x = -x
		}
		if x > top {
			top = x
		}
	}
	return top
}

// rootUp returns a float32 that is at least the root of a sum of squares, of
// which the sum of up to 2^16 terms in float64 may have lost some 2^-37.
func rootUp(sum float64) float32 {
	return float32(math.Sqrt(sum) * (1 + 4*roundoff))
}

// query is a query vector prepared for a scan; read-only, so workers share it.
type query struct {
	vector []float32
	code   []int8   // [stride]
	pairs  []uint64 // [stride/2], the code as query.dot reads it
	bias   int32    // 128 * the sum of code
	scale  float32
	// perResidual and perNorm weigh a vector's residual and norm in the bound.
	perResidual, perNorm float32
}

func newQuery(v []float32, stride int) *query {
	biased := make([]byte, stride)
	m := quantise(v, biased)
	q := &query{vector: v, code: make([]int8, stride), scale: m.scale}
	for i, b := range biased {
		q.code[i] = int8(int(b) - 128)
		q.bias += 128 * int32(q.code[i])
	}
	q.pairs = pairs(q.code)
	norm, residual := norm(v), float64(m.residual)
	slack := 2 * roundoff * float64(len(v)/8+24)
	q.perResidual = float32(norm * (1 + slack))
	q.perNorm = float32(residual + slack*(norm+residual))
	return q
}

// bounds returns an interval that is sure to hold Dot(query, vector), given
// the integer dot product of the codes.
//
// With ^ for what is decoded, r for residuals and |.| for norms, Cauchy-Schwarz
// says |q·v - ^q·^v| = |q·rv + rq·^v| <= |q| |rv| + |rq| |^v|. Roundoff comes
// on top. Dot is off by at most (dim/8 + 12) u |q| |v|, where u = 2^-24 and
// dim/8 + 12 is the longest chain of additions and a product; and the six
// float32 operations here, fused or not, by at most 6u of their terms, which
// are below (|q| + |rq|) |^v| and the bound itself. So each of the two weights
// is raised by 2 (dim/8 + 24) u of the norms, which is more than both.
func (q *query) bounds(dot int32, m meta) (lower, upper float32) {
	near := float32(dot) * (q.scale * m.scale)
	off := q.perResidual*m.residual + q.perNorm*m.norm
	return near - off, near + off
}

func (q *query) upper(dot int32, m meta) float32 {
	_, upper := q.bounds(dot, m)
	return upper
}
