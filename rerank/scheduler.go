package rerank

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"sightline/encoder"
)

// Errors of a Scheduler, for Outcome.Err and Health.
var (
	// ErrDown says that the matcher hangs or keeps failing and is being probed;
	// it wraps the cause. Searches keep their first-stage order meanwhile.
	ErrDown = errors.New("the second look is down")
	// ErrClosed says that the Scheduler was closed.
	ErrClosed = errors.New("the second look is closed")

	errBusy  = errors.New("the device is in too much demand")
	errLate  = errors.New("the deadline is too near for the device's pace")
	errStuck = errors.New("a run of the matcher did not end after it was told to")
	errLost  = errors.New("the device does not work")
)

// SchedulerOptions bound a Scheduler; zero values mean the defaults.
type SchedulerOptions struct {
	// Workers is how many runs of the matcher go on at once; default 1, since
	// one run keeps all cores of a CPU busy. Two suit a CUDA device, where one
	// copies while the other computes.
	Workers int
	// Queue is how many requests may be in the scheduler; one more is answered
	// "busy" at once. Default 64. Each holds at most one sub-batch of states
	// while it waits and two while it is read.
	Queue int
	// Join is the most pictures in one run that several requests of one text
	// share; default 32.
	Join int
	// Ahead is how long the processors are taken by what goes before all pairs, such
	// as searches that have no candidates yet; nil for none. Depth gives way to it as
	// to work of the device, so that it gets the processors it needs. It is called
	// often and with the Scheduler locked: it must neither wait nor call back.
	Ahead func() time.Duration
	// Patience is how long a request with an earlier deadline may pass one that
	// came before it; default 250 ms. Nobody who comes later than that is served
	// first, so none starves.
	Patience time.Duration
	// Grace is how long a run may go on after its callers have gone before the
	// matcher counts as hung; default 2 s.
	Grace time.Duration
	// Failures in a row that take the matcher out of service; default 3.
	Failures int
	// Retry is the pause before a matcher that is down is probed with one pair;
	// it doubles to 30 s. Default 1 s. A probe may take Probe, default 5 s.
	Retry, Probe time.Duration
	// Health asks the device itself, such as ort.Runtime.Health; nil for none. It
	// is asked when a run has failed, and takes the matcher out of service at once
	// where it fails too; and before a probe.
	Health func(context.Context) error
}

func (o SchedulerOptions) withDefaults() SchedulerOptions {
	whole := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	span := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	whole(&o.Workers, 1)
	whole(&o.Queue, 64)
	whole(&o.Join, 2*defaultBatch)
	whole(&o.Failures, 3)
	span(&o.Patience, 250*time.Millisecond)
	span(&o.Grace, 2*time.Second)
	span(&o.Retry, time.Second)
	span(&o.Probe, 5*time.Second)
	return o
}

// Scheduler stands in front of one device and decides whose sub-batch is read
// next: those of a Reranker and of a TextReranker alike. It has no goroutine while there is nothing to do. It
// is safe for concurrent use.
type Scheduler struct {
	matcher Matcher
	options SchedulerOptions
	stop    chan struct{} // closed by Close

	mu      sync.Mutex // guards what follows; never held during a run
	closed  bool
	seq     uint64
	inside  map[*ticket]struct{}
	waiting []*job // at most one a ticket
	runs    map[*run]struct{}
	gauges  [kinds]gauge
	breaker breaker
	active  int // workers that are not given up
	counts  counts
	idle    sync.WaitGroup // workers that are not given up
}

// NewScheduler returns a Scheduler of m, which must be safe for concurrent use
// when there is more than one worker; nil where only TextRerankers will use it.
func NewScheduler(m Matcher, o SchedulerOptions) *Scheduler {
	return &Scheduler{
		matcher: m, options: o.withDefaults(), stop: make(chan struct{}),
		inside: map[*ticket]struct{}{}, runs: map[*run]struct{}{}, counts: newCounts(),
	}
}

// ticket is one request's place in the scheduler.
type ticket struct {
	s      *Scheduler
	ctx    context.Context
	cancel context.CancelFunc
	demand
	deadline time.Time // zero for none
	urgency  time.Time // the earliest is served first
	seq      uint64    // breaks ties
	left     int       // pairs granted, neither submitted nor run
	awaiting bool      // a projection, which its titles must not pass
	over     *result   // why nothing more of it is read, nil while it may be
}

