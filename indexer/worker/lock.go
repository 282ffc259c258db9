package worker

import (
	"context"
	"fmt"
	"sync"
)

// locks let one job at a time read and write an item. It holds the ids that
// jobs are at, so at most one a worker; the zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	free  chan struct{} // one token
	users int           // who holds it or waits
}

// lock waits for the item of that id until ctx ends.
func (l *locks) lock(ctx context.Context, id string) (unlock func(), err error) {
	one := l.enter(id)
	select {
	case <-one.free:
		return func() {
			one.free <- struct{}{}
			l.leave(id, one)
		}, nil
	case <-ctx.Done():
		l.leave(id, one)
		return nil, fmt.Errorf("wait for another job of item %q: %w", id, context.Cause(ctx))
	}
}

func (l *locks) enter(id string) *lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, ok := l.held[id]
	if !ok {
		one = &lock{free: make(chan struct{}, 1)}
		one.free <- struct{}{}
		if l.held == nil {
			l.held = make(map[string]*lock)
		}
		l.held[id] = one
	}
	one.users++
	return one
}

func (l *locks) leave(id string, one *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one.users--; one.users == 0 {
		delete(l.held, id)
	}
}
