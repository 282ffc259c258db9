package sqlite

import (
	"context"
	"sync"
	"time"

	"sightline/indexer/queue"
)

// wake tells waiting Lease calls that they should look again. The zero value is
// ready.
type wake struct {
	mu     sync.Mutex
	next   chan struct{} // closed at the next wake-up; nil while nobody waits
	closed bool
}

// channel returns what the next wake-up closes. Whoever asks for it before
// looking for work misses none.
func (w *wake) channel() (<-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, queue.ErrClosed
	}
	if w.next == nil {
		w.next = make(chan struct{})
	}
	return w.next, nil
}

func (w *wake) all() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next != nil {
		close(w.next)
		w.next = nil
	}
}

func (w *wake) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.all()
}

// sleep waits for woken, or until the time in milliseconds from now (none where
// negative), or for ctx.
func sleep(ctx context.Context, woken <-chan struct{}, ms int64) error {
	var due <-chan time.Time
	if ms >= 0 {
		t := time.NewTimer(time.Duration(ms) * time.Millisecond)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-woken:
		return nil
	case <-due:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
