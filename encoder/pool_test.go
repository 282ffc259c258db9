package encoder_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

// gridOf makes fp32 states of width 1: the class token's and those of the patches.
func gridOf(class float32, patches ...float32) encoder.States {
	return encoder.States{Tokens: 1 + len(patches), Width: 1, Float: append([]float32{class}, patches...)}
}

// TestPoolByHand: regions of like patches become one state, wherever their
// edges lie, and like patches that do not touch stay apart.
func TestPoolByHand(t *testing.T) {
	s := gridOf(
		9,
		1, 1, 5, 1,
		1, 1, 5, 1,
		1, 5, 5, 1,
		7, 5, 5, 1,
	)
	p, err := s.Pool()
	if err != nil {
		t.Fatal(err)
	}
	want := []uint16{
		0,
		1, 1, 2, 3,
		1, 1, 2, 3,
		1, 2, 2, 3,
		4, 2, 2, 3,
	}
	if !slices.Equal(p.Of, want) || !slices.Equal(p.Float, []float32{9, 1, 5, 1, 7}) || p.Tokens != encoder.PooledRows(17) {
		t.Errorf("rows %v of %v, %d tokens", p.Float, p.Of, p.Tokens)
	}
	if back := p.Expand(); !slices.Equal(back.Float, s.Float) || back.Tokens != s.Tokens || back.Of != nil {
		t.Errorf("expanded to %+v", back)
	}
}

// TestPoolMeans: of what cannot stay, the two that differ least are averaged, by
// their sizes.
func TestPoolMeans(t *testing.T) {
	p, err := gridOf(0, 10, 14, 0, 100).Pool() // one row of four patches' worth is left
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Float, []float32{0, 31}) || !slices.Equal(p.Of, []uint16{0, 1, 1, 1, 1}) {
		t.Errorf("rows %v of %v, want the mean of all four", p.Float, p.Of)
	}
}

// TestPool holds for any states: so many rows, the class token as it was,
// regions in one piece, and every row the mean of its patches, so that the sum
// of all stays.
func TestPool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side, width := rapid.IntRange(1, 7).Draw(t, "side"), rapid.IntRange(1, 5).Draw(t, "width")
		s := encoder.States{Tokens: side*side + 1, Width: width}
		for range s.Tokens * width {
			s.Float = append(s.Float, float32(rapid.IntRange(-3, 3).Draw(t, "value")))
		}
		before := slices.Clone(s.Float)
		p, err := s.Pool()
		if err != nil || p.Check() != nil || p.Tokens != encoder.PooledRows(s.Tokens) || len(p.Of) != s.Tokens {
			t.Fatalf("%d rows of %d, %v, %v", p.Tokens, len(p.Of), err, p.Check())
		}
		if !slices.Equal(before, s.Float) || !slices.Equal(p.Float[:width], s.Float[:width]) {
			t.Fatal("the picture's own states or the class token changed")
		}
		sums, counts := make([]float64, len(p.Float)), make([]int, p.Tokens)
		for i, row := range p.Of {
			counts[row]++
			for j := range width {
				sums[int(row)*width+j] += float64(s.Float[i*width+j])
			}
		}
		for i, sum := range sums {
			if d := math.Abs(sum/float64(counts[i/width]) - float64(p.Float[i])); !(d < 1e-4) {
				t.Fatalf("row %d is %g, its patches' mean %g", i/width, p.Float[i], sum/float64(counts[i/width]))
			}
		}
		if pieces := connected(p.Of[1:], side); pieces != p.Tokens-1 {
			t.Fatalf("%d regions in %d pieces", p.Tokens-1, pieces)
		}
		if again, err := p.Pool(); err != nil || &again.Float[0] != &p.Float[0] {
			t.Fatalf("pooled twice: %v", err)
		}
	})
}

// connected counts the pieces of a grid whose neighbours have the same number.
func connected(of []uint16, side int) int {
	seen := make([]bool, len(of))
	var visit func(i int)
	visit = func(i int) {
		seen[i] = true
		for _, n := range []int{i - side, i + side, i - 1, i + 1} {
			beside := n >= 0 && n < len(of) && (n/side == i/side || n%side == i%side)
			if beside && !seen[n] && of[n] == of[i] {
				visit(n)
			}
		}
	}
	pieces := 0
	for i := range of {
		if !seen[i] {
			pieces++
			visit(i)
		}
	}
	return pieces
}

