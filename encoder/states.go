package encoder

import (
	"fmt"
	"math"
	"slices"
)

// States are the patch states of one picture: the last layer of the vision
// tower after its final norm, [Tokens, Width] row-major, token 0 the class
// token. They are what cross-attention reads, so a stored copy saves the
// vision tower at query time. Either Float holds them exactly, or Int8, Scale
// and Mean hold them around the picture's mean state, with one scale a token:
// value = Int8 * Scale[token] + Mean[column].
//
// Pooled states have fewer rows than the picture has tokens: Tokens counts the
// rows, and Of says for each token of the picture which row is its own. All
// passes of a Model take both.
type States struct {
	Tokens int
	Width  int
	Int8   []int8
	Scale  []float32 // [Tokens]
	Mean   []float32 // [Width]
	Float  []float32
	Of     []uint16 // [tokens of the picture]; nil: row i is token i's
}

// Quantize returns the int8 form of fp32 states: the mean state is taken off,
// then per token scale = max|x|/127 and round to nearest even. States that are
// int8 already are returned as they are.
//
// The mean costs 4·Width bytes a picture (0.7 % at 577 tokens) and takes the
// part that all patches share out of the rounding: see MatchInt8 in
// convert/graph for why that is exact, docs/benchmarks.md for what it gains.
func (s States) Quantize() States {
	if s.Float == nil {
		return s
	}
	q := States{Tokens: s.Tokens, Width: s.Width, Int8: make([]int8, len(s.Float)), Scale: make([]float32, s.Tokens), Mean: s.mean(), Of: s.Of}
	row := make([]float32, s.Width)
	for t := range s.Tokens {
		for i, v := range s.Float[t*s.Width : (t+1)*s.Width] {
			row[i] = v - q.Mean[i]
		}
		q.Scale[t] = quantizeRow(row, q.Int8[t*s.Width:(t+1)*s.Width])
	}
	return q
}

func (s States) mean() []float32 {
	sum := make([]float64, s.Width)
	for t := range s.Tokens {
		for i, v := range s.Float[t*s.Width : (t+1)*s.Width] {
			sum[i] += float64(v)
		}
	}
	mean := make([]float32, s.Width)
	for i, v := range sum {
		mean[i] = float32(v / float64(s.Tokens))
	}
	return mean
}

// minPeak is where peak/127 would leave the normal numbers: its rounding could
// then push a quotient past int8. A row below it is zero for every purpose.
const minPeak = 127 * 0x1p-126

func quantizeRow(row []float32, out []int8) float32 {
	var peak float32
	for _, v := range row {
		peak = max(peak, v, -v)
	}
	if peak < minPeak {
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
	if s.Tokens <= 0 || s.Width <= 0 {
		return fmt.Errorf("patch states: %d tokens of width %d", s.Tokens, s.Width)
	}
	// By division: a product of hostile numbers may overflow to the length.
	fits := func(n int) bool { return n%s.Width == 0 && n/s.Width == s.Tokens }
	switch {
	case s.Of != nil && (len(s.Of) < s.Tokens || int(slices.Max(s.Of)) >= s.Tokens):
		return fmt.Errorf("patch states: %d rows do not fit the %d tokens that they are pooled of", s.Tokens, len(s.Of))
	case s.Float != nil && fits(len(s.Float)) && s.Int8 == nil:
		return nil
	case s.Float == nil && fits(len(s.Int8)) && len(s.Scale) == s.Tokens && len(s.Mean) == s.Width:
		return nil
	}
	return fmt.Errorf("patch states: %d int8, %d scales, a mean of %d, %d float32 values do not fit [%d,%d]",
		len(s.Int8), len(s.Scale), len(s.Mean), len(s.Float), s.Tokens, s.Width)
}

// Dequantize returns fp32 states; fp32 states are returned as they are.
func (s States) Dequantize() States {
	if s.Float != nil {
		return s
	}
	f := States{Tokens: s.Tokens, Width: s.Width, Float: make([]float32, len(s.Int8)), Of: s.Of}
	for i, q := range s.Int8 {
		f.Float[i] = float32(q)*s.Scale[i/s.Width] + s.Mean[i%s.Width]
	}
	return f
}
