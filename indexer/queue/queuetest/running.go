package queuetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sightline/indexer/queue"
)

// testRun checks queue.Run on a queue.
func testRun(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, queue.Queue){
		"Outcomes": runOutcomes, "Extends": runExtends, "LosesLease": runLosesLease, "Drains": runDrains, "GivesBack": runGivesBack, "Closed": runClosed,
	} {
		t.Run(name, func(t *testing.T) {
			q := open(t, queue.Settings{Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond})
			defer closing(t, q)
			test(t, q)
		})
	}
}

// running starts Run; the function ends it and returns its error.
func running(t *testing.T, q queue.Queue, h queue.Handler, o queue.RunOptions) (stop func() error) {
	t.Helper()
	cancel, wait := begin(t, q, h, o)
	return func() error { cancel(); return wait() }
}

// begin starts Run; cancel tells it to end, and wait returns its error.
func begin(t *testing.T, q queue.Queue, h queue.Handler, o queue.RunOptions) (cancel func(), wait func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- queue.Run(ctx, q, h, o) }()
	wait = sync.OnceValue(func() error { return <-ended })
	t.Cleanup(func() { cancel(); _ = wait() })
	return cancel, wait
}

// settled waits until no job needs a worker any more.
func settled(t testing.TB, q queue.Queue) queue.Counts {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		c, err := q.Counts(t.Context(), "")
		must(t, err)
		if c.Pending() == 0 {
			return c
		}
		if time.Now().After(end) {
			t.Fatalf("after two minutes: %+v", c)
		}
	}
}

func runOutcomes(t *testing.T, q queue.Queue) {
	var stats queue.Stats
	var troubles atomic.Int64
	stop := running(t, q, func(_ context.Context, j queue.Job) (string, error) {
		switch {
		case j.Key == "good", j.Attempt == 3:
			return "written", nil
		case j.Key == "panic":
			panic("no memory")
		case j.Key == "bad":
			return "", fmt.Errorf("picture: %w", queue.Failure{Stage: "decode", Reason: "no picture", Permanent: true})
		}
		return "", errors.New("503")
	}, queue.RunOptions{Name: "w", Workers: 3, Stats: &stats, Trouble: func(error) { troubles.Add(1) }})
	enqueue(t, q, queue.Job{Key: "good"}, queue.Job{Key: "panic"}, queue.Job{Key: "bad"}, queue.Job{Key: "flaky"})
	if c := settled(t, q); c != (queue.Counts{Done: 3, Dead: 1}) {
		t.Fatalf("counts: %+v", c)
	}
	must(t, stop())
	want := queue.StatsSnapshot{Leased: 8, Done: 3, Failed: 5, Dead: 1, Panics: 2}
	if got := stats.Snapshot(); got != want || troubles.Load() != 2 {
		t.Fatalf("stats: %+v, %d troubles, want %+v", got, troubles.Load(), want)
	}
	jobs, err := q.List(t.Context(), queue.ListOptions{})
	must(t, err)
	for i, want := range []queue.Failure{{}, {Stage: queue.StagePanic, Reason: "no memory"}, {Stage: "decode", Reason: "no picture"}, {Stage: "handler", Reason: "503"}} {
		if jobs[i].LastError != want || jobs[i].Worker != "w" {
			t.Errorf("job %d: %+v", i, jobs[i])
		}
	}
}

func runExtends(t *testing.T, q queue.Queue) {
	var calls atomic.Int64
	stop := running(t, q, func(ctx context.Context, _ queue.Job) (string, error) {
		calls.Add(1)
		select {
		case <-time.After(5 * time.Second):
			return "written", nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}, queue.RunOptions{Workers: 2, Lease: 4 * time.Second}) // a loaded disk takes a second or two for a commit
	enqueue(t, q, queue.Job{})
	if c := settled(t, q); c != (queue.Counts{Done: 1}) || calls.Load() != 1 {
		t.Fatalf("counts: %+v after %d calls", c, calls.Load())
	}
	must(t, stop())
}

// runLosesLease has a lease taken away under a handler: its ctx ends, and what
// it returns does not count.
func runLosesLease(t *testing.T, q queue.Queue) {
	var stats queue.Stats
	causes := make(chan error, 1)
	stop := running(t, thief{q}, func(ctx context.Context, j queue.Job) (string, error) {
		if j.Attempt == 1 {
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return "too late", nil
		}
		return "written", nil
	}, queue.RunOptions{Lease: 3 * time.Second, Stats: &stats}) // time enough to report the second attempt, on any disk
	enqueue(t, q, queue.Job{})
	if c := settled(t, q); c != (queue.Counts{Done: 1}) {
		t.Fatalf("counts: %+v", c)
	}
	must(t, stop())
	if cause := <-causes; !errors.Is(cause, queue.ErrLeaseLost) {
		t.Fatalf("the handler's ctx ended by %v", cause)
	}
	if s := stats.Snapshot(); s.Lost != 1 || s.Done != 1 {
		t.Fatalf("stats: %+v", s)
	}
}

// thief takes every job away that is to be extended at its first attempt.
type thief struct{ queue.Queue }

// Extend fails the job, then extends what is no longer held.
func (th thief) Extend(ctx context.Context, l queue.Lease, d time.Duration) (time.Time, error) {
	if l.Job.Attempt > 1 {
		return th.Queue.Extend(ctx, l, d)
	}
	_, failErr := th.Fail(ctx, l, queue.Failure{Stage: "test", Reason: "stolen"})
	until, err := th.Queue.Extend(ctx, l, d)
	return until, errors.Join(err, failErr)
}

func runDrains(t *testing.T, q queue.Queue) {
	started, release := make(chan struct{}), make(chan struct{})
	cancel, wait := begin(t, q, func(context.Context, queue.Job) (string, error) {
		close(started)
		<-release
		return "written", nil
	}, queue.RunOptions{Drain: time.Minute})
	enqueue(t, q, queue.Job{}, queue.Job{})
	<-started
	cancel()
	time.AfterFunc(100*time.Millisecond, func() { close(release) })
	must(t, wait())
	if c, err := q.Counts(t.Context(), ""); err != nil || c != (queue.Counts{Done: 1, Waiting: 1}) {
		t.Fatalf("counts: %+v, %v", c, err)
	}
}

func runGivesBack(t *testing.T, q queue.Queue) {
	var stats queue.Stats
	started := make(chan struct{})
	stop := running(t, q, func(ctx context.Context, _ queue.Job) (string, error) {
		close(started)
		<-ctx.Done()
		return "", context.Cause(ctx)
	}, queue.RunOptions{Drain: 10 * time.Millisecond, Stats: &stats})
	enqueue(t, q, queue.Job{})
	<-started
	must(t, stop())
	jobs, err := q.List(t.Context(), queue.ListOptions{})
	must(t, err)
	if jobs[0].State != queue.Waiting || jobs[0].Attempt != 0 || stats.Snapshot().Released != 1 {
		t.Fatalf("job: %+v, stats: %+v", jobs[0], stats.Snapshot())
	}
}

func runClosed(t *testing.T, q queue.Queue) {
	_, wait := begin(t, q, func(context.Context, queue.Job) (string, error) { return "", nil }, queue.RunOptions{})
	time.Sleep(20 * time.Millisecond) // by now it mostly waits for a job; if not, it finds the queue closed
	must(t, q.Close())
	if err := wait(); !errors.Is(err, queue.ErrClosed) {
		t.Fatalf("got %v", err)
	}
}
