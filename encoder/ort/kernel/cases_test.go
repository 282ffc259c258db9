//go:build cgo

package kernel_test

import (
	"math"
	"math/rand/v2"

	"sightline/encoder/ort/kernel"
)

// guard surrounds what a call may write. It is no multiple of a cache line: a
// caller's memory need not start at one.
const guard = 196

func guarded[T any](n int, mark T) (whole, inner []T) {
	whole = make([]T, n+2*guard)
	for i := range whole {
		whole[i] = mark
	}
	return whole, whole[guard : guard+n : guard+n]
}

// spread has scores of about the given standard deviation.
func attention(heads, length, tokens, width int, spread float64) *kernel.Attention {
	r := rand.New(rand.NewPCG(uint64(heads*length), uint64(tokens*width)))
	a := &kernel.Attention{Heads: heads, Length: length, Rows: length, Tokens: tokens, Width: width}
	a.Q = make([]float32, heads*length*width)
	a.States, a.Scale = make([]int8, tokens*width), make([]float32, tokens)
	for i := range a.Scale {
		a.Scale[i] = float32(0.01 + 0.03*r.Float64())
	}
	for i := range a.States {
		a.States[i] = int8(max(-128, min(127, math.Round(r.NormFloat64()*36))))
	}
	for i := range a.Q {
		a.Q[i] = float32(r.NormFloat64() * spread / (36 * 0.026 * math.Sqrt(float64(width))))
	}
	a.Scratch = kernel.Scratch(heads*length, tokens, width)
	a.Out = make([]float32, len(a.Q))
	return a
}

func rows(a *kernel.Attention) int { return a.Heads * a.Length }

// eight makes a give bytes.
func eight(a *kernel.Attention) *kernel.Attention {
	a.Out, a.Out8, a.OutScale = nil, make([]byte, len(a.Q)), make([]float32, rows(a))
	return a
}

// values are what a gave, in float64.
func values(a *kernel.Attention) []float64 {
	v := make([]float64, len(a.Q))
	for i := range v {
		if a.Out != nil {
			v[i] = float64(a.Out[i])
			continue
		}
		v[i] = (float64(a.Out8[i]) - 128) * float64(a.OutScale[i/a.Width])
	}
	return v
}

// exact is softmax(q Eᵀ) E in float64, from Q as it is given or rounded to
// int8 as the kernels do.
func exact(a *kernel.Attention, rounded bool) []float64 {
	out := make([]float64, len(a.Q))
	for r := range rows(a) {
		q := make([]float64, a.Width)
		for i, v := range a.Q[r*a.Width : (r+1)*a.Width] {
			q[i] = float64(v)
		}
		if rounded {
			roundRow(q)
		}
		attendExactly(a, q, r, out[r*a.Width:(r+1)*a.Width])
	}
	return out
}

func roundRow(q []float64) {
	peak := 1e-30
	for _, v := range q {
		peak = max(peak, math.Abs(v))
	}
	for i, v := range q {
		q[i] = math.RoundToEven(v*127/peak) * peak / 127
	}
}

func attendExactly(a *kernel.Attention, q []float64, r int, out []float64) {
	scores, high, sum := make([]float64, a.Tokens), math.Inf(-1), 0.0
	for t := range scores {
		for i, v := range q {
			scores[t] += v * float64(a.States[t*a.Width+i])
		}
		scores[t] *= float64(a.Scale[t])
		if a.QScale != nil {
			scores[t] *= float64(a.QScale[r])
		}
		high = max(high, scores[t])
	}
	for t, s := range scores {
		p := math.Exp(s - high)
		sum += p
		for i := range out {
			out[i] += p * float64(a.Scale[t]) * float64(a.States[t*a.Width+i])
		}
	}
	for i := range out {
		out[i] /= sum
	}
}

// difference is the root mean square of x-y over that of y.
func difference(x, y []float64) float64 {
	var d, n float64
	for i := range x {
		d += (x[i] - y[i]) * (x[i] - y[i])
		n += y[i] * y[i]
	}
	if n == 0 {
		return math.Sqrt(d)
	}
	return math.Sqrt(d / n)
}

// run is false where this CPU cannot.
func run(a *kernel.Attention, level int) bool {
	var ok bool
	a.Packed, ok = kernel.Pack(level, a.States, a.Tokens, a.Width)
	return ok && a.Run(level)
}
