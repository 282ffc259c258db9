package encoder_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"sightline/encoder"
)

// TestQuantize: every value comes back within half a step of its token.
func TestQuantize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := encoder.States{Tokens: rapid.IntRange(1, 9).Draw(t, "tokens"), Width: rapid.IntRange(1, 17).Draw(t, "width")}
		s.Float = rapid.SliceOfN(rapid.Float32Range(-50, 50), s.Tokens*s.Width, s.Tokens*s.Width).Draw(t, "values")
		q := s.Quantize()
		if err := q.Check(); err != nil || q.Float != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		back := q.Dequantize()
		for i, v := range s.Float {
			bound := float64(q.Scale[i/s.Width])/2 + 1e-5*(1+math.Abs(float64(v)))
			if d := math.Abs(float64(back.Float[i] - v)); d > bound {
				t.Fatalf("value %d: %g became %g, more than %g away", i, v, back.Float[i], bound)
			}
		}
	})
}

func TestQuantizeEqualTokens(t *testing.T) {
	s := encoder.States{Tokens: 3, Width: 2, Float: []float32{1, -2, 1, -2, 1, -2}}
	q := s.Quantize()
	if q.Scale[0] != 0 || q.Mean[0] != 1 || q.Mean[1] != -2 {
		t.Errorf("states that are all the mean: %+v", q)
	}
	if again := q.Quantize(); &again.Int8[0] != &q.Int8[0] {
		t.Error("int8 states were quantised again")
	}
	if same := s.Dequantize(); &same.Float[0] != &s.Float[0] {
		t.Error("fp32 states were copied")
	}
}

func TestCheckStates(t *testing.T) {
	for name, s := range map[string]encoder.States{
		"empty": {}, "negative": {Tokens: -1, Width: -1, Float: []float32{1}},
		"short float": {Tokens: 2, Width: 2, Float: make([]float32, 3)},
		"no mean":     {Tokens: 1, Width: 2, Int8: make([]int8, 2), Scale: make([]float32, 1)},
		"short scale": {Tokens: 2, Width: 1, Int8: make([]int8, 2), Scale: make([]float32, 1), Mean: make([]float32, 1)},
		"both":        {Tokens: 1, Width: 1, Int8: make([]int8, 1), Float: make([]float32, 1)},
	} {
		if s.Check() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func BenchmarkQuantize(b *testing.B) {
	s := encoder.States{Tokens: 577, Width: 768, Float: make([]float32, 577*768)}
	for i := range s.Float {
		s.Float[i] = float32(i%101) - 50
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Quantize()
	}
}
