package decode

import (
	"bufio"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// TestKeptLikeTransformers holds the tokens that sampling draws from, and their
// probabilities, to transformers' warpers.
func TestKeptLikeTransformers(t *testing.T) {
	f, err := os.Open("testdata/kept.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var c struct {
			Key, TopK     int
			Temperature   float64
			K             int     `json:"top_k"`
			P             float64 `json:"top_p"`
			IDs           []int64
			Probabilities []float64
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		o := Defaults()
		o.Sample, o.Temperature, o.TopK, o.TopP = true, c.Temperature, c.K, c.P
		some, mass := o.kept(hashed(uint64(c.Key)))
		slices.SortStableFunc(some, func(a, b weighted) int { return int(b.weight*1e9) - int(a.weight*1e9) })
		if len(some) != len(c.IDs) {
			t.Errorf("%+v: %d tokens are kept", c, len(some))
			continue
		}
		for i, w := range some {
			if w.id != c.IDs[i] || math.Abs(w.weight/mass-c.Probabilities[i]) > 1e-6 {
				t.Errorf("T %g, k %d, p %g: token %d is %d with %v, want %d with %v", c.Temperature, c.K, c.P, i, w.id, w.weight/mass, c.IDs[i], c.Probabilities[i])
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d cases", n)
	}
}

// hashed are the logits of testdata/generate.py for (key, 1, 2, 5).
func hashed(key uint64) []float32 {
	out := make([]float32, 48)
	for i := range out {
		z := (((key*64+1)*64+2)*64+5)*48 + uint64(i) + 0x9E3779B97F4A7C15
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		out[i] = float32((z^z>>31)>>44) * (8.0 / (1 << 20))
	}
	out[3] -= 0.25
	return out
}

// TestDrawFollowsTheDistribution draws often enough to tell a wrong weight.
func TestDrawFollowsTheDistribution(t *testing.T) {
	x := []float32{0, 1, 2, float32(math.Inf(-1)), 0.5}
	o := Defaults()
	o.Sample = true
	const draws = 20000
	random, counts := rand.NewPCG(7, 0), make([]float64, len(x))
	for range draws {
		counts[o.draw(slices.Clone(x), random)]++
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(float64(v))
	}
	for i, v := range x {
		p := math.Exp(float64(v)) / sum
		if d := math.Abs(counts[i]/draws - p); d > 5*math.Sqrt(p*(1-p)/draws) {
			t.Errorf("token %d was drawn %.4f of the time, want %.4f", i, counts[i]/draws, p)
		}
	}
}

func TestSumExp(t *testing.T) {
	for _, x := range [][]float32{{0}, {1, 2, 3}, {-1000, 5, float32(math.Inf(-1))}, logits30k()} {
		peak := slices.Max(x)
		want := 0.0
		for _, v := range x {
			want += math.Exp(float64(v - peak))
		}
		if got := sumExp(x, peak); math.Abs(got-want) > 1e-8*want {
			t.Errorf("%d values: %v, want %v", len(x), got, want)
		}
	}
}

// TestTopKeepsTheBest compares with sorting, ties included.
func TestTopKeepsTheBest(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, k := range []int{1, 6, 64, smallTop + 50} {
		x := make([]float32, 3000)
		for i := range x {
			x[i] = float32(random.IntN(900))
		}
		want := make([]int64, len(x))
		for i := range want {
			want[i] = int64(i)
		}
		slices.SortStableFunc(want, func(a, b int64) int { return int(x[b] - x[a]) })
		for i, c := range mostProbable(x, k) {
			if c.id != want[i] {
				t.Fatalf("k %d: place %d is token %d (%v), want %d (%v)", k, i, c.id, c.score, want[i], x[want[i]])
			}
		}
	}
}

// logits30k are like those of a caption model: a few tokens far above the others.
func logits30k() []float32 {
	random := rand.New(rand.NewPCG(3, 4))
	x := make([]float32, 30524)
	for i := range x {
		x[i] = float32(random.NormFloat64()*2 - 8)
		if i%1000 == 7 {
			x[i] += float32(random.Float64() * 14)
		}
	}
	return x
}

func BenchmarkBeamStep(b *testing.B) { // three beams of one picture
	x := logits30k()
	o := Defaults()
	o.Beams = 3
	rows := [][]float32{slices.Clone(x), slices.Clone(x), slices.Clone(x)}
	for b.Loop() {
		s := newBeams([]int64{30522}, o)
		s.running = []hypothesis{{score: -1}, {score: -1.5}, {score: -2}}
		for i := range rows {
			copy(rows[i], x)
		}
		if _, err := s.next(rows); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGreedyStep(b *testing.B) {
	x := logits30k()
	for b.Loop() {
		if _, err := newLines([]int64{30522}, Defaults()).next([][]float32{x}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNucleusStep(b *testing.B) {
	x := logits30k()
	o := Defaults()
	o.Sample, o.TopP = true, 0.9
	for b.Loop() {
		if _, err := newLines([]int64{30522}, o).next([][]float32{x}); err != nil {
			b.Fatal(err)
		}
	}
}
