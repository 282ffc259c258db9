package rerank_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/encoder"
	"sightline/rerank"
)

// hanging is a Matcher that does not come back, whatever its context says,
// until it is let go.
type hanging struct {
	model
	hang atomic.Bool
	free chan struct{}
}

func (h *hanging) Match(ctx context.Context, q encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	if h.hang.Load() {
		<-h.free
		return nil, errors.New("let go")
	}
	return h.model.Match(ctx, q, states)
}

func search(t *testing.T, r *rerank.Reranker, limit time.Duration) (rerank.Outcome, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	start := time.Now()
	out := r.Rerank(ctx, text(1), candidates(4))
	if len(out.Hits) != 4 {
		t.Fatalf("%d hits of 4", len(out.Hits))
	}
	return out, time.Since(start)
}

// TestHangAndRecovery: answers keep coming within their deadlines, in
// first-stage order, and the second look comes back by itself.
func TestHangAndRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{free: make(chan struct{})}
		h.logits = rising(4)
		r := rerank.New(h, h, rerank.Options{Schedule: rerank.SchedulerOptions{Grace: time.Second}})
		if out, _ := search(t, r, time.Second); out.Scored != 4 {
			t.Fatalf("before: %+v", out)
		}
		h.hang.Store(true)
		for range 3 { // the first hangs, the others wait for the device
			if out, took := search(t, r, 300*time.Millisecond); took > 300*time.Millisecond || out.Stopped != rerank.StoppedDeadline || ids(out.Hits) != "0 1 2 3" {
				t.Errorf("while hanging: %+v after %v", out, took)
			}
		}
		time.Sleep(time.Second) // past the grace
		out, took := search(t, r, 300*time.Millisecond)
		if took != 0 || out.Stopped != rerank.StoppedFailed || !errors.Is(out.Err, rerank.ErrDown) || ids(out.Hits) != "0 1 2 3" {
			t.Errorf("when known to hang: %+v after %v", out, took)
		}
		if err := r.Health(t.Context()); !errors.Is(err, rerank.ErrDown) {
			t.Errorf("health %v", err)
		}
		time.Sleep(5 * time.Minute) // probes hang too; their number is bounded
		if s := r.Stats(); s.Stuck != 4 || !s.Down {
			t.Errorf("stats %+v", s)
		}
		h.hang.Store(false)
		close(h.free)
		time.Sleep(31 * time.Second)
		if out, _ := search(t, r, time.Second); out.Scored != 4 || r.Health(t.Context()) != nil || r.Stats().Stuck != 0 {
			t.Errorf("afterwards: %+v, %v, %+v", out, r.Health(t.Context()), r.Stats())
		}
		closed(t, r)
	})
}

// TestReplacedWorker: one run hangs for ever, the device itself works again.
func TestReplacedWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{free: make(chan struct{})}
		h.logits = rising(4)
		r := rerank.New(h, h, rerank.Options{})
		h.hang.Store(true)
		search(t, r, time.Second)
		synctest.Wait()
		h.hang.Store(false)
		time.Sleep(10 * time.Second)
		if out, _ := search(t, r, time.Second); out.Scored != 4 || r.Stats().Stuck != 1 {
			t.Errorf("outcome %+v, stats %+v", out, r.Stats())
		}
		if err := r.Close(); err == nil {
			t.Error("Close does not tell that a run goes on")
		}
		close(h.free)
	})
}

func TestFailuresOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("device lost")
		var broken atomic.Bool
		m := &model{logits: rising(4)}
		m.onMatch = func(context.Context, int) ([]encoder.Logits, error) {
			if broken.Load() {
				return nil, lost
			}
			return nil, nil
		}
		r := rerank.New(m, m, rerank.Options{})
		broken.Store(true)
		for i := range 5 {
			out, _ := search(t, r, time.Second)
			if down := i >= 3; out.Stopped != rerank.StoppedFailed || !errors.Is(out.Err, lost) || errors.Is(out.Err, rerank.ErrDown) != down {
				t.Errorf("search %d: %+v", i, out)
			}
		}
		if m.gets.Load() != 12 {
			t.Errorf("%d states read, want those of three searches", m.gets.Load())
		}
		time.Sleep(time.Hour)
		if err := r.Health(t.Context()); !errors.Is(err, lost) {
			t.Errorf("health %v", err)
		}
		broken.Store(false)
		time.Sleep(30 * time.Second)
		if out, _ := search(t, r, time.Second); out.Scored != 4 || r.Health(t.Context()) != nil || r.Stats().Trips != 1 {
			t.Errorf("outcome %+v, stats %+v", out, r.Stats())
		}
		closed(t, r)
	})
}

func TestHealthAsksTheDevice(t *testing.T) {
	lost := errors.New("device lost")
	m := &model{}
	r := rerank.New(m, m, rerank.Options{Health: func(context.Context) error { return lost }})
	if err := r.Health(t.Context()); !errors.Is(err, lost) {
		t.Errorf("health %v", err)
	}
	if err := rerank.New(nil, nil, rerank.Options{}).Health(t.Context()); err != nil {
		t.Errorf("health of one that is switched off: %v", err)
	}
}

func TestPanicIsAFailure(t *testing.T) {
	m := &model{}
	m.onMatch = func(context.Context, int) ([]encoder.Logits, error) { panic("bad index") }
	r := rerank.New(m, m, rerank.Options{})
	if out := r.Rerank(t.Context(), text(1), candidates(2)); out.Stopped != rerank.StoppedFailed || len(out.Hits) != 2 {
		t.Errorf("outcome %+v", out)
	}
	closed(t, r)
}

// TestSlowStartDoesNotShutTheDoor: a pace that was measured once and is wrong
// is measured again when the device has nothing else to do.
func TestSlowStartDoesNotShutTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var once sync.Once
		m := &model{logits: rising(4), pair: time.Millisecond}
		m.onMatch = func(context.Context, int) ([]encoder.Logits, error) {
			once.Do(func() { time.Sleep(time.Minute) })
			return nil, nil
		}
		r := rerank.New(m, m, rerank.Options{})
		r.Rerank(t.Context(), text(1), candidates(4))
		if out, took := search(t, r, time.Second); out.Stopped != rerank.StoppedDeadline || took != 0 {
			t.Errorf("%+v after %v", out, took)
		}
		time.Sleep(time.Second)
		if out, _ := search(t, r, time.Second); out.Scored != 4 {
			t.Errorf("outcome %+v", out)
		}
		if out, _ := search(t, r, time.Second); out.Scored != 4 {
			t.Errorf("outcome %+v", out)
		}
	})
}
