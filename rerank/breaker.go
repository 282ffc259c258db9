package rerank

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// breaker takes a matcher out of service that hangs or keeps failing. It is
// closed while cause is nil. A worker probes with one pair, so no search has to
// try; Scheduler.mu guards it.
type breaker struct {
	cause    error
	failures int // in a row
	probing  bool
	pause    time.Duration // before the next probe
	stuck    int           // workers given up that have not come back
	sample   probe         // of the last run that worked; else of the first that failed
	worked   bool
	trips    uint64
}

// probe is what is read to try a matcher. A pair that worked is preferred: one
// that hung or failed might do so for its own sake. base has no end.
type probe struct {
	base context.Context
	try  func(context.Context) error
}

const (
	maxPause = 30 * time.Second
	// maxStuck bounds the goroutines that a hanging matcher can take. With so
	// many lost, probing goes on when one of them comes back.
	maxStuck = 4
)

func (b *breaker) err() error { return fmt.Errorf("%w: %w", ErrDown, b.cause) }

func (b *breaker) succeeded(p probe) {
	b.failures, b.sample, b.worked = 0, p, true
}

// failed counts a failure and opens the breaker after the last allowed one, or
// at once when the device itself is known not to work. The caller holds mu.
func (s *Scheduler) failed(err error, p probe) {
	b := &s.breaker
	if !b.worked {
		b.sample = p
	}
	if b.failures++; b.failures >= s.options.Failures || errors.Is(err, errLost) {
		s.trip(err)
	}
}

// trip opens the breaker and answers all who wait. The caller holds mu.
func (s *Scheduler) trip(cause error) {
	b := &s.breaker
	if b.cause == nil {
		b.pause = s.options.Retry
		b.trips++
	}
	b.cause = cause
	s.dropAll(b.err())
}

// giveUp counts a worker as lost in the matcher and starts another one.
func (s *Scheduler) giveUp(w *worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !w.running || w.givenUp {
		return
	}
	w.givenUp = true
	b := &s.breaker
	if r := w.run; r != nil {
		delete(s.runs, r)
		if !b.worked {
			b.sample = r.probe(s.matcher)
		}
	}
	b.stuck++
	b.probing = false
	s.active--
	s.trip(errStuck)
	s.replace()
	s.idle.Done()
}

// replace starts a worker to probe, where there is none and one may be lost.
// The caller holds mu.
func (s *Scheduler) replace() {
	if !s.closed && s.breaker.cause != nil && s.breaker.stuck < maxStuck && s.active == 0 {
		s.start()
	}
}

// cameBack ends a worker that had been given up. The caller holds mu.
func (s *Scheduler) cameBack() {
	s.breaker.stuck--
	s.replace()
}

// mustProbe says whether this worker is the one to try a matcher that is down.
func (s *Scheduler) mustProbe() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.breaker.cause == nil || s.breaker.probing || s.closed {
		return false
	}
	s.breaker.probing = true
	return true
}

// recovered probes until the matcher answers; false ends the worker, which was
// given up or is not needed any more.
func (s *Scheduler) recovered(w *worker) bool {
	for {
		s.mu.Lock()
		pause, sample := s.breaker.pause, s.breaker.sample
		s.breaker.pause = min(2*pause, maxPause)
		s.mu.Unlock()
		select {
		case <-time.After(pause):
		case <-s.stop:
			s.end()
			return false
		}
		ctx, cancel := context.WithTimeout(sample.base, s.options.Probe)
		end := s.cancelOnClose(cancel)
		err := s.call(ctx, w, func(ctx context.Context) error {
			if err := s.deviceHealth(ctx); err != nil {
				return err
			}
			return sample.try(ctx)
		})
		end()
		if again, up := s.probed(w, err); !again {
			return up
		}
	}
}

// cancelOnClose lets Close end a probe.
func (s *Scheduler) cancelOnClose(cancel context.CancelFunc) (end func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-s.stop:
		case <-done:
		}
		cancel()
	}()
	return func() { close(done) }
}

// probed settles what a probe found.
func (s *Scheduler) probed(w *worker, err error) (again, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.breaker
	switch {
	case w.givenUp:
		s.cameBack()
		return false, false
	case err != nil:
		b.cause = err
		return true, false
	}
	b.cause, b.failures, b.probing = nil, 0, false
	return false, true
}

// end takes the worker off the books.
func (s *Scheduler) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.breaker.probing = false
	s.active--
	s.idle.Done()
}

// Health is nil while the matcher is in service, else an error that wraps
// ErrDown and the cause, or is ErrClosed. It never waits for the matcher.
func (s *Scheduler) Health() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.breaker.cause != nil:
		return s.breaker.err()
	}
	return nil
}
