package rerank_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/encoder"
	"sightline/rerank"
	"sightline/store/features"
)

// device is a Matcher of known pace. The logit of a pair depends on the text
// and on the state, so a mix-up shows.
type device struct {
	pair time.Duration
	most int64                                            // runs that may go on at once; 0 means 1
	hook func(ctx context.Context, q encoder.Query) error // before each run; nil for none

	running atomic.Int64
	mu      sync.Mutex
	order   []int64 // first token of each run's text
	pairs   []int   // of each run
}

func pairLogit(q encoder.Query, picture float32) float32 {
	return float32(q.IDs[0]*31+int64(picture)*17)/100 - 20
}

func (d *device) Match(ctx context.Context, q encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	defer d.running.Add(-1)
	if d.running.Add(1) > max(d.most, 1) {
		return nil, errors.New("too many runs at once")
	}
	d.mu.Lock()
	d.order, d.pairs = append(d.order, q.IDs[0]), append(d.pairs, len(states))
	d.mu.Unlock()
	if d.hook != nil {
		if err := d.hook(ctx, q); err != nil {
			return nil, err
		}
	}
	if err := sleep(ctx, d.pair*time.Duration(len(states))); err != nil {
		return nil, err
	}
	out := make([]encoder.Logits, len(states))
	for i, s := range states {
		out[i] = encoder.Logits{0, pairLogit(q, s.Float[0])}
	}
	return out, nil
}

func (*device) Get(_ context.Context, key string) (features.Record, bool, error) {
	var at int
	_, err := fmt.Sscanf(key, "p%d", &at)
	return features.Record{Tokens: 1, Width: 1, Float: []float32{float32(at)}}, err == nil, err
}

func text(n int64) encoder.Query { return encoder.Query{IDs: []int64{n, 5, 6, 7}} }

// TestExactWhateverTheMix: every hit has the score of its pair alone.
func TestExactWhateverTheMix(t *testing.T) {
	for _, workers := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) { exactWith(t, workers) })
	}
}

func exactWith(t *testing.T, workers int) {
	t.Helper()
	d := &device{most: int64(workers)}
	r := rerank.New(d, d, rerank.Options{Batch: 5, Schedule: rerank.SchedulerOptions{Workers: workers, Join: 13}})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			q := text(int64(i % 6)) // several requests share a text
			cands := candidates(3 + i)
			cands = cands[i%3:]
			out := r.Rerank(t.Context(), q, cands)
			if out.Scored != len(cands) || out.Stopped != "" {
				t.Errorf("request %d: %d of %d, %q, %v", i, out.Scored, out.Of, out.Stopped, out.Err)
			}
			for _, h := range out.Hits {
				var at float32
				if _, err := fmt.Sscanf(h.Picture, "p%g", &at); err != nil || h.Logit == nil || *h.Logit != pairLogit(q, at) {
					t.Errorf("request %d: hit %+v, want logit %v", i, h, pairLogit(q, at))
				}
			}
		})
	}
	wg.Wait()
	closed(t, r)
	if s := r.Stats(); s.Inside != 0 || s.Waiting != 0 || s.Running != 0 || s.Stopped[""] != 40 {
		t.Errorf("stats %+v", s)
	}
}

// hold lets the first run wait until all others stand in the queue.
func hold(d *device) (release func()) {
	gate := make(chan struct{})
	d.hook = func(context.Context, encoder.Query) error { <-gate; return nil }
	return sync.OnceFunc(func() { close(gate) })
}

// TestOneTextSharesARun: requests of one text are read in one run up to the
// bound, and a picture that several want is read once.
func TestOneTextSharesARun(t *testing.T) {
	for _, tt := range []struct {
		name     string
		distinct bool
		pairs    []int
	}{
		{"own pictures", true, []int{4, 8, 4, 4}},
		{"same pictures", false, []int{4, 4, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &device{}
				release := hold(d)
				r := rerank.New(d, d, rerank.Options{Schedule: rerank.SchedulerOptions{Join: 10}})
				var wg sync.WaitGroup
				for i, q := range []int64{1, 2, 2, 3, 2} {
					cands := candidates(20)[:4]
					if tt.distinct {
						cands = candidates(20)[4*i:][:4]
					}
					wg.Go(func() {
						if out := r.Rerank(t.Context(), text(q), cands); out.Scored != 4 {
							t.Errorf("outcome %+v", out)
						}
					})
					synctest.Wait()
				}
				release()
				wg.Wait()
				if !slices.Equal(d.pairs, tt.pairs) || r.Stats().Joined != 1 {
					t.Errorf("pairs of the runs %v, want %v; %d joined", d.pairs, tt.pairs, r.Stats().Joined)
				}
			})
		})
	}
}

func TestEarliestDeadlineFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{}
		release := hold(d)
		r := rerank.New(d, d, rerank.Options{})
		var wg sync.WaitGroup
		ask := func(name int64, limit time.Duration) {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				r.Rerank(ctx, text(name), candidates(2))
			})
			synctest.Wait()
		}
		ask(1, time.Second) // on the device
		ask(2, time.Second)
		ask(3, 900*time.Millisecond) // both beyond the patience: as they came
		ask(4, 200*time.Millisecond)
		ask(5, 100*time.Millisecond)
		release()
		wg.Wait()
		if want := []int64{1, 5, 4, 2, 3}; !slices.Equal(d.order, want) {
			t.Errorf("read in the order %v, want %v", d.order, want)
		}
	})
}

