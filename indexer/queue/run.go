package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Handler does a job and returns what became of it ("written", "unchanged" …).
// It is called for one job of a key at a time, but may be called again for a
// job that it has done: it must be idempotent. A Failure as its error says
// stage and reason, and whether repeating may help; any other error may be
// repeated. When ctx ends, by cause ErrLeaseLost or ErrDrained, its error
// does not count: it should return soon.
type Handler func(ctx context.Context, job Job) (outcome string, err error)

// RunOptions are Run's.
type RunOptions struct {
	Name    string        // of the workers, for people who look at a job; "" stands for host and process
	Workers int           // jobs at a time; 0 stands for 1
	Lease   time.Duration // extended while a handler runs; after a crash jobs wait for this; 0 stands for 30 s
	Drain   time.Duration // how long handlers may go on after ctx ended; 0 stands for 10 s
	Stats   *Stats        // counted into, where given
	// Trouble is told what Run goes on in spite of, mostly a queue that cannot
	// be reached. It may be called from several goroutines.
	Trouble func(error)
}

// Run's causes for ending a handler's ctx.
var (
	ErrDrained  = errors.New("the program ends and the time for finishing is over")
	errFinished = errors.New("the handler has returned")
)

// troubleRest is the pause before the queue is asked again after a failure.
const troubleRest = time.Second

func (o RunOptions) withDefaults() (RunOptions, error) {
	if o.Workers < 0 || o.Lease < 0 || o.Drain < 0 || (o.Lease > 0 && o.Lease < 3*time.Millisecond) {
		return o, errors.New("workers, lease and drain must not be negative, and a lease has at least 3 ms")
	}
	if o.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "unknown"
		}
		o.Name = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	setDefault(&o.Workers, 1)
	setDefault(&o.Lease, 30*time.Second)
	setDefault(&o.Drain, 10*time.Second)
	if o.Stats == nil {
		o.Stats = new(Stats)
	}
	if o.Trouble == nil {
		o.Trouble = func(error) {}
	}
	return o, nil
}

// runner is one call of Run.
type runner struct {
	RunOptions
	queue   Queue
	handler Handler
	free    chan struct{} // one token a job that may be taken
	running sync.WaitGroup
}

// Run hands jobs to handler until ctx ends. Then it takes no more, lets the
// running handlers finish for up to Drain, ends the ctx of the others and gives
// their jobs back. It returns when all handlers have: nil after ctx ended,
// ErrClosed when the queue was closed before. A panic of a handler fails its
// job only.
func Run(ctx context.Context, q Queue, handler Handler, o RunOptions) error {
	o, err := o.withDefaults()
	if err != nil {
		return fmt.Errorf("run queue: %w", err)
	}
	r := &runner{RunOptions: o, queue: q, handler: handler, free: make(chan struct{}, o.Workers)}
	for range o.Workers {
		r.free <- struct{}{}
	}
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(errFinished)
	unwatch := context.AfterFunc(ctx, func() { time.AfterFunc(o.Drain, func() { stop(ErrDrained) }) })
	defer unwatch()
	err = r.dispatch(ctx, work)
	r.running.Wait()
	return err
}

// dispatch takes as many jobs as there are idle workers, so that none waits
// here while another process is idle.
func (r *runner) dispatch(ctx, work context.Context) error {
	for {
		n, err := r.idle(ctx)
		if err != nil {
			return nil //nolint:nilerr // ctx ended: that is how Run is told to stop
		}
		leases, err := r.queue.Lease(ctx, LeaseOptions{Worker: r.Name, Max: n, For: r.Lease})
		r.start(ctx, work, leases)
		for range n - len(leases) {
			r.free <- struct{}{}
		}
		if errors.Is(err, ErrClosed) {
			return fmt.Errorf("run queue: %w", err)
		}
		if err != nil && ctx.Err() == nil {
			r.Trouble(err)
			_ = Pause(ctx, troubleRest) // the loop asks ctx itself
		}
	}
}

// idle waits for an idle worker and takes all that are.
func (r *runner) idle(ctx context.Context) (n int, err error) {
	select {
	case <-r.free:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	for n = 1; n < 100; n++ {
		select {
		case <-r.free:
		default:
			return n, ctx.Err()
		}
	}
	return n, ctx.Err()
}

// start runs the jobs, or gives them back where ctx ended meanwhile.
func (r *runner) start(ctx, work context.Context, leases []Lease) {
	for _, l := range leases {
		r.Stats.leased.Add(1)
		r.running.Go(func() {
			defer func() { r.free <- struct{}{} }()
			if ctx.Err() != nil {
				r.release(work, l)
				return
			}
			r.work(work, l)
		})
	}
}

// Pause waits for d. When ctx ends before, the error is its cause.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
