package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func queue(t *testing.T, o Options) *hosts {
	t.Helper()
	o, err := o.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return newHosts(o)
}

func enter(t *testing.T, q *hosts, name string) *place {
	t.Helper()
	p, err := q.enter(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTurns: with one place, hosts are served in turn however many callers
// wait for the first of them.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue(t, Options{Concurrency: 1})
		held := enter(t, q, "other")
		var mu sync.Mutex
		var served []string
		var all sync.WaitGroup
		for _, name := range []string{"a", "a", "a", "a", "b", "b", "c"} {
			all.Go(func() {
				p := enter(t, q, name)
				mu.Lock()
				served = append(served, name)
				mu.Unlock()
				p.leave(nil)
			})
			synctest.Wait()
		}
		held.leave(nil)
		all.Wait()
		if want := []string{"a", "b", "c", "a", "b", "a", "a"}; !slices.Equal(served, want) {
			t.Errorf("served %v, want %v", served, want)
		}
		if active, waiting, known, _ := q.numbers(); active+waiting+known != 0 {
			t.Errorf("%d active, %d waiting, %d known", active, waiting, known)
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue(t, Options{Rate: 10})
		began := time.Now()
		for range 11 {
			enter(t, q, "a").leave(nil)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("11 requests at 10 a second took %v", took)
		}
		began = time.Now()
		for i := range 100 {
			enter(t, q, fmt.Sprint(i)).leave(nil)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("100 hosts took %v", took)
		}
	})
}

// TestSilence: Retry-After of one answer silences the host for everybody, and
// a long one sends those away who wait.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue(t, Options{PerHost: 1})
		p := enter(t, q, "a")
		f := faultf(KindThrottled, "busy")
		f.after = 20 * time.Second
		began := time.Now()
		p.leave(f)
		p = enter(t, q, "a")
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("waited %v", took)
		}
		waiter := make(chan error)
		go func() {
			_, err := q.enter(t.Context(), "a")
			waiter <- err
		}()
		synctest.Wait()
		f.after = 24 * time.Hour
		p.leave(f)
		if got, ok := errors.AsType[*fault](<-waiter); !ok || got.kind != KindThrottled {
			t.Errorf("the waiting one got %v", got)
		}
		if _, err := q.enter(t.Context(), "a"); err == nil {
			t.Error("asked again at once")
		}
		time.Sleep(time.Hour) // the most that is believed
		enter(t, q, "a").leave(nil)
	})
}

// TestBreakerSendsWaitersAway: whoever waits for a host that turns out to be
// down does not wait for its places.
func TestBreakerSendsWaitersAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue(t, Options{PerHost: 2, Rate: 1, BreakerFailures: 2})
		first, second := enter(t, q, "a"), enter(t, q, "a")
		var down atomic.Int64
		var waiters sync.WaitGroup
		for range 100 {
			waiters.Go(func() {
				p, err := q.enter(t.Context(), "a")
				if f, ok := errors.AsType[*fault](err); ok && f.kind == KindHostDown {
					down.Add(1)
				}
				time.Sleep(time.Second) // longer than it takes to tell the others
				p.leave(errLeftFault())
			})
		}
		synctest.Wait()
		first.leave(faultf(KindTimeout, "slow"))
		second.leave(faultf(KindConnection, "reset"))
		synctest.Wait()
		if n := down.Load(); n != 100 { // though the rate would let one of them in a second
			t.Errorf("%d of 100 were told", n)
		}
		waiters.Wait()
		time.Sleep(q.options.BreakerPause)
		probe := enter(t, q, "a")
		if _, err := q.enter(t.Context(), "a"); err == nil {
			t.Error("two asked whether the host is back")
		}
		probe.leave(errLeftFault())
		enter(t, q, "a").leave(nil)
	})
}

// errLeftFault is what a caller leaves behind who gave up.
func errLeftFault() *fault { return &fault{kind: kindCanceled, err: context.Canceled} }

// TestLeaving: callers who give up while they wait leave nothing behind, at
// whatever moment they do.
func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue(t, Options{Concurrency: 2, PerHost: 1})
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*time.Millisecond)
				defer cancel()
				p, err := q.enter(ctx, fmt.Sprint(i%3))
				if err != nil {
					return
				}
				time.Sleep(time.Millisecond)
				p.leave(nil)
			})
		}
		all.Wait()
		if active, waiting, known, _ := q.numbers(); active+waiting+known != 0 {
			t.Errorf("%d active, %d waiting, %d known", active, waiting, known)
		}
	})
}

// TestHostsAreForgotten: a feed that names a host a row does not fill memory,
// even if all of them fail.
func TestHostsAreForgotten(t *testing.T) {
	q := queue(t, Options{})
	for i := range 3 * maxIdleHosts {
		enter(t, q, fmt.Sprint(i)).leave(faultf(KindConnection, "refused"))
	}
	if _, _, known, _ := q.numbers(); known > maxIdleHosts {
		t.Errorf("%d hosts remembered", known)
	}
}
