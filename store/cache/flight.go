package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

var errGoexit = errors.New("the load ended its goroutine")

// flight runs one call a key at a time and gives its result to everyone who
// asks meanwhile. It differs from golang.org/x/sync/singleflight in what it
// does for searches: whoever leaves costs the others nothing, a call that
// everyone has left is cancelled, and a panic reaches the callers, whose server
// survives it.
type flight[V any] struct {
	mu      sync.Mutex // guards what follows, and waiters of all calls
	calls   map[string]*call[V]
	closed  bool
	running sync.WaitGroup
}

type call[V any] struct {
	waiters int
	cancel  context.CancelFunc
	done    chan struct{} // closed when what follows is set

	value    V
	err      error
	panicked string // what the call panicked with, and where; "" when it did not
}

// do returns the result of run for key, joining a call that is under way. It
// leaves when ctx ends. run gets the values of the first caller's ctx, without
// its deadline, and is cancelled when nobody waits any more.
func (f *flight[V]) do(ctx context.Context, key string, run func(context.Context) (V, error)) (value V, joined bool, err error) {
	if err := ctx.Err(); err != nil {
		return value, false, err
	}
	c, joined := f.join(ctx, key, run)
	if c == nil { // closed: nobody would wait for a goroutine
		value, err = run(ctx)
		return value, false, err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		f.leave(key, c)
		return value, joined, ctx.Err()
	}
	if c.panicked != "" {
		panic(c.panicked)
	}
	return c.value, joined, c.err
}

// join enters the call of key, starting it if there is none.
func (f *flight[V]) join(ctx context.Context, key string, run func(context.Context) (V, error)) (*call[V], bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, false
	}
	if c, ok := f.calls[key]; ok {
		c.waiters++
		return c, true
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c := &call[V]{waiters: 1, cancel: cancel, done: make(chan struct{})}
	if f.calls == nil {
		f.calls = make(map[string]*call[V])
	}
	f.calls[key] = c
	f.running.Go(func() {
		defer cancel()
		defer f.finish(key, c)
		c.run(ctx, run)
	})
	return c, false
}

// run calls run and keeps its result, however it ends.
func (c *call[V]) run(ctx context.Context, run func(context.Context) (V, error)) {
	c.err = errGoexit
	defer func() {
		if r := recover(); r != nil {
			c.panicked = fmt.Sprintf("%v\n\n%s", r, debug.Stack())
		}
	}()
	c.value, c.err = run(ctx)
}

func (f *flight[V]) finish(key string, c *call[V]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls[key] == c { // else everyone had left, and perhaps another call has begun
		delete(f.calls, key)
	}
	close(c.done)
}

func (f *flight[V]) leave(key string, c *call[V]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.waiters--
	if c.waiters > 0 {
		return
	}
	c.cancel()
	if f.calls[key] == c { // so that the next caller does not join what was cancelled
		delete(f.calls, key)
	}
}

// close cancels all calls and waits for them. Calls to do that come later run
// by themselves.
func (f *flight[V]) close() {
	f.mu.Lock()
	f.closed = true
	for _, c := range f.calls {
		c.cancel()
	}
	f.mu.Unlock()
	f.running.Wait()
}
