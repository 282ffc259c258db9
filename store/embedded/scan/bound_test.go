package scan

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// shapes draw vectors of different kinds, all with norms that check admits.
var shapes = map[string]func(r *rand.Rand, v []float32){
	"normal": func(r *rand.Rand, v []float32) {
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		unit(v)
	},
	"one large": func(r *rand.Rand, v []float32) {
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		v[r.IntN(len(v))] = 100
		unit(v)
	},
	"one axis": func(r *rand.Rand, v []float32) { v[r.IntN(len(v))] = float32(1 - 2*r.IntN(2)) },
	"zero":     func(*rand.Rand, []float32) {},
	"equal": func(r *rand.Rand, v []float32) {
		for i := range v {
			v[i] = float32(1 - 2*r.IntN(2))
		}
		unit(v)
	},
	// between has all components but one just below the middle of two codes,
	// where the most is lost, and all to the same side.
	"between": func(_ *rand.Rand, v []float32) {
		for i := range v {
			v[i] = 0.4999 / 127
		}
		v[0] = 1
	},
	"tiny":     func(r *rand.Rand, v []float32) { v[r.IntN(len(v))], v[0] = math.SmallestNonzeroFloat32, 1.0/(1<<39) },
	"huge":     func(r *rand.Rand, v []float32) { v[r.IntN(len(v))] = 1 << 40 },
	"unscaled": func(r *rand.Rand, v []float32) { v[r.IntN(len(v))] = float32(math.Exp(20 * r.NormFloat64() / 4)) },
}

func drawVector(t *rapid.T, dim int) []float32 {
	v := make([]float32, dim)
	shape := rapid.SampledFrom(names(shapes)).Draw(t, "shape")
	shapes[shape](rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)), v)
	return v
}

func TestQuantise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawVector(t, rapid.IntRange(1, 600).Draw(t, "dim"))
		code := make([]byte, (len(v)+63)/64*64)
		m := quantise(v, code)
		var residual, decoded []float32
		for i, b := range code {
			c := float32(int(b) - 128)
			if c < -127 || i >= len(v) && c != 0 {
				t.Fatalf("code %g of component %d of %d", c, i, len(v))
			}
			if i < len(v) {
				residual = append(residual, float32(float64(v[i])-float64(m.scale)*float64(c)))
				decoded = append(decoded, m.scale*c)
			}
		}
		for _, got := range [][2]float64{{float64(m.residual), norm(residual)}, {float64(m.norm), norm(decoded)}} {
			if got[0] < got[1]*(1-roundoff) || got[0] > got[1]*(1+16*roundoff) {
				t.Fatalf("%+v: %g for a norm of %g", m, got[0], got[1])
			}
		}
	})
}

// TestBounds also takes pairs of a vector and itself, whose residuals point
// the same way and come closest to the bound.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dim := rapid.IntRange(1, 600).Draw(t, "dim")
		a, b := drawVector(t, dim), drawVector(t, dim)
		if rapid.Bool().Draw(t, "same") {
			b = a
		}
		if err := errors.Join(check(a, dim), check(b, dim)); err != nil {
			t.Fatal(err)
		}
		stride := (dim + 63) / 64 * 64
		code := make([]byte, stride)
		m, q := quantise(b, code), newQuery(a, stride)
		lower, upper := q.bounds(q.dot(code), m)
		var exact float64
		for i := range a {
			exact += float64(a[i]) * float64(b[i])
		}
		if dot := Dot(a, b); dot < lower || dot > upper || exact < float64(lower) || exact > float64(upper) {
			t.Fatalf("%g (%g in float64) is outside of %g to %g", dot, exact, lower, upper)
		}
		if most := 0.2 * norm(a) * norm(b) * math.Sqrt(float64(dim)) / 10; float64(upper-lower) > most {
			t.Fatalf("%g to %g is %g wide, want at most %g", lower, upper, upper-lower, most)
		}
	})
}

func TestCheck(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	m, err := New(2)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range [][]float32{nil, {1}, {1, 0, 0}, {nan, 0}, {0, inf}, {1, -inf}, {1 << 41, 0}, {0, 1.0 / (1 << 41)}, {math.MaxFloat32, 1}} {
		if err := m.Set(0, v); !errors.Is(err, ErrVector) {
			t.Errorf("Set(%v): %v", v, err)
		}
		if _, err := m.Snapshot().Search(t.Context(), Request{Query: v, K: 1}); !errors.Is(err, ErrVector) {
			t.Errorf("Search(%v): %v", v, err)
		}
	}
	if m.Publish().Live() != 0 {
		t.Error("a refused vector is live")
	}
	for _, dim := range []int{-1, 0, MaxDim + 1} {
		if _, err := New(dim); !errors.Is(err, ErrVector) {
			t.Errorf("New(%d): %v", dim, err)
		}
	}
}

func TestDot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dim := rapid.IntRange(1, 300).Draw(t, "dim")
		a, b := drawVector(t, dim), drawVector(t, dim)
		var want float64
		for i := range a {
			want += float64(a[i]) * float64(b[i])
		}
		most := (float64(dim/8) + 12) * roundoff * norm(a) * norm(b)
		if got := Dot(a, b); math.Abs(float64(got)-want) > most {
			t.Fatalf("%g, want %g within %g", got, want, most)
		}
	})
}
