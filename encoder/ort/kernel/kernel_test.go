//go:build cgo

package kernel_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"sightline/encoder/ort/kernel"
)

// shapes are those of models, and those that leave something over everywhere.
func shapes() [][4]int {
	return [][4]int{
		{12, 8, 577, 768},
		{3, 8, 577, 192},
		{2, 3, 37, 32},
		{1, 1, 1, 1},
		{1, 2, 3, 5},
		{3, 11, 64, 64},
		{1, 16, 65, 68},
		{2, 24, 128, 80},
		{5, 7, 129, 100},
		{4, 8, 48, 16},
		{1, 17, 63, 127},
		{1, 33, 100, 33},
	}
}

// each runs f for each implementation that this CPU has.
func each(t *testing.T, f func(t *testing.T, level int)) {
	for level, name := range kernel.Levels() {
		t.Run(name, func(t *testing.T) {
			if !run(attention(1, 1, 1, 1, 1), level) {
				t.Skipf("this CPU has no %s", name)
			}
			f(t, level)
		})
	}
}

// The tolerances are twice what rounding P to 8 bits leaves of random states,
// whose average is small; rounding the result adds 1/127/sqrt(12) of a peak.
func TestAgainstFloat64(t *testing.T) {
	for _, s := range shapes()[1:] {
		for _, spread := range []float64{0.1, 1, 30} {
			a := attention(s[0], s[1], s[2], s[3], spread)
			want := exact(a, true)
			b := eight(attention(s[0], s[1], s[2], s[3], spread))
			for level, name := range kernel.Levels() {
				if !run(a, level) || !run(b, level) {
					continue
				}
				if d := difference(values(a), want); d > 0.025 {
					t.Errorf("%s: %v, scores of %v: differs by %.2g", name, s, spread, d)
				}
				if d := difference(values(b), want); d > 0.03 {
					t.Errorf("%s: %v, scores of %v, in bytes: differs by %.2g", name, s, spread, d)
				}
			}
		}
	}
}

// One token is its own average: nothing is rounded but Q, which does not count.
func TestOneToken(t *testing.T) {
	each(t, func(t *testing.T, level int) {
		a := attention(2, 5, 1, 96, 3)
		run(a, level)
		if d := difference(values(a), exact(a, false)); d > 2e-6 {
			t.Errorf("differs by %.2g", d)
		}
	})
}

// Two tokens that score alike, whatever the scale of the first: what is not P
// has float32's precision.
func TestScalesOfTokens(t *testing.T) {
	each(t, func(t *testing.T, level int) {
		for _, scale := range []float32{1e-6, 0.004, 0.01, 0.013, 0.25, 3, 1e6} {
			a := attention(1, 1, 2, 64, 0)
			copy(a.States[64:], a.States[:64])
			a.Scale[0], a.Scale[1] = scale, scale
			run(a, level)
			if d := difference(values(a), exact(a, false)); d > 5e-6 {
				t.Errorf("scale %v: differs by %.2g", scale, d)
			}
		}
	})
}

func TestSameBitsEverywhere(t *testing.T) {
	each(t, func(t *testing.T, level int) {
		for _, s := range shapes()[1:] {
			for _, spread := range []float64{0, 1, 1e4} {
				a := attention(s[0], s[1], s[2], s[3], spread)
				a.Scale[s[2]/2] = 0
				a.QScale = make([]float32, rows(a))
				for i := range a.QScale {
					a.QScale[i] = 0.5 + float32(i%3)
				}
				sameBits(t, a, level)
			}
		}
	})
}

func sameBits(t *testing.T, a *kernel.Attention, level int) {
	run(a, 0)
	want, packed := slices.Clone(a.Out), slices.Clone(a.Packed)
	run(a, level)
	if !slices.Equal(a.Packed, packed) {
		t.Fatalf("%d tokens of %d: packed otherwise", a.Tokens, a.Width)
	}
	if !slices.Equal(a.Out, want) {
		t.Errorf("%d tokens of %d: differs by %.2g", a.Tokens, a.Width, difference(values(a), widened(want)))
	}
	run(eight(a), 0)
	bytes, scales := slices.Clone(a.Out8), slices.Clone(a.OutScale)
	run(a, level)
	if !slices.Equal(a.Out8, bytes) || !slices.Equal(a.OutScale, scales) {
		t.Errorf("%d tokens of %d: other bytes", a.Tokens, a.Width)
	}
}

func widened(v []float32) []float64 {
	w := make([]float64, len(v))
	for i := range v {
		w[i] = float64(v[i])
	}
	return w
}

