package embedded

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"sightline/store"
)

const (
	benchItems = 100_000
	benchDim   = 256
)

func randomUnit(r *rand.Rand) []float32 {
	v := make([]float32, benchDim)
	var sum float64
	for i := range v {
		v[i] = float32(r.NormFloat64())
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

func benchBatch(r *rand.Rand, first, n int) []store.Entry {
	batch := make([]store.Entry, n)
	for i := range batch {
		price := float64(i)
		batch[i] = store.Entry{Embedding: randomUnit(r), Item: store.Item{
			ID: fmt.Sprintf("sku-%06d", first+i), Title: "Striped cotton T-shirt with a round neck", Price: &price, Currency: "EUR",
			Category: "shirts", Brand: "Example", URL: "https://shop.example/p/1", Attributes: map[string]any{"pattern": "striped"},
		}}
	}
	return batch
}

func benchIndex(b *testing.B, dir string) *Index {
	b.Helper()
	x, err := Open(b.Context(), Options{Dir: dir, Dim: benchDim, Fingerprint: "m"})
	if err != nil {
		b.Fatal(err)
	}
	return x
}

func fill(b *testing.B, x *Index) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for first := 0; first < benchItems; first += 1000 {
		if err := x.Upsert(b.Context(), benchBatch(r, first, 1000)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSearch100k(b *testing.B) {
	x := benchIndex(b, b.TempDir())
	defer x.Close()
	fill(b, x)
	for _, k := range []int{10, 200} {
		b.Run(fmt.Sprint("k=", k), func(b *testing.B) {
			q := store.Query{Embedding: randomUnit(rand.New(rand.NewPCG(3, 4))), K: k}
			b.ReportAllocs()
			for b.Loop() {
				if hits, err := x.Search(b.Context(), q); err != nil || len(hits) != k {
					b.Fatal(len(hits), err)
				}
			}
		})
	}
}

func BenchmarkOpen100k(b *testing.B) {
	dir := b.TempDir()
	x := benchIndex(b, dir)
	fill(b, x)
	if err := x.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := benchIndex(b, dir).Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpsert(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint("batch=", n), func(b *testing.B) {
			x := benchIndex(b, b.TempDir())
			defer x.Close()
			batch := benchBatch(rand.New(rand.NewPCG(5, 6)), 0, n)
			for b.Loop() {
				if err := x.Upsert(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "items/s")
		})
	}
}
