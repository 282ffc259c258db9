package rerank_test

import (
	"cmp"
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/encoder"
	"sightline/rerank"
	"sightline/store/features"
)

func TestDeadline(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name    string
		model   *model // nil: all works
		batch   int    // default 8
		limit   time.Duration
		scored  int
		stopped string
		took    time.Duration
		batches int
	}{
		{name: "enough time", model: &model{pair: 10 * ms}, limit: 600 * ms, scored: 40, took: 400 * ms, batches: 5},
		{name: "a batch that cannot end in time is cut", model: &model{pair: 10 * ms}, batch: 16, limit: 230 * ms, scored: 20, stopped: "deadline", took: 200 * ms, batches: 2},
		{name: "what would be under four pairs is not begun", model: &model{pair: 10 * ms}, batch: 16, limit: 195 * ms, scored: 16, stopped: "deadline", took: 160 * ms, batches: 1},
		{name: "the first batch is too slow", model: &model{pair: 10 * ms}, limit: 50 * ms, stopped: "deadline", took: 50 * ms, batches: 1},
		{name: "slow states are read at once, after the first", model: &model{get: 100 * ms}, limit: 1000 * ms, scored: 40, took: 600 * ms, batches: 5},
		{name: "states come too slowly", model: &model{get: 400 * ms}, limit: 1000 * ms, scored: 8, stopped: "deadline", took: 1000 * ms, batches: 1},
		{name: "loading overlaps matching", model: &model{pair: 10 * ms, get: 10 * ms}, limit: 2 * time.Second, scored: 40, took: 420 * ms, batches: 5},
		{name: "no deadline", model: &model{pair: time.Hour}, scored: 40, took: 40 * time.Hour, batches: 5},
		{name: "over before it began", limit: -1, stopped: "deadline"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.limit != 0 {
					ctx, cancel = context.WithTimeout(ctx, tt.limit)
					defer cancel()
				}
				m := cmp.Or(tt.model, &model{})
				m.logits = rising(40)
				start := time.Now()
				r := rerank.New(m, m, rerank.Options{Batch: cmp.Or(tt.batch, 8)})
				out := r.Rerank(ctx, encoder.Query{}, candidates(40))
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				closed(t, r)
				if out.Scored != tt.scored || out.Of != 40 || out.Stopped != tt.stopped || out.Err != nil || len(m.batches) != tt.batches {
					t.Errorf("%d of %d, stopped %q, %v, batches %v", out.Scored, out.Of, out.Stopped, out.Err, m.batches)
				}
				if want := float64(m.pair) / float64(ms) * float64(tt.scored); tt.scored > 0 && math.Abs(out.MatchMS-want) > 1e-6 {
					t.Errorf("match %v ms, want %v", out.MatchMS, want)
				}
				checkHits(t, out)
				synctest.Wait() // the reader has ended: the bubble would report it otherwise
			})
		})
	}
}

func TestCancelledIsNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(25*time.Millisecond, cancel)
		m := &model{logits: rising(4), pair: 10 * time.Millisecond}
		out := rerank.New(m, m, rerank.Options{Batch: 1}).Rerank(ctx, encoder.Query{}, candidates(4))
		if out.Stopped != rerank.StoppedCancelled || out.Scored != 2 || out.Err != nil {
			t.Errorf("outcome %+v", out)
		}
	})
}

func TestOneBatchAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{logits: rising(12)}
		m.onMatch = func(_ context.Context, call int) ([]encoder.Logits, error) {
			synctest.Wait() // the reader has done all it will do while this batch is matched
			if got, want := m.gets.Load(), int64(min(3*(call+1), 12)); got != want {
				t.Errorf("%d states read during batch %d, want %d", got, call, want)
			}
			return nil, nil
		}
		if out := rerank.New(m, m, rerank.Options{Batch: 3}).Rerank(t.Context(), encoder.Query{}, candidates(12)); out.Scored != 12 {
			t.Errorf("outcome %+v", out)
		}
	})
}

func TestReaderHasEndedWhenRerankReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var active atomic.Int64
		m := &model{logits: rising(4)}
		slow := source(func(key string) features.Record {
			active.Add(1)
			defer active.Add(-1)
			time.Sleep(time.Second) // as a disk read, which nothing interrupts
			r, _, _ := m.Get(context.WithoutCancel(t.Context()), key)
			return r
		})
		m.onMatch = func(context.Context, int) ([]encoder.Logits, error) {
			synctest.Wait()
			if active.Load() != 1 {
				t.Error("the reader is not reading ahead")
			}
			return nil, errors.New("session lost")
		}
		out := rerank.New(m, slow, rerank.Options{Batch: 1}).Rerank(t.Context(), encoder.Query{}, candidates(4))
		if active.Load() != 0 || out.Stopped != rerank.StoppedFailed {
			t.Errorf("%d reads go on after %+v", active.Load(), out)
		}
	})
}
