package fetch

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// maxIdleHosts bounds what is remembered of hosts that nothing is asked of.
const maxIdleHosts = 4096

// errLeft is the outcome of a request whose caller left: it says nothing about
// the host.
var errLeft = errors.New("the caller left")

// hosts gives out places: Options.Concurrency in all, PerHost for each host,
// to the hosts in turn, so that one with many waiting callers or slow answers
// delays its own callers only.
type hosts struct {
	options Options

	mu     sync.Mutex
	byName map[string]*host
	ready  list.List // of *host: those that may be given a place, in turn
	free   int       // places
	closed bool

	waiting int
}

type host struct {
	name    string
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	active  int
	waiters list.List     // of *waiter, first come first
	turn    *list.Element // in ready
	// notBefore is when the next place may be given: the rate, or Retry-After.
	notBefore time.Time
	timer     *time.Timer // for notBefore
}

type waiter struct {
	answer  chan error    // nil is a place
	element *list.Element // in waiters; nil once answered
}

// place is the right to one request of a host.
type place struct {
	hosts *hosts
	host  *host
	done  func(error)
}

func newHosts(o Options) *hosts {
	return &hosts{options: o, byName: map[string]*host{}, free: o.Concurrency}
}

// enter waits for a place. It fails at once where the host is known to be
// down, and with the cause of ctx when that ends.
func (q *hosts) enter(ctx context.Context, name string) (*place, error) {
	h, w, err := q.join(name)
	if err != nil {
		return nil, err
	}
	select {
	case err = <-w.answer:
	case <-ctx.Done():
		return nil, q.quit(h, w, context.Cause(ctx))
	}
	if err != nil {
		return nil, err
	}
	done, err := h.breaker.Allow()
	if err != nil {
		q.vacate(h)
		return nil, q.down()
	}
	return &place{hosts: q, host: h, done: done}, nil
}

func (q *hosts) join(name string) (*host, *waiter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, nil, ErrClosed
	}
	h := q.named(name)
	if h.breaker.State() == gobreaker.StateOpen {
		return nil, nil, q.down()
	}
	if left := time.Until(h.notBefore); left > q.options.MaxRetryAfter {
		return nil, nil, throttled(left)
	}
	w := &waiter{answer: make(chan error, 1)}
	w.element = h.waiters.PushBack(w)
	q.waiting++
	q.line(h)
	q.serve()
	return h, w, nil
}

func (q *hosts) down() error {
	return &fault{kind: KindHostDown, after: q.options.BreakerPause, err: errHostDown}
}

var errHostDown = errors.New("its host failed many times in a row and is left alone for a while; check that the server is up, then import again")

func throttled(left time.Duration) error {
	f := faultf(KindThrottled, "its host asks to be left alone for another %v; import again then, or have the server allow more requests", left.Round(time.Second))
	f.after = left
	return f
}

// named finds a host or begins to remember it.
func (q *hosts) named(name string) *host {
	if h := q.byName[name]; h != nil {
		return h
	}
	if len(q.byName) >= maxIdleHosts {
		for other, h := range q.byName {
			if h.active == 0 && h.waiters.Len() == 0 {
				q.forget(other, h)
			}
		}
	}
	h := &host{name: name, breaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:     q.options.BreakerPause,
		ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= q.options.BreakerFailures },
		IsExcluded:  func(err error) bool { return errors.Is(err, errLeft) },
	})}
	q.byName[name] = h
	return h
}

func (q *hosts) forget(name string, h *host) {
	if h.timer != nil {
		h.timer.Stop()
	}
	if h.turn != nil {
		q.ready.Remove(h.turn)
		h.turn = nil
	}
	delete(q.byName, name)
}

// line puts a host that may be given a place at the end of the line, or sets
// a timer for when it may.
func (q *hosts) line(h *host) {
	if h.turn != nil || h.waiters.Len() == 0 || h.active >= q.options.PerHost {
		return
	}
	if left := time.Until(h.notBefore); left > 0 {
		q.wake(h, left)
		return
	}
	h.turn = q.ready.PushBack(h)
}

