package rerank_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sightline/rerank"
)

// simulation is an open loop: requests come by chance, however long the
// answers take, on a device of known pace, in virtual time.
type simulation struct {
	load  float64 // of the device's capacity, when every request is read whole
	depth int
	limit time.Duration // deadline of each request
	pair  time.Duration
}

// seen is what became of the requests.
type seen struct {
	mu                  sync.Mutex
	took                []time.Duration
	whole, partly, none int
	read                int
}

func (s *seen) note(took time.Duration, out rerank.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = append(s.took, took)
	s.read += out.Scored
	switch out.Scored {
	case out.Of:
		s.whole++
	case 0:
		s.none++
	default:
		s.partly++
	}
}

func (s *seen) quantile(p float64) time.Duration {
	slices.Sort(s.took)
	return s.took[int(p*float64(len(s.took)-1))]
}

func (s *seen) share(n int) float64 { return float64(n) / float64(len(s.took)) }

// run simulates for a while; all requests have different texts.
func (sim simulation) run(t *testing.T, d time.Duration) *seen {
	t.Helper()
	s := &seen{}
	synctest.Test(t, func(t *testing.T) {
		dev := &device{pair: sim.pair}
		r := rerank.New(dev, dev, rerank.Options{})
		r.Rerank(t.Context(), text(1), candidates(16)) // a first look at the pace
		rng := rand.New(rand.NewPCG(1, 2))
		mean := float64(sim.pair) * float64(sim.depth) / sim.load
		cands := candidates(sim.depth)
		var wg sync.WaitGroup
		for n, end := int64(2), time.Now().Add(d); time.Now().Before(end); n++ {
			time.Sleep(time.Duration(rng.ExpFloat64() * mean))
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), sim.limit)
				defer cancel()
				start := time.Now()
				out := r.Rerank(ctx, text(n), cands)
				s.note(time.Since(start), out)
			})
		}
		wg.Wait()
		closed(t, r)
	})
	t.Logf("load %.1f, depth %d × %v, deadline %v, %d requests: p50 %v, p95 %v, p99 %v; read whole %.1f %%, partly %.1f %%, not %.1f %%; mean depth %.1f",
		sim.load, sim.depth, sim.pair, sim.limit, len(s.took), s.quantile(0.5).Round(time.Millisecond), s.quantile(0.95).Round(time.Millisecond), s.quantile(0.99).Round(time.Millisecond),
		100*s.share(s.whole), 100*s.share(s.partly), 100*s.share(s.none), float64(s.read)/float64(len(s.took)))
	return s
}

// TestUnderLoad: below capacity nearly all is read; at twice of it answers are
// in time and depth gives way before requests go without.
func TestUnderLoad(t *testing.T) {
	const ms = time.Millisecond
	kinds, d := []simulation{{depth: 128, pair: ms, limit: time.Second}}, 40*time.Second
	if os.Getenv("SIGHTLINE_TEST_LONG") != "" {
		kinds, d = append(kinds, simulation{depth: 50, pair: 4 * ms, limit: time.Second}), 10*time.Minute
	}
	for _, kind := range kinds {
		quiet, full, twice := kind, kind, kind
		quiet.load, full.load, twice.load = 0.5, 1, 2
		if s := quiet.run(t, d); s.share(s.whole) < 0.97 || s.none > 0 {
			t.Errorf("at half the capacity %.1f %% are read whole, %d not at all", 100*s.share(s.whole), s.none)
		}
		if s := full.run(t, d); s.share(s.none) > 0.01 || s.quantile(0.99) > kind.limit {
			t.Errorf("at capacity %.1f %% are not read, p99 %v", 100*s.share(s.none), s.quantile(0.99))
		}
		s := twice.run(t, d)
		if p99 := s.quantile(0.99); p99 > kind.limit+50*ms {
			t.Errorf("at twice the capacity p99 is %v", p99)
		}
		if s.share(s.none) > 0.01 || s.share(s.partly) < 0.5 {
			t.Errorf("at twice the capacity %.1f %% are read in part and %.1f %% not at all", 100*s.share(s.partly), 100*s.share(s.none))
		}
		if used := float64(s.read) * float64(kind.pair) / float64(d); used < 0.95 {
			t.Errorf("at twice the capacity the device is used for %.0f %%", 100*used)
		}
	}
}

// TestTwoClients: one asks all the time with many requests at once, the other
// now and then; the other is read as deep as the first on average, at least.
func TestTwoClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := &device{pair: time.Millisecond}
		r := rerank.New(dev, dev, rerank.Options{})
		const depth, limit = 128, time.Second
		ask := func(s *seen, name int64) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			s.note(0, r.Rerank(ctx, text(name), candidates(depth)))
		}
		var greedy, modest seen
		end := time.Now().Add(20 * time.Second)
		var wg sync.WaitGroup
		for i := range int64(20) {
			wg.Go(func() {
				for time.Now().Before(end) {
					ask(&greedy, 100+i)
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
		wg.Go(func() {
			for time.Now().Before(end) {
				ask(&modest, 1)
				time.Sleep(700 * time.Millisecond)
			}
		})
		wg.Wait()
		g, m := float64(greedy.read)/float64(len(greedy.took)), float64(modest.read)/float64(len(modest.took))
		t.Logf("mean depth: %.1f for 20 at once, %.1f for the other; not read %.1f %% and %.1f %%", g, m, 100*greedy.share(greedy.none), 100*modest.share(modest.none))
		if m < 0.8*g {
			t.Errorf("the modest client is read to %.1f, the greedy one to %.1f", m, g)
		}
	})
}