// The least states are -128 although rounding gives -127: no product may
// saturate.
func TestLargestProducts(t *testing.T) {
	each(t, func(t *testing.T, level int) {
		for _, v := range []int8{-128, 127} {
			a := attention(1, 2, 600, 768, 0)
			for i := range a.States {
				a.States[i] = v
			}
			for i := range a.Q {
				a.Q[i] = 1e-5
			}
			for i := range a.Scale {
				a.Scale[i] = 0.02
			}
			run(a, level)
			for _, got := range a.Out {
				if math.Abs(float64(got)-0.02*float64(v)) > 1e-5 {
					t.Fatalf("average of %d·0.02: %v", v, got)
				}
			}
		}
	})
}

func TestNothing(t *testing.T) {
	each(t, func(t *testing.T, level int) {
		zeroQ := attention(2, 3, 40, 48, 1)
		clear(zeroQ.Q[48:96])
		zeroScales := attention(2, 3, 40, 48, 1)
		clear(zeroScales.Scale)
		some := attention(2, 3, 40, 48, 2)
		for i := 0; i < 40; i += 3 {
			some.Scale[i] = 0
			clear(some.States[i*48 : (i+1)*48])
		}
		for name, a := range map[string]*kernel.Attention{"query of zeros": zeroQ, "scales of 0": zeroScales, "some scales of 0": some} {
			want := exact(a, true)
			run(a, level)
			if d := difference(values(a), want); !(d < 0.02) {
				t.Errorf("%s: differs by %v", name, d)
			}
		}
	})
}

// Scores 1e4 apart: one token is all there is.
func TestExtremeScores(t *testing.T) {
	each(t, func(t *testing.T, level int) {
		for _, spread := range []float64{1e4, 1e7, 1e-12} {
			a := attention(2, 3, 100, 64, spread)
			want := exact(a, true)
			run(a, level)
			if d := difference(values(a), want); !(d < 0.02) {
				t.Errorf("scores of %v: differs by %v", spread, d)
			}
		}
	})
}

func TestNotANumber(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	each(t, func(t *testing.T, level int) {
		for _, v := range []float32{nan, inf, -inf} {
			a := attention(2, 3, 40, 48, 1)
			run(a, level)
			want := values(a)
			a.Q[2*48+7] = v
			run(a, level)
			for i, got := range values(a) {
				if bad := i/48 == 2; math.IsNaN(got) != bad || !bad && got != want[i] {
					t.Fatalf("%v in row 2: value %d of row %d is %v", v, i%48, i/48, got)
				}
			}
			run(eight(a), level)
			if !math.IsNaN(float64(a.OutScale[2])) || math.IsNaN(float64(a.OutScale[3])) {
				t.Errorf("%v in row 2: scales of bytes %v", v, a.OutScale)
			}
			b := attention(2, 3, 40, 48, 1)
			b.Scale[39] = v
			run(b, level)
			if !math.IsNaN(float64(b.Out[0])) {
				t.Errorf("a token's scale of %v gives %v", v, b.Out[0])
			}
		}
	})
}

func TestInstructions(t *testing.T) {
	if !slices.Contains([]string{"amx", "avx512vnni", "avx2", "portable"}, kernel.Instructions()) {
		t.Errorf("instructions %q", kernel.Instructions())
	}
	for value, sound := range map[string]bool{"": true, "amx": true, "avx512": true, "avx2": true, "portable": true, "sse": false, "AMX": false} {
		t.Setenv(kernel.Variable, value)
		if err := kernel.Limit(); (err == nil) != sound {
			t.Errorf("%s=%q: %v", kernel.Variable, value, err)
		}
	}
}

func BenchmarkAttend(b *testing.B) {
	for level, name := range kernel.Levels() {
		for _, length := range []int{8, 16} {
			b.Run(fmt.Sprintf("%s/rows=%d", name, 12*length), func(b *testing.B) {
				a := attention(12, length, 577, 768, 2)
				if !run(a, level) {
					b.Skip("not on this CPU")
				}
				for b.Loop() {
					a.Run(level)
				}
				macs := 2 * float64(rows(a)) * 577 * 768
				b.ReportMetric(macs*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
			})
		}
	}
}

func BenchmarkPack(b *testing.B) {
	for level, name := range kernel.Levels() {
		b.Run(name, func(b *testing.B) {
			a := attention(12, 1, 577, 768, 2)
			if !run(a, level) {
				b.Skip("not on this CPU")
			}
			for b.Loop() {
				kernel.PackInto(level, a.Packed, a.States, 577, 768)
			}
		})
	}
}