func (q *hosts) wake(h *host, after time.Duration) {
	if h.timer != nil {
		h.timer.Stop()
	}
	h.timer = time.AfterFunc(after, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.line(h)
		q.serve()
	})
}

// serve gives out free places to the hosts in line.
func (q *hosts) serve() {
	for q.free > 0 && q.ready.Len() > 0 {
		h := q.ready.Remove(q.ready.Front()).(*host)
		h.turn = nil
		if h.waiters.Len() == 0 || time.Now().Before(h.notBefore) {
			q.line(h)
			continue
		}
		q.free--
		h.active++
		if q.options.Rate > 0 {
			h.notBefore = time.Now().Add(time.Duration(float64(time.Second) / q.options.Rate))
		}
		q.answer(h, nil)
		q.line(h)
	}
}

// quit takes a waiter out of the line; a place that came meanwhile goes on.
func (q *hosts) quit(h *host, w *waiter, cause error) error {
	q.mu.Lock()
	answered := w.element == nil
	if !answered {
		h.waiters.Remove(w.element)
		q.waiting--
		q.settle(h)
	}
	q.mu.Unlock()
	if answered && <-w.answer == nil {
		q.vacate(h)
	}
	return cause
}

// vacate gives a place to the next in line.
func (q *hosts) vacate(h *host) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free++
	h.active--
	q.settle(h)
	q.serve()
}

// settle forgets a host of which nothing need be known, or lines it up.
func (q *hosts) settle(h *host) {
	clean := h.breaker.Counts().ConsecutiveFailures == 0 && h.breaker.State() == gobreaker.StateClosed && !time.Now().Before(h.notBefore)
	if clean && h.active == 0 && h.waiters.Len() == 0 {
		q.forget(h.name, h)
		return
	}
	q.line(h)
}

// leave gives the place back with what became of the request. Failures that
// tell of a host in trouble count for its breaker, and Retry-After silences it.
func (p *place) leave(f *fault) {
	if p == nil || p.done == nil {
		return
	}
	p.done(verdictOnHost(f))
	p.done = nil
	q := p.hosts
	q.mu.Lock()
	if f != nil && f.after > 0 {
		until := time.Now().Add(min(f.after, time.Hour))
		if until.After(p.host.notBefore) {
			p.host.notBefore = until
		}
		if f.after > q.options.MaxRetryAfter {
			q.refuse(p.host, throttled(f.after))
		}
	}
	if p.host.breaker.State() == gobreaker.StateOpen {
		q.refuse(p.host, q.down())
	}
	q.mu.Unlock()
	q.vacate(p.host)
}

func verdictOnHost(f *fault) error {
	switch {
	case f == nil:
		return nil
	case f.kind == kindCanceled:
		return errLeft
	case f.kind == KindServer && f.status != 502 && f.status != 503 && f.status != 504:
		return nil // an answer to one address, not a host in trouble
	case f.kind >= KindTimeout || f.kind == KindTLS:
		return f
	}
	return nil
}

// refuse fails everybody who waits for a host.
func (q *hosts) refuse(h *host, err error) {
	for h.waiters.Len() > 0 {
		q.answer(h, err)
	}
}

// answer tells the first in a host's line that it has a place, or why not.
func (q *hosts) answer(h *host, err error) {
	w := h.waiters.Remove(h.waiters.Front()).(*waiter)
	w.element = nil
	q.waiting--
	w.answer <- err
}

func (q *hosts) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for name, h := range q.byName {
		q.refuse(h, ErrClosed)
		if h.active == 0 {
			q.forget(name, h)
		}
	}
}

// numbers returns how many requests run and wait, the hosts remembered and
// those that are down.
func (q *hosts) numbers() (active, waiting, known, down int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, h := range q.byName {
		if h.breaker.State() == gobreaker.StateOpen {
			down++
		}
	}
	return q.options.Concurrency - q.free, q.waiting, len(q.byName), down
}
