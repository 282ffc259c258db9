package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// StagePanic is the stage of a failure that is a panic of the handler's.
const StagePanic = "panic"

// work runs one job to its report.
func (r *runner) work(ctx context.Context, l Lease) {
	r.Stats.running.Add(1)
	defer r.Stats.running.Add(-1)
	handling, finish := context.WithCancelCause(ctx)
	extended := make(chan struct{})
	go func() {
		defer close(extended)
		r.extend(handling, finish, l)
	}()
	outcome, err := r.call(handling, l.Job)
	lost := errors.Is(context.Cause(handling), ErrLeaseLost)
	finish(errFinished)
	<-extended // a report must not overtake an extension
	switch {
	case lost:
		r.reported(fmt.Errorf("job %s: %w", l.Job.ID, context.Cause(handling)))
	case err == nil:
		r.done(ctx, l, outcome)
	case errors.Is(context.Cause(handling), ErrDrained):
		r.release(ctx, l)
	default:
		r.fail(ctx, l, err)
	}
}

// call is the handler with panics as failures. They may be repeated: the memory
// that a picture needed too much of may be there next time.
func (r *runner) call(ctx context.Context, job Job) (outcome string, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.Stats.panics.Add(1)
			r.Trouble(fmt.Errorf("job %s: handler panicked: %v\n%s", job.ID, p, debug.Stack()))
			err = Failure{Stage: StagePanic, Reason: fmt.Sprint(p)}
		}
	}()
	return r.handler(ctx, job)
}

// extend keeps the lease while ctx lives, and ends the handler's ctx when that
// cannot be done any more. Three tries fit into a lease.
func (r *runner) extend(ctx context.Context, lose context.CancelCauseFunc, l Lease) {
	end := time.Now().Add(r.Lease)
	for {
		_ = Pause(ctx, r.Lease/3)
		if ctx.Err() != nil {
			return
		}
		asked := time.Now()
		attempt, cancel := context.WithDeadline(ctx, end)
		_, err := r.queue.Extend(attempt, l, r.Lease)
		cancel()
		switch {
		case err == nil:
			end = asked.Add(r.Lease)
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrLeaseLost) || !time.Now().Before(end):
			lose(fmt.Errorf("%w: %w", ErrLeaseLost, err))
			return
		default:
			r.Trouble(err)
		}
	}
}

// reporting is the time for a report, which also ctx's end does not take away:
// work that is done should not be done again.
func (r *runner) reporting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), r.Lease)
}

func (r *runner) done(ctx context.Context, l Lease, outcome string) {
	ctx, cancel := r.reporting(ctx)
	defer cancel()
	if r.reported(r.queue.Done(ctx, l, outcome)) {
		r.Stats.done.Add(1)
	}
}

func (r *runner) fail(ctx context.Context, l Lease, err error) {
	ctx, cancel := r.reporting(ctx)
	defer cancel()
	f, ok := errors.AsType[Failure](err)
	if !ok {
		f = Failure{Stage: "handler", Reason: err.Error()}
	}
	state, err := r.queue.Fail(ctx, l, f)
	if !r.reported(err) {
		return
	}
	r.Stats.failed.Add(1)
	if state == Dead {
		r.Stats.dead.Add(1)
	}
}

func (r *runner) release(ctx context.Context, l Lease) {
	ctx, cancel := r.reporting(ctx)
	defer cancel()
	if r.reported(r.queue.Release(ctx, l)) {
		r.Stats.released.Add(1)
	}
}

// reported tells whether the queue took a report. Where it did not, the job
// runs again.
func (r *runner) reported(err error) bool {
	if err == nil {
		return true
	}
	r.Stats.lost.Add(1)
	r.Trouble(err)
	return false
}
