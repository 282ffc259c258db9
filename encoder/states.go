package encoder

import (
	"fmt"
	"math"
)

// States are the patch states of one picture: the last layer of the vision
// tower after its final norm, [Tokens, Width] row-major, token 0 the class
// token. They are what cross-attention reads, so a stored copy saves the
// vision tower at query time. Either Float holds them exactly, or Int8 and
// Scale hold them with one scale a token: value = Int8 * Scale[token].
type States struct {
	Tokens int
	Width  int
	Int8   []int8
	Scale  []float32
	Float  []float32
}

// Quantize returns the int8 form of fp32 states: per token, scale = max|x|/127
// and round to nearest even. Relative error of match logits on a trained model
// is about 5e-4 (docs/benchmarks.md). States that are int8 already are
// returned as they are.
func (s States) Quantize() States {
	if s.Float == nil {
		return s
	}
	q := States{Tokens: s.Tokens, Width: s.Width, Int8: make([]int8, len(s.Float)), Scale: make([]float32, s.Tokens)}
	for t := range s.Tokens {
		row := s.Float[t*s.Width : (t+1)*s.Width]
		q.Scale[t] = quantizeRow(row, q.Int8[t*s.Width:(t+1)*s.Width])
	}
	return q
}

func quantizeRow(row []float32, out []int8) float32 {
	var peak float32
	for _, v := range row {
		peak = max(peak, v, -v)
	}
	if peak == 0 {
		return 0
	}
	scale := peak / 127
	for i, v := range row {
		out[i] = int8(math.RoundToEven(float64(v / scale)))
	}
	return scale
}

// Check reports whether the slices fit Tokens and Width.
func (s States) Check() error {
	n := s.Tokens * s.Width
	switch {
	case s.Tokens <= 0 || s.Width <= 0:
		return fmt.Errorf("patch states: %d tokens of width %d", s.Tokens, s.Width)
	case s.Float != nil && len(s.Float) == n && s.Int8 == nil:
		return nil
	case len(s.Int8) == n && len(s.Scale) == s.Tokens:
		return nil
	}
	return fmt.Errorf("patch states: %d int8, %d scales, %d float32 values do not fit [%d,%d]",
		len(s.Int8), len(s.Scale), len(s.Float), s.Tokens, s.Width)
}

// Dequantize returns fp32 states; fp32 states are returned as they are.
func (s States) Dequantize() States {
	if s.Float != nil {
		return s
	}
	f := States{Tokens: s.Tokens, Width: s.Width, Float: make([]float32, len(s.Int8))}
	for i, q := range s.Int8 {
		f.Float[i] = float32(q) * s.Scale[i/s.Width]
	}
	return f
}
