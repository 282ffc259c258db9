package rerank_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/rerank"
)

// TestWarm: the first search by picture has what it needs loaded, whatever its
// own deadline; others wait for the same load.
func TestWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int64
		r := &reader{}
		cands := titled(r, 5, 5)
		texts := rerank.NewTexts(r, rerank.Options{Warm: func(ctx context.Context) error {
			loads.Add(1)
			return sleep(ctx, 3*time.Second)
		}})
		ask := func(limit time.Duration) (rerank.Outcome, time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			start := time.Now()
			return texts.RerankTexts(ctx, sight, cands), time.Since(start)
		}
		if loads.Load() != 0 {
			t.Error("loaded before the first search")
		}
		if out, took := ask(time.Second); out.Stopped != rerank.StoppedDeadline || took != time.Second || ids(out.Hits) != "0 1" || out.Err != nil {
			t.Errorf("during the load: %+v after %v", out, took)
		}
		if out, took := ask(time.Minute); out.Scored != 2 || took != 2*time.Second {
			t.Errorf("with time to wait: %+v after %v", out, took)
		}
		if out, took := ask(time.Second); out.Scored != 2 || took != 0 || loads.Load() != 1 {
			t.Errorf("afterwards: %+v after %v, %d loads", out, took, loads.Load())
		}
		if err := texts.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestWarmFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("no memory")
		loads := 0
		r := &reader{}
		cands := titled(r, 5, 5)
		texts := rerank.NewTexts(r, rerank.Options{Warm: func(context.Context) error {
			if loads++; loads == 1 {
				return broken
			}
			return nil
		}})
		for range 3 {
			if out := texts.RerankTexts(t.Context(), sight, cands); out.Stopped != rerank.StoppedFailed || !errors.Is(out.Err, broken) || ids(out.Hits) != "0 1" || loads != 1 {
				t.Errorf("%+v after %d loads", out, loads)
			}
		}
		time.Sleep(10 * time.Second)
		if out := texts.RerankTexts(t.Context(), sight, cands); out.Scored != 2 || loads != 2 {
			t.Errorf("%+v after %d loads", out, loads)
		}
	})
}

func TestCloseEndsTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		cands := titled(r, 5)
		texts := rerank.NewTexts(r, rerank.Options{Warm: func(ctx context.Context) error { return sleep(ctx, time.Hour) }})
		ended := make(chan rerank.Outcome, 1)
		go func() { ended <- texts.RerankTexts(t.Context(), sight, cands) }()
		synctest.Wait()
		start := time.Now()
		if err := texts.Close(); err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if out := <-ended; out.Stopped != rerank.StoppedFailed || !errors.Is(out.Err, context.Canceled) {
			t.Errorf("%+v", out)
		}
		if out := texts.RerankTexts(t.Context(), sight, cands); !errors.Is(out.Err, rerank.ErrClosed) {
			t.Errorf("after Close: %+v", out)
		}
	})
}
