package encoder_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sightline/encoder"
)

// TestQuantizeMagnitudes holds the error of each value to half a step of its
// token plus float32 rounding, for rows from denormal numbers to 1e30.
func TestQuantizeMagnitudes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := encoder.States{Tokens: rapid.IntRange(1, 6).Draw(t, "tokens"), Width: rapid.IntRange(1, 9).Draw(t, "width")}
		size := float32(math.Ldexp(1, rapid.IntRange(-149, 100).Draw(t, "exponent")))
		for range s.Tokens * s.Width {
			s.Float = append(s.Float, size*rapid.Float32Range(-200, 200).Draw(t, "value"))
		}
		q := s.Quantize()
		back := q.Dequantize()
		for i, v := range s.Float {
			row := i / s.Width
			peak := slices.Max(q.Int8[row*s.Width:][:s.Width])
			if low := slices.Min(q.Int8[row*s.Width:][:s.Width]); low == -128 || q.Scale[row] != 0 && max(peak, -low) != 127 {
				t.Fatalf("token %d: int8 from %d to %d, want -127 or 127 reached and -128 never", row, low, peak)
			}
			rounding := (math.Abs(float64(v)) + math.Abs(float64(q.Mean[i%s.Width]))) * 0x1p-22
			bound := float64(q.Scale[row])*0.5001 + rounding + 127*0x1p-126 // rows below the last are zeroed
			if d := math.Abs(float64(back.Float[i]) - float64(v)); !(d <= bound) {
				t.Fatalf("value %d: %g became %g: %g away, bound %g", i, v, back.Float[i], d, bound)
			}
		}
	})
}

// TestQuantizeByHand: mean off, scale max/127, round half to even.
func TestQuantizeByHand(t *testing.T) {
	q := encoder.States{Tokens: 2, Width: 3, Float: []float32{127 + 1, 2.5 + 2, -3.5 + 3, -127 + 1, -2.5 + 2, 3.5 + 3}}.Quantize()
	if !slices.Equal(q.Mean, []float32{1, 2, 3}) || !slices.Equal(q.Scale, []float32{1, 1}) {
		t.Errorf("mean %v, scale %v", q.Mean, q.Scale)
	}
	if !slices.Equal(q.Int8, []int8{127, 2, -4, -127, -2, 4}) {
		t.Errorf("int8 %v", q.Int8)
	}
	zero := encoder.States{Tokens: 2, Width: 2, Float: make([]float32, 4)}.Quantize()
	if !slices.Equal(zero.Scale, []float32{0, 0}) || !slices.Equal(zero.Dequantize().Float, make([]float32, 4)) {
		t.Errorf("zeros became %+v", zero)
	}
}

// TestCheckHostile: numbers whose product overflows to the length of an empty
// slice, and both kinds at once, are refused.
func TestCheckHostile(t *testing.T) {
	good := encoder.States{Tokens: 1, Width: 2, Int8: make([]int8, 2), Scale: make([]float32, 1), Mean: make([]float32, 2)}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	both := good
	both.Float = make([]float32, 1)
	for name, s := range map[string]encoder.States{
		"overflow":         {Tokens: 1 << 32, Width: 1 << 32, Float: []float32{}},
		"int8 and a float": both,
		"transposed":       {Tokens: 3, Width: 2, Float: make([]float32, 4)},
		"zero width":       {Tokens: 4, Float: []float32{}},
	} {
		if s.Check() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
