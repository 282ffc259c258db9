package scan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

const (
	benchItems    = 100_000
	benchClusters = 1000
	benchDim      = 256
)

// near returns a unit vector in a random direction from centre: cosine
// 1/sqrt(1+spread^2) to it.
func near(r *rand.Rand, centre []float32, spread float64) []float32 {
	v := make([]float32, len(centre))
	for i := range v {
		v[i] = centre[i] + float32(r.NormFloat64()*spread/math.Sqrt(float64(len(v))))
	}
	return unit(v)
}

func unit(v []float32) []float32 {
	n := norm(v)
	for i := range v {
		v[i] = float32(float64(v[i]) / n)
	}
	return v
}

// clustered fills a matrix as a catalogue of near-duplicates would: 1000
// random directions with vectors at a cosine of 0.74 to each other, shuffled.
// It also returns the directions.
func clustered(tb testing.TB, r *rand.Rand, m *Matrix, items int) [][]float32 {
	tb.Helper()
	centres := make([][]float32, benchClusters)
	for i := range centres {
		centres[i] = near(r, make([]float32, m.dim), 1)
	}
	for slot := range items {
		if err := m.Set(uint32(slot), near(r, centres[r.IntN(len(centres))], 0.6)); err != nil {
			tb.Fatal(err)
		}
	}
	m.Publish()
	return centres
}

// benchFilters are shares of slots that a search may find.
func benchFilters(r *rand.Rand) map[string][]uint64 {
	filters := map[string][]uint64{"all": nil}
	for name, share := range map[string]float64{"10%": 0.1, "0.5%": 0.005} {
		filter := make(bitmap, (benchItems+63)/64)
		for slot := range benchItems {
			if r.Float64() < share {
				filter.set(slot)
			}
		}
		filters[name] = filter
	}
	return filters
}

// scanFloats is the plain way: Dot for each allowed slot, split by blocks.
func scanFloats(s *Snapshot, r Request) []Hit {
	var next atomic.Int64
	workers := make([]topK, min(runtime.GOMAXPROCS(0), len(s.parts)))
	var wg sync.WaitGroup
	for w := range workers {
		workers[w].limit = r.K
		wg.Go(func() {
			selected := make(bitmap, s.matrix.slots/64)
			for i := int(next.Add(1)) - 1; i < len(s.parts); i = int(next.Add(1)) - 1 {
				s.selected(i, r.Allowed, selected)
				for at := range s.matrix.slots {
					if slot := uint32(i*s.matrix.slots + at); selected.has(at) {
						workers[w].push(Hit{Slot: slot, Dot: Dot(r.Query, s.vector(slot))})
					}
				}
			}
		})
	}
	wg.Wait()
	for _, other := range workers[1:] {
		for _, h := range other.heap {
			workers[0].push(h)
		}
	}
	return workers[0].ranked()
}

// BenchmarkSearch compares all kernels with the plain float32 scan. Each round
// takes another query, near one of the clusters as a text's embedding would be
// (cosine 0.6 to its members at most).
func BenchmarkSearch(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	m := newMatrix(benchDim, BlockSlots, twin)
	centres := clustered(b, r, m, benchItems)
	queries := make([][]float32, 64)
	for i := range queries {
		queries[i] = near(r, centres[r.IntN(len(centres))], 1)
	}
	s := m.Snapshot()
	filters := benchFilters(r)
	for _, name := range names(filters) {
		for _, k := range []int{10, 200} {
			ask := func(i int) Request { return Request{Query: queries[i%len(queries)], K: k, Allowed: filters[name]} }
			b.Run(fmt.Sprintf("%s/k=%d/float32", name, k), func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					scanFloats(s, ask(i))
				}
			})
			for _, kernel := range kernels() {
				m.kernel = kernel
				b.Run(fmt.Sprintf("%s/k=%d/%s", name, k, kernel), func(b *testing.B) {
					b.ReportAllocs()
					for i := 0; b.Loop(); i++ {
						if _, err := s.Search(b.Context(), ask(i)); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
