package milvus

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"sightline/store"
	"sightline/store/filter"
)

const (
	benchItems = 20_000
	benchDim   = 256
)

func length(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

func randomUnit(r *rand.Rand, dim int) []float32 {
	v := make([]float32, dim)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	n := length(v)
	for i := range v {
		v[i] = float32(float64(v[i]) / n)
	}
	return v
}

func benchBatch(r *rand.Rand, first, n int) []store.Entry {
	batch := make([]store.Entry, n)
	for i := range batch {
		price := float64(first + i)
		batch[i] = store.Entry{Embedding: randomUnit(r, benchDim), Item: store.Item{
			ID: fmt.Sprintf("sku-%06d", first+i), Title: "Striped cotton T-shirt with a round neck", Price: &price, Currency: "EUR",
			Category: fmt.Sprint("category ", i%10), Brand: fmt.Sprint("brand ", i%30), GroupID: fmt.Sprint((first + i) / 4),
			URL: "https://shop.example/p/1", Attributes: map[string]any{"pattern": fmt.Sprint("pattern ", i%10), "size": float64(i % 20)},
		}}
	}
	return batch
}

// BenchmarkMilvusLite prints the figures of docs/milvus.md: go test -run '^$'
// -bench . -benchtime 1x -v ./store/milvus/
func BenchmarkMilvusLite(b *testing.B) {
	x := newIndex(b, benchDim, nil)
	r := rand.New(rand.NewPCG(1, 2))
	began := time.Now()
	for first := 0; first < benchItems; first += 1000 {
		mustUpsert(b, x, benchBatch(r, first, 1000)...)
	}
	b.Logf("%.0f new rows a second", benchItems/time.Since(began).Seconds())
	began = time.Now()
	for first := 0; first < 5000; first += 1000 {
		mustUpsert(b, x, benchBatch(r, first, 1000)...)
	}
	b.Logf("%.0f replaced rows a second", 5000/time.Since(began).Seconds())
	if err := x.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		timeSearches(b, x, r)
		timeReads(b, x)
	}
}

// BenchmarkViews compares searches of 10,000 items that have one picture with
// those of items with three further ones, which are near the first.
func BenchmarkViews(b *testing.B) {
	for _, views := range []int{0, 3} {
		b.Run(fmt.Sprint(views), func(b *testing.B) {
			x := newIndex(b, benchDim, nil)
			r := rand.New(rand.NewPCG(1, 2))
			began := time.Now()
			for first := 0; first < benchItems/2; first += 1000 {
				mustUpsert(b, x, withViews(r, benchBatch(r, first, 1000), views)...)
			}
			b.Logf("%.0f new items a second", benchItems/2/time.Since(began).Seconds())
			if err := x.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				timeSearches(b, x, r)
				timeCall(b, "page of 100", 5, func() {
					if _, err := x.Scan(b.Context(), "sku-005000", 100, nil); err != nil {
						b.Fatal(err)
					}
				})
			}
		})
	}
}

// withViews gives entries views whose cosine with the first picture is about
// 0.7.
func withViews(r *rand.Rand, batch []store.Entry, views int) []store.Entry {
	for i := range batch {
		e := viewed(batch[i].Item.ID, 0, batch[i].Embedding, make([][]float32, views)...)
		for n := range e.Views {
			v := randomUnit(r, benchDim)
			for at := range v {
				v[at] += e.Embedding[at]
			}
			size := length(v)
			for at := range v {
				v[at] = float32(float64(v[at]) / size)
			}
			e.Views[n].Embedding = v
		}
		batch[i].Picture, batch[i].Views = e.Picture, e.Views
	}
	return batch
}

func timeSearches(b *testing.B, x *Index, r *rand.Rand) {
	for name, q := range map[string]store.Query{
		"k=10": {K: 10}, "k=200": {K: 200}, "groups k=10": {K: 10, GroupBy: "group_id"},
		"brand": {K: 10, Filter: parse(b, `brand = "brand 3"`)}, "attribute": {K: 10, Filter: parse(b, `pattern = "pattern 3"`)},
		"not attribute":      {K: 10, Filter: parse(b, `NOT pattern = "pattern 3"`)},
		"range of attribute": {K: 10, Filter: parse(b, `size > 10`)}, "rare range of attribute": {K: 10, Filter: parse(b, `size > 18.5 AND price < 1000`)},
		"deep page": {K: 10, Offset: 1000},
	} {
		timeCall(b, name, 15, func() {
			q.Embedding = randomUnit(r, benchDim)
			if hits, err := x.Search(b.Context(), q); err != nil || len(hits) != q.K {
				b.Fatal(len(hits), err)
			}
		})
	}
}

func timeReads(b *testing.B, x *Index) {
	e := parse(b, `pattern = "pattern 3"`)
	for name, call := range map[string]func() error{
		"count all":        func() error { _, err := x.Count(b.Context(), nil); return err },
		"count a 10th":     func() error { _, err := x.Count(b.Context(), e); return err },
		"facets of a 10th": func() error { _, err := x.Facets(b.Context(), e, []string{"brand"}, 10); return err },
		"page of 100":      func() error { _, err := x.Scan(b.Context(), "sku-010000", 100, nil); return err },
		"get 100": func() error {
			ids := make([]string, 100)
			for i := range ids {
				ids[i] = fmt.Sprintf("sku-%06d", i*100)
			}
			_, err := x.Get(b.Context(), ids)
			return err
		},
	} {
		timeCall(b, name, 5, func() {
			if err := call(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func timeCall(b *testing.B, name string, n int, do func()) {
	times := make([]float64, n)
	for i := range times {
		began := time.Now()
		do()
		times[i] = float64(time.Since(began).Microseconds()) / 1000
	}
	slices.Sort(times)
	b.Logf("%-24s p50 %7.1f ms, longest %7.1f", name, times[n/2], times[n-1])
}

func parse(t testing.TB, text string) filter.Expr {
	t.Helper()
	e, err := filter.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}