// TestNobodyStarves: urgent requests come without pause, one patient request
// among them. It is passed by those of the next 250 ms only.
func TestNobodyStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{pair: time.Millisecond}
		r := rerank.New(d, d, rerank.Options{})
		flood, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for flood.Err() == nil {
					ctx, cancel := context.WithTimeout(flood, 100*time.Millisecond)
					r.Rerank(ctx, text(int64(10+i)), candidates(64))
					<-ctx.Done()
					cancel()
				}
			})
		}
		time.Sleep(time.Second)
		start := time.Now()
		out := r.Rerank(t.Context(), text(1), candidates(64))
		if took := time.Since(start); out.Scored != 64 || took > 250*time.Millisecond+64*time.Millisecond+100*time.Millisecond {
			t.Errorf("%d read after %v", out.Scored, took)
		}
		stop()
		wg.Wait()
	})
}

func TestFullQueueAnswersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{}
		release := hold(d)
		r := rerank.New(d, d, rerank.Options{Schedule: rerank.SchedulerOptions{Queue: 2}})
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() { r.Rerank(t.Context(), text(int64(i)), candidates(2)) })
		}
		synctest.Wait()
		start := time.Now()
		out := r.Rerank(t.Context(), text(9), candidates(3))
		if out.Stopped != rerank.StoppedBusy || out.Err != nil || ids(out.Hits) != "0 1 2" || time.Since(start) > 0 {
			t.Errorf("outcome %+v", out)
		}
		release()
		wg.Wait()
		if s := r.Stats(); s.Stopped["busy"] != 1 || s.Stopped[""] != 2 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestLeftCallersCostNothing: of those who leave in the queue nothing is read,
// and the run of one who leaves is stopped.
func TestLeftCallersCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{pair: time.Hour}
		r := rerank.New(d, d, rerank.Options{})
		var wg sync.WaitGroup
		ask := func(ctx context.Context, name int64) {
			wg.Go(func() {
				if out := r.Rerank(ctx, text(name), candidates(10)); out.Stopped != rerank.StoppedCancelled || out.Scored != 0 {
					t.Errorf("outcome %+v", out)
				}
			})
			synctest.Wait()
		}
		first, leaveFirst := context.WithCancel(t.Context())
		others, leaveOthers := context.WithCancel(t.Context())
		ask(first, 1)
		for i := range int64(9) {
			ask(others, 2+i)
		}
		leaveOthers()
		synctest.Wait()
		if s := r.Stats(); s.Running != 1 || s.Waiting != 0 || s.Dropped != 9 {
			t.Errorf("after the others left: %+v", s)
		}
		leaveFirst()
		wg.Wait()
		synctest.Wait()
		if s := r.Stats(); len(d.order) != 1 || s.Running != 0 || s.Inside != 0 {
			t.Errorf("runs %v, stats %+v", d.order, s)
		}
	})
}

// TestSharedRunOutlivesOneCaller: it is stopped only when all have gone.
func TestSharedRunOutlivesOneCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{pair: time.Millisecond}
		r := rerank.New(d, d, rerank.Options{})
		var wg sync.WaitGroup
		wg.Go(func() { r.Rerank(t.Context(), text(9), candidates(10)) }) // keeps the device while the next two queue
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		wg.Go(func() { r.Rerank(ctx, text(1), candidates(10)) })
		wg.Go(func() {
			if out := r.Rerank(t.Context(), text(1), candidates(10)); out.Scored != 10 {
				t.Errorf("outcome %+v", out)
			}
		})
		time.Sleep(15 * time.Millisecond)
		leave()
		wg.Wait()
		if len(d.order) != 2 {
			t.Errorf("runs %v, want two", d.order)
		}
	})
}

// TestSettled: a bound stops the reading when the page is safe, and the page is
// the same as with everything read.
func TestSettled(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := &model{logits: make([]float32, 60)}
		for i := range m.logits {
			m.logits[i] = rng.Float32()*12 - 6
		}
		bound := 6.0
		page := 1 + rng.IntN(10)
		cands := candidates(60)
		for i := range cands { // a wide spread: else no bound can tell
			cands[i].ITC = 5 - float64(i)/5
		}
		whole := rerank.New(m, m, rerank.Options{Batch: 8}).Rerank(t.Context(), text(1), cands)
		short := rerank.New(m, m, rerank.Options{Batch: 8, Bound: &bound}).RerankPage(t.Context(), text(1), cands, page)
		if (short.Stopped == rerank.StoppedSettled) != (short.Scored < short.Of) {
			t.Fatalf("seed %d: %d of %d, %q", seed, short.Scored, short.Of, short.Stopped)
		}
		for i := range page {
			if whole.Hits[i] != short.Hits[i] && whole.Hits[i].ID != short.Hits[i].ID {
				t.Fatalf("seed %d: place %d of %d is %s after %d, %s after all", seed, i+1, page, short.Hits[i].ID, short.Scored, whole.Hits[i].ID)
			}
		}
		if seed == 0 && short.Scored == short.Of {
			t.Errorf("nothing was saved")
		}
	}
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &device{pair: time.Hour}
		r := rerank.New(d, d, rerank.Options{})
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				if out := r.Rerank(t.Context(), text(int64(i)), candidates(3)); !errors.Is(out.Err, rerank.ErrClosed) || len(out.Hits) != 3 {
					t.Errorf("outcome %+v", out)
				}
			})
		}
		synctest.Wait()
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if out := r.Rerank(t.Context(), text(1), candidates(3)); !errors.Is(out.Err, rerank.ErrClosed) || out.Stopped != rerank.StoppedFailed {
			t.Errorf("after Close: %+v", out)
		}
		if err := r.Health(t.Context()); !errors.Is(err, rerank.ErrClosed) {
			t.Errorf("health %v", err)
		}
	})
}
