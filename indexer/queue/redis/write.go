package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"sightline/indexer/queue"
)

// One script gets so many jobs and bytes of payload at most: Redis does nothing
// else meanwhile (100 jobs: about 3 ms).
const (
	jobsAtOnce  = 100
	bytesAtOnce = 4 << 20
)

var errReply = errors.New("a script has answered in an unknown form; this is a bug")

// Enqueue is queue.Queue's: a hundred jobs at a time.
func (q *Queue) Enqueue(ctx context.Context, jobs ...queue.Job) ([]queue.Enqueued, error) {
	prepared, err := q.settings.Prepare(&q.ids, jobs)
	if err != nil {
		return nil, err
	}
	var results []queue.Enqueued
	for len(prepared) > 0 {
		n := atOnce(prepared)
		reply, err := q.run(ctx, q.scripts.enqueue, q.enqueueArgs(prepared[:n])...)
		if err != nil {
			return results, fmt.Errorf("enqueue: %w", err)
		}
		words, ok := reply.([]any)
		if !ok || len(words) != 2*n {
			return results, errReply
		}
		for i := 0; i < len(words); i += 2 {
			results = append(results, queue.Enqueued{ID: fmt.Sprint(words[i+1]), Status: queue.Status(fmt.Sprint(words[i]))})
		}
		prepared = prepared[n:]
	}
	return results, nil
}

func atOnce(jobs []queue.Job) (n int) {
	bytes := 0
	for n < min(len(jobs), jobsAtOnce) && (n == 0 || bytes+len(jobs[n].Payload) <= bytesAtOnce) {
		bytes += len(jobs[n].Payload)
		n++
	}
	return n
}

func (q *Queue) enqueueArgs(jobs []queue.Job) []any {
	args := make([]any, 0, 1+11*len(jobs))
	args = append(args, q.settings.DedupeWindow.Milliseconds())
	for _, j := range jobs {
		args = append(args, j.ID, j.Kind, j.Key, j.Group, j.DedupeID, versionString(j.Version), milliseconds(j.NotBefore), j.MaxAttempts, j.Payload,
			j.TraceParent, j.TraceState)
	}
	return args
}

// Lease is queue.Queue's. It looks when a script of any process says so, when
// something becomes ready by time, and every Poll. A look is not cut short by
// ctx: jobs that an unread answer holds would wait for their lease to expire.
func (q *Queue) Lease(ctx context.Context, o queue.LeaseOptions) ([]queue.Lease, error) {
	o, err := o.Check()
	if err != nil {
		return nil, err
	}
	for {
		woken := q.wake.channel()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("lease: %w", context.Cause(ctx))
		}
		leases, wait, err := q.tryLease(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("lease: %w", err)
		}
		if len(leases) > 0 || o.NoWait {
			return leases, nil
		}
		if wait < 0 || wait > q.poll {
			wait = q.poll
		}
		q.sleep(ctx, woken, wait)
	}
}

// sleep waits for whatever comes first; what it was does not matter.
func (q *Queue) sleep(ctx context.Context, woken <-chan struct{}, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-woken:
	case <-t.C:
	case <-ctx.Done():
	case <-q.wake.done:
	}
}

func (q *Queue) tryLease(ctx context.Context, o queue.LeaseOptions) ([]queue.Lease, time.Duration, error) {
	token := rand.Text()
	args := []any{q.now(), q.settings.MaxEvents, o.Max, o.For.Milliseconds(), token, o.Worker, expireAtOnce, queue.StageLease, queue.Expired("%s")}
	var reply []any
	err := q.try(ctx, func(ctx context.Context) (err error) {
		reply, err = q.scripts.lease.Run(context.WithoutCancel(ctx), q.client, []string{q.prefix}, args...).Slice()
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	if len(reply) < 2 {
		return nil, 0, errReply
	}
	wait, until := number(reply[0]), timeOf(number(reply[1]))
	var leases []queue.Lease
	for i := 2; i+1 < len(reply); i += 2 {
		id, isID := reply[i].(string)
		fields, isList := reply[i+1].([]any)
		if !isID || !isList {
			return nil, 0, errReply
		}
		leases = append(leases, queue.Lease{Job: jobOf(id, pairs(fields)), Token: token, Until: until})
	}
	return leases, time.Duration(wait) * time.Millisecond, nil
}

// report ends or extends a lease.
func (q *Queue) report(ctx context.Context, l queue.Lease, verb string, args ...any) (queue.State, int64, error) {
	reply, err := q.run(ctx, q.scripts.report, append([]any{l.Job.ID, l.Token, verb}, args...)...)
	if err != nil {
		return "", 0, fmt.Errorf("job %s: %w", l.Job.ID, err)
	}
	words, ok := reply.([]any)
	if !ok || len(words) != 2 {
		return "", 0, errReply
	}
	if words[0] == "lost" {
		return "", 0, fmt.Errorf("job %s: %w", l.Job.ID, queue.ErrLeaseLost)
	}
	return queue.State(fmt.Sprint(words[0])), number(words[1]), nil
}

// Extend is queue.Queue's.
func (q *Queue) Extend(ctx context.Context, l queue.Lease, d time.Duration) (time.Time, error) {
	if d < time.Millisecond {
		return time.Time{}, fmt.Errorf("extend a lease by %v: at least a millisecond is needed", d)
	}
	_, until, err := q.report(ctx, l, "extended", d.Milliseconds())
	if err != nil {
		return time.Time{}, err
	}
	return timeOf(until), nil
}

// Done is queue.Queue's.
func (q *Queue) Done(ctx context.Context, l queue.Lease, outcome string) error {
	_, _, err := q.report(ctx, l, "done", queue.Clip(outcome, queue.MaxOutcome))
	return err
}

// Fail is queue.Queue's.
func (q *Queue) Fail(ctx context.Context, l queue.Lease, f queue.Failure) (queue.State, error) {
	f = f.Clipped()
	state, _, err := q.report(ctx, l, "failed", f.Stage, f.Reason, q.settings.Delay(l.Job.Attempt).Milliseconds(), f.Permanent)
	return state, err
}

// Release is queue.Queue's.
func (q *Queue) Release(ctx context.Context, l queue.Lease) error {
	_, _, err := q.report(ctx, l, "released")
	return err
}