// TestPoolForms: rounding and pooling go together in either order of asking,
// and expanding rounded states rounds no second time.
func TestPoolForms(t *testing.T) {
	s := gridOf(9, 1, 1, 5, 1, 1, 1, 5, 1, 1, 5, 5, 1, 7, 5, 5, 1)
	pooled, err := s.Pool()
	if err != nil {
		t.Fatal(err)
	}
	q := pooled.Quantize()
	if err := q.Check(); err != nil || q.Float != nil || !slices.Equal(q.Of, pooled.Of) {
		t.Fatalf("%+v, %v", q, err)
	}
	full := q.Expand()
	if err := full.Check(); err != nil || full.Tokens != 17 || len(full.Scale) != 17 {
		t.Fatalf("%+v, %v", full, err)
	}
	if a, b := full.Dequantize().Float, q.Dequantize().Expand().Float; !slices.Equal(a, b) {
		t.Errorf("expanded %v, want %v", a, b)
	}
	if int8s, err := s.Quantize().Pool(); err != nil || int8s.Float == nil || int8s.Tokens != pooled.Tokens {
		t.Errorf("pooled int8 states: %+v, %v", int8s, err)
	}
	if same := s.Expand(); &same.Float[0] != &s.Float[0] {
		t.Error("whole states were copied")
	}
}

func TestPoolRefuses(t *testing.T) {
	broken := gridOf(1, 2, 3)
	broken.Float = broken.Float[:2]
	for name, test := range map[string]struct {
		s    encoder.States
		want string
	}{
		"no square": {gridOf(1, 2, 3), "2 patches are no square"},
		"broken":    {broken, "do not fit"},
		"no row":    {encoder.States{Tokens: 1, Width: 1, Float: []float32{1}, Of: []uint16{0, 1}}, "pooled of"},
		"too few":   {encoder.States{Tokens: 2, Width: 1, Float: []float32{1, 2}, Of: []uint16{0}}, "pooled of"},
		"no tokens": {encoder.States{Tokens: 2, Width: 1, Float: []float32{1, 2}, Of: []uint16{}}, "pooled of"},
	} {
		if _, err := test.s.Pool(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", name, err, test.want)
		}
	}
}

func BenchmarkPool(b *testing.B) {
	s := encoder.States{Tokens: 577, Width: 768, Float: make([]float32, 577*768)}
	for i := range s.Float {
		s.Float[i] = float32(i*7919%1009) / 100
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Pool(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExpand(b *testing.B) {
	s := encoder.States{Tokens: 577, Width: 768, Float: make([]float32, 577*768)}
	p, err := s.Pool()
	if err != nil {
		b.Fatal(err)
	}
	p = p.Quantize()
	b.ReportAllocs()
	for b.Loop() {
		p.Expand()
	}
}

// TestPooledPasses: each pass of a model gives pooled states to its graph with a
// row for every token, also beside whole ones and rounded ones.
func TestPooledPasses(t *testing.T) {
	var seen []encoder.Tensor
	m, _ := tinyModel(t, func(g bundle.Graph, in map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		seen = append(seen, in["states"])
		if g == bundle.GraphImageKV {
			return []encoder.Tensor{zeros("keys", 1), zeros("values", 1)}, nil
		}
		return []encoder.Tensor{zeros("logits", in["states"].Shape[0], 2)}, nil
	})
	whole := tinyStates(1)
	pooled, err := whole.Pool()
	if err != nil {
		t.Fatal(err)
	}
	if pooled.Tokens != 2 {
		t.Fatalf("%d rows of five tokens", pooled.Tokens)
	}
	q, expanded := m.Tokenize("red"), pooled.Expand().Float
	for _, batch := range [][]encoder.States{{pooled}, {whole, pooled}, {pooled.Quantize()}, {pooled.Quantize(), whole.Quantize()}} {
		if _, err := m.Match(t.Context(), q, batch); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Project(t.Context(), pooled); err != nil {
		t.Fatal(err)
	}
	wantTensor(t, seen[0], encoder.Tensor{Name: "states", Shape: []int64{1, 5, 64}, Data: expanded})
	wantTensor(t, seen[1], encoder.Tensor{Name: "states", Shape: []int64{2, 5, 64}, Data: slices.Concat(whole.Float, expanded)})
	wantTensor(t, seen[2], encoder.Tensor{Name: "states", Shape: []int64{1, 5, 64}, Data: pooled.Quantize().Expand().Int8})
	wantTensor(t, seen[3], encoder.Tensor{Name: "states", Shape: []int64{2, 5, 64}, Data: slices.Concat(pooled.Quantize().Expand().Int8, whole.Quantize().Int8)})
	wantTensor(t, seen[4], encoder.Tensor{Name: "states", Shape: []int64{1, 5, 64}, Data: expanded})
}
