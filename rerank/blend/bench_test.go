package blend_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"sightline/rerank/blend"
	"sightline/store"
)

const (
	width = 256 // of BLIP's embeddings
	page  = 20
)

// catalogue are n candidates, 100 of them read, in groups of three.
func catalogue(n int) []blend.Candidate {
	rng := rand.New(rand.NewPCG(1, 2))
	cands := make([]blend.Candidate, n)
	for i := range cands {
		v, length := make([]float32, width), 0.0
		for j := range v {
			v[j] = float32(rng.NormFloat64())
			length += float64(v[j]) * float64(v[j])
		}
		for j := range v {
			v[j] /= float32(math.Sqrt(length))
		}
		id := fmt.Sprintf("SKU-%05d", i)
		cands[i] = blend.Candidate{ID: id, ITC: rng.Float64(), Embedding: v, Item: &store.Item{
			ID: id, Brand: fmt.Sprint("brand", i%20), GroupID: fmt.Sprint("group", i/3), Price: new(float64(10 + i%90)),
		}}
		if i < 100 {
			cands[i].Logit = new(float32(rng.NormFloat64()))
		}
	}
	return cands
}

func BenchmarkOrder(b *testing.B) {
	brand := "brand3"
	rules := blend.Rules{
		Boosts: []blend.Boost{{Filter: mustFilter(b, `brand = "brand7" AND price < 50`), By: 0.5}},
		Buries: []blend.Bury{{Filter: mustFilter(b, `availability = "out of stock"`)}},
		Pins:   []blend.Pin{{ID: "SKU-00005", Place: 1}, {ID: "SKU-00050", Place: 3}},
	}
	weights := &blend.Weights{Logit: 1.5, Cosine: 2, Features: []blend.Feature{
		{Field: "price", Center: 50, Scale: 25, Weight: -0.1}, {Field: "brand", Equals: &brand, Weight: 0.2},
	}}
	mmr := &blend.Diversity{Lambda: 0.7, Places: page}
	for _, bench := range []struct {
		name string
		o    blend.Options
	}{
		{"plain", blend.Options{}},
		{"weights", blend.Options{Weights: weights}},
		{"rules", blend.Options{Rules: rules}},
		{"groups", blend.Options{GroupBy: "group_id"}},
		{"diversity", blend.Options{Diversity: mmr}},
		{"all", blend.Options{Weights: weights, Rules: rules, GroupBy: "group_id", Diversity: mmr}},
	} {
		for _, n := range []int{128, 1000} {
			b.Run(fmt.Sprintf("%s/%d", bench.name, n), func(b *testing.B) {
				cands := catalogue(n)
				if bench.name == "diversity" { // all of them in the pool
					for i := range cands {
						cands[i].Logit = new(float32(i%7) / 7)
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := blend.Order(cands, bench.o); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
