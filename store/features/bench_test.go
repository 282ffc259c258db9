package features

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// shapes are patch states of ViT-B/16 at 384 px in int8 and of a small model
// in float32.
func shapes() map[string]Record {
	return map[string]Record{
		"int8 577x768": {Tokens: 577, Width: 768, Int8: make([]int8, 577*768), Scale: make([]float32, 577), Mean: make([]float32, 768)},
		"fp32 65x192":  {Tokens: 65, Width: 192, Float: make([]float32, 65*192)},
	}
}

// benchStore holds n records of one shape, in segments of 64 MB.
func benchStore(b *testing.B, r Record, n int) *Store {
	b.Helper()
	s, err := open(b.TempDir(), "model", Options{}, 64<<20)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	for i := range n {
		if err := s.Put(b.Context(), keyOf(i), r); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// BenchmarkGet reads records that the page cache holds: through the mapping of
// a sealed segment, and with ReadAt as those of the last segment are.
func BenchmarkGet(b *testing.B) {
	for name, r := range shapes() {
		n := int(200<<20) / (4*len(r.Float) + len(r.Int8) + 1)
		for _, way := range []string{"mapped", "ReadAt"} {
			b.Run(name+"/"+way, func(b *testing.B) {
				s := benchStore(b, r, n)
				if way == "ReadAt" {
					for _, g := range s.segments {
						g.mapped = nil // leaks the mapping, for the time of the benchmark
					}
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					i = (i + 7919) % n
					if _, ok, err := s.Get(b.Context(), keyOf(i)); !ok || err != nil {
						b.Fatal(ok, err)
					}
				}
			})
		}
	}
}

func BenchmarkPut(b *testing.B) {
	for name, r := range shapes() {
		b.Run(name, func(b *testing.B) {
			s := benchStore(b, r, 0)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := s.Put(b.Context(), keyOf(i), r); err != nil {
					b.Fatal(err)
				}
				i++
				if i%1000 == 0 { // not to fill the disk
					b.StopTimer()
					for j := i - 1000; j < i; j++ {
						if err := s.Delete(b.Context(), keyOf(j)); err != nil {
							b.Fatal(err)
						}
					}
					if err := s.Compact(b.Context()); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			}
		})
	}
}

// BenchmarkOpen opens 100,000 small records.
func BenchmarkOpen(b *testing.B) {
	const n = 100_000
	dir := b.TempDir()
	s, err := open(dir, "model", Options{}, segmentSize)
	if err != nil {
		b.Fatal(err)
	}
	r := Record{Tokens: 5, Width: 16, Float: make([]float32, 80)}
	for i := range n {
		if err := s.Put(b.Context(), keyOf(i), r); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for _, budget := range []int64{0, 1 << 40, 16 << 20} {
		b.Run(fmt.Sprintf("budget %d", budget), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				work := b.TempDir()
				if err := os.CopyFS(work, os.DirFS(dir)); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				s, err := open(work, "model", Options{Budget: budget}, segmentSize)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if budget != 16<<20 && s.Len() != n {
					b.Fatal(s.Len())
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkGetWhileEvicting reads recent pictures while another goroutine
// stores new ones over the budget, so that old ones are evicted and segments
// rewritten all the time, and reports how long the slowest reads took.
func BenchmarkGetWhileEvicting(b *testing.B) {
	r := shapes()["fp32 65x192"]
	s, err := open(b.TempDir(), "model", Options{Budget: 64 << 20}, segmentSize)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	ctx, stop := context.WithCancel(b.Context())
	done := make(chan struct{})
	var latest atomic.Int64
	go func() {
		defer close(done)
		for i := range 1 << 30 {
			if err := s.Put(b.Context(), keyOf(i), r); err != nil || ctx.Err() != nil {
				return
			}
			latest.Store(int64(i))
		}
	}()
	var took []time.Duration
	for b.Loop() {
		picture := max(0, int(latest.Load())-rand.IntN(1000))
		start := time.Now()
		if _, _, err := s.Get(b.Context(), keyOf(picture)); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	stop()
	<-done
	slices.Sort(took)
	st := s.Stats()
	for unit, value := range map[string]float64{
		"p99-µs": float64(took[len(took)*99/100].Microseconds()), "p99.99-µs": float64(took[len(took)*9999/10000].Microseconds()),
		"slowest-µs": float64(took[len(took)-1].Microseconds()),
		"hits/op":    float64(st.Hits) / float64(len(took)), "evictions": float64(st.Evictions), "reclaimed-MB": float64(st.Reclaimed >> 20),
	} {
		b.ReportMetric(value, unit)
	}
}