// demand is what a request wants of the device.
type demand struct {
	kind   kind
	tokens int // of a pair, on average
	pairs  int
}

// job is a sub-batch that waits or is read.
type job struct {
	work
	t       *ticket
	queued  time.Time
	started chan struct{}
	done    chan result // has room for the one result
}

// result of a job: logits of its first pairs. late says that the deadline was
// too near for the others.
type result struct {
	logits []encoder.Logits
	took   time.Duration
	waited time.Duration // for the device
	late   bool
	err    error
}

// enter admits a request and says how many of its pairs the device has time
// for. Errors: errBusy, errLate, ErrDown, ErrClosed.
func (s *Scheduler) enter(ctx context.Context, d demand) (*ticket, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, 0, ErrClosed
	case s.breaker.cause != nil:
		return nil, 0, s.breaker.err()
	case len(s.inside) >= s.options.Queue:
		return nil, 0, errBusy
	}
	now := time.Now()
	s.seq++
	t := &ticket{s: s, demand: d, seq: s.seq, urgency: now.Add(s.options.Patience)}
	if deadline, ok := ctx.Deadline(); ok {
		t.deadline = deadline
		if deadline.Before(t.urgency) {
			t.urgency = deadline
		}
	}
	var first time.Duration
	if d.kind == ofTitles {
		first = s.gauges[ofProjection].of(1, 1)
	}
	if t.left = s.grant(t, now, d.pairs, first); t.left == 0 && d.pairs > 0 {
		if len(s.inside) == 0 && s.ahead(t, now) == 0 {
			return nil, 0, errLate
		}
		return nil, 0, errBusy
	}
	t.ctx, t.cancel = context.WithCancel(ctx)
	s.inside[t] = struct{}{}
	return t, t.left, nil
}

// extend asks for more pairs when those granted have been read. There are some
// when nobody waits: those who do were promised their part of the time.
func (t *ticket) extend(pairs int) int {
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if pairs == 0 || s.closed || s.breaker.cause != nil || len(s.waiting) > 0 {
		return 0
	}
	t.left = s.grant(t, time.Now(), pairs, 0)
	return t.left
}

// leave drops what still waits and stops what is read for nobody else.
func (t *ticket) leave() {
	s := t.s
	s.mu.Lock()
	delete(s.inside, t)
	s.drop(t, result{err: context.Canceled})
	s.mu.Unlock()
	t.cancel()
}

// drop answers the waiting job of a ticket. The caller holds mu.
func (s *Scheduler) drop(t *ticket, why result) {
	if i := slices.IndexFunc(s.waiting, func(j *job) bool { return j.t == t }); i >= 0 {
		s.counts.dropped++
		s.waiting[i].done <- why
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
}

// submit queues a sub-batch. left is how many granted pairs may follow it. The
// request has no other one waiting.
func (t *ticket) submit(w work, left int) *job {
	j := &job{work: w, t: t, queued: time.Now(), started: make(chan struct{}), done: make(chan result, 1)}
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t.left = left
	switch {
	case t.over != nil:
		j.done <- *t.over
		return j
	case s.closed:
		j.done <- result{err: ErrClosed}
		return j
	case s.breaker.cause != nil:
		j.done <- result{err: s.breaker.err()}
		return j
	}
	s.waiting = append(s.waiting, j)
	t.awaiting = t.awaiting || w.kind == ofProjection
	if s.active < s.options.Workers {
		s.start()
	}
	return j
}

// start begins a worker. The caller holds mu.
func (s *Scheduler) start() {
	s.active++
	s.idle.Add(1)
	go s.work(&worker{})
}

// Close refuses what comes, stops what is read and waits for it. It returns an
// error when a run does not end, after Grace: the matcher must then not be
// freed. Closing twice is harmless.
func (s *Scheduler) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.stop)
		s.dropAll(ErrClosed)
		for r := range s.runs {
			r.cancel()
		}
	}
	s.mu.Unlock()
	s.idle.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.breaker.stuck; n > 0 {
		return fmt.Errorf("close the second look: %w (%d of them): end the program without freeing the model", errStuck, n)
	}
	return nil
}

// dropAll answers everything that waits. The caller holds mu.
func (s *Scheduler) dropAll(cause error) {
	for _, j := range s.waiting {
		j.done <- result{err: cause}
	}
	s.counts.dropped += uint64(len(s.waiting))
	s.waiting = nil
}
