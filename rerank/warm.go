package rerank

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// warming loads what requests need when the first one comes. No request's
// deadline ends it, as it would the load of a large model again and again; and
// it is no run of the scheduler, which would take it for one that hangs.
type warming struct {
	load func(context.Context) error

	mu      sync.Mutex
	done    bool
	closed  bool
	running chan struct{}      // closed when the load under way ends; nil for none
	cancel  context.CancelFunc // of that load
	err     error              // of the last load
	again   time.Time          // when to try again after a failure
}

// warmRetry is the pause after a load that failed.
const warmRetry = 10 * time.Second

// wait starts the load where none is done or under way, and waits for it as long
// as ctx lasts.
func (w *warming) wait(ctx context.Context) error {
	w.mu.Lock()
	switch {
	case w.done:
		w.mu.Unlock()
		return nil
	case w.closed:
		w.mu.Unlock()
		return ErrClosed
	case w.running == nil && w.err != nil && time.Now().Before(w.again):
		err := w.err
		w.mu.Unlock()
		return err
	case w.running == nil:
		w.start(ctx)
	}
	running := w.running
	w.mu.Unlock()
	select {
	case <-running:
	case <-ctx.Done():
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// start begins a load. The caller holds mu.
func (w *warming) start(ctx context.Context) {
	ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx))
	running, cancel := make(chan struct{}), w.cancel
	w.running = running
	go func() {
		defer cancel()
		err := w.load(ctx)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.done, w.err, w.running, w.again = err == nil, err, nil, time.Now().Add(warmRetry)
		close(running)
	}()
}

// close ends a load under way and waits for it.
func (w *warming) close() {
	w.mu.Lock()
	w.closed = true
	running := w.running
	if running != nil {
		w.cancel()
	}
	w.mu.Unlock()
	if running != nil {
		<-running
	}
}

// warmed waits for what a request needs; false when it is not there in time.
func (r *TextReranker) warmed(ctx context.Context, p *pass) bool {
	if r.warm == nil {
		return true
	}
	err := r.warm.wait(ctx)
	if err != nil && ctx.Err() == nil {
		p.fail(fmt.Errorf("load what reads titles: %w", err))
	}
	return err == nil
}
