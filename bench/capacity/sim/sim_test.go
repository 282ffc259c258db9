package sim

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sightline/encoder"
	"sightline/rerank"
	"sightline/store/features"
)

const results = "../../load/results/2026-11-26T1921-intel-xeon-processor-2-cores.json"

func measured(t *testing.T) Measured {
	t.Helper()
	m, err := Read(filepath.FromSlash(results))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// off bounds the simulation's error: relative for times and depth, else a
// difference of shares.
type off struct{ p50, p95, p99, depth, shares float64 }

// TestAsMeasured holds the simulation to open loops of a real searchd, of which it
// knows nothing. The rows of 1 s were measured while the machine was slower than
// in the closed loops before: at load 0.5, where the deadline cannot matter, they
// took 1.4 to 1.6 times as long as those of 300 ms.
func TestAsMeasured(t *testing.T) {
	m := measured(t)
	c, err := m.Costs(0.15)
	if err != nil {
		t.Fatal(err)
	}
	bounds := map[float64]off{
		300:  {p50: 0.15, p95: 0.20, p99: 0.15, depth: 0.05, shares: 0.11},
		1000: {p50: 0.40, p95: 0.40, p99: 0.45, depth: 0.15, shares: 0.16},
	}
	if len(m.Open) != 8 {
		t.Fatalf("%d open loops, want 8", len(m.Open))
	}
	for _, o := range m.Open {
		got, most := m.Simulate(o, c, 1), bounds[o.Deadline]
		for _, v := range []struct {
			what            string
			got, want, most float64
		}{
			{"p50", got.P50 / o.P50, 1, most.p50},
			{"p95", got.P95 / o.P95, 1, most.p95},
			{"p99", got.P99 / o.P99, 1, most.p99},
			{"mean depth", got.MeanDepth / o.MeanDepth, 1, most.depth},
			{"read whole", got.Whole, o.Whole, most.shares},
			{"not read", got.None, o.None, most.shares},
			{"refused", got.Refused, o.Refused, most.shares},
		} {
			if math.Abs(v.got-v.want) > v.most {
				t.Errorf("load %g, deadline %g ms, %d slots: %s is off by %.3f", o.Load, o.Deadline, o.Slots, v.what, v.got-v.want)
			}
		}
		if n := len(arrivals(o.Rate, o.Seconds)); n < o.Requests || n > o.Requests+1 {
			t.Errorf("%d arrivals, %d were measured", n, o.Requests)
		}
	}
}

// device is a matcher of known pace, in virtual time.
type device struct{ pair time.Duration }

func (d device) Match(ctx context.Context, _ encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	select {
	case <-time.After(d.pair * time.Duration(len(states))):
		return make([]encoder.Logits, len(states)), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (device) Get(context.Context, string) (features.Record, bool, error) {
	return features.Record{Tokens: 1, Width: 1, Float: []float32{1}}, true, nil
}

// scheduler runs the scheduler of package rerank.
func scheduler(t *testing.T, c Config) Result {
	t.Helper()
	var mu sync.Mutex
	var all []answer
	synctest.Test(t, func(t *testing.T) {
		d := device{time.Duration(c.Pair * 1e9)}
		r := rerank.New(d, d, rerank.Options{Schedule: rerank.SchedulerOptions{Workers: c.Workers, Queue: 512}})
		cands := make([]rerank.Candidate, c.Depth)
		for i := range cands {
			cands[i] = rerank.Candidate{ID: string(rune('a' + i)), Picture: string(rune('a' + i)), ITC: -float64(i)}
		}
		r.Rerank(t.Context(), encoder.Query{IDs: []int64{0, 0}}, cands[:16]) // so that it knows the pace
		begin := time.Now()
		var wg sync.WaitGroup
		for n, at := range Poisson(c.Seed, c.Rate, c.Seconds) {
			time.Sleep(time.Until(begin.Add(time.Duration(at * 1e9))))
			wg.Go(func() {
				limit := c.Deadline - min(max(c.Deadline/20, 0.005), 0.05)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(limit*1e9))
				defer cancel()
				start := time.Now()
				out := r.Rerank(ctx, encoder.Query{IDs: []int64{int64(n), 1}}, cands)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, answer{scored: out.Scored, took: time.Since(start).Seconds()})
			})
		}
		wg.Wait()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return summarise(all, c.Depth)
}

// TestAsTheScheduler: with the same requests and device the rules here come to
// what package rerank does. It counts in nanoseconds, where a grant may round the
// other way; two workers that end at one moment race there.
func TestAsTheScheduler(t *testing.T) {
	for _, load := range []float64{0.5, 1, 3} {
		for workers, most := range map[int]float64{1: 0.02, 2: 0.15} {
			c := Config{
				Costs: Costs{Pair: 0.001, Workers: workers, Own: true}, Seed: 7, Depth: 50, Deadline: 0.5,
				Rate: load * 20 * float64(workers), Seconds: 15, Slots: math.MaxInt, Least: 2, Most: 2, Rules: Rules{Deaf: true},
			}
			got, want := Run(c), scheduler(t, c)
			far := func(a, b float64) bool { return math.Abs(a-b) > most*max(b, 1) }
			if got.Requests != want.Requests || far(got.P50, want.P50) || far(got.P95, want.P95) || far(got.MeanDepth, want.MeanDepth) ||
				far(got.Whole, want.Whole) || far(got.None, want.None) {
				t.Errorf("load %v, %d workers:\n%+v, want\n%+v", load, workers, got, want)
			}
		}
	}
}

// TestKnownQueue: without depth to give and without scatter a machine is the
// queue M/D/1, whose mean waiting time is load / (2 (1 - load)) services.
func TestKnownQueue(t *testing.T) {
	c := Config{Costs: Costs{Pair: 0.01, Own: true}, Seed: 3, Depth: 1, Deadline: 1000, Rate: 70, Seconds: 1500, Slots: math.MaxInt, Queue: math.MaxInt, Least: 1, Most: 1}
	m := newMachine(c.withDefaults(), rand.New(rand.NewPCG(1, 1)))
	m.arrivals = Poisson(c.Seed, c.Rate, c.Seconds)
	sum, all := 0.0, m.run()
	for _, a := range all {
		sum += a.took
	}
	const want = 0.01 * (1 + 0.7/(2*0.3))
	if mean := sum / float64(len(all)); math.Abs(mean/want-1) > 0.03 {
		t.Errorf("mean time %.2f ms, want %.2f", 1e3*mean, 1e3*want)
	}
}

// TestMachines: two machines in turn do with twice the rate what one does, or
// better, since what comes in turn comes more evenly.
func TestMachines(t *testing.T) {
	c := Config{Costs: Costs{Cores: 2, Front: 0.002, Pair: 0.0003}, Seed: 1, Depth: 50, Deadline: 0.5, Rate: 50, Seconds: 60}
	one := Run(c)
	c.Machines, c.Rate = 2, 100
	two := Run(c)
	if two.P95 > one.P95 || two.MeanDepth < one.MeanDepth || two.Requests < one.Requests {
		t.Errorf("two %+v, one %+v", two, one)
	}
	if again := Run(c); again != two {
		t.Errorf("one seed gives %+v and %+v", two, again)
	}
}

func TestCostsNeedBothLoops(t *testing.T) {
	m := measured(t)
	m.Closed = nil
	if _, err := m.Costs(0); err == nil {
		t.Error("no error without closed loops")
	}
	m = measured(t)
	m.Memory.Seconds *= 10
	if _, err := m.Costs(0); err == nil {
		t.Error("no error where they contradict each other")
	}
}
