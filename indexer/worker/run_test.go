package worker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"sightline/indexer/queue"
	"sightline/indexer/worker"
)

// forgetful tells of each Forget.
type forgetful struct {
	queue.Queue
	told chan queue.Expiry
	err  error
}

func (f *forgetful) Forget(ctx context.Context, e queue.Expiry) (int, error) {
	select {
	case f.told <- e:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if f.err != nil {
		return 0, f.err
	}
	return f.Queue.Forget(ctx, e)
}

// TestForgets: old jobs go at the start and regularly, also while that fails.
func TestForgets(t *testing.T) {
	var mu sync.Mutex
	now := time.Now().Add(-10 * 24 * time.Hour) // of the queue, when the jobs end
	q := open(t, queue.Settings{Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	for _, c := range []queue.Job{job(t, put(mug())), job(t, patch("none", `{"price":1}`))} {
		if _, err := q.Enqueue(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	runUntil(t, q, queue.Counts{Done: 1, Dead: 1}, worker.RunOptions{KeepEnded: 20 * 24 * time.Hour})
	mu.Lock()
	now = time.Now()
	mu.Unlock()
	runUntil(t, q, queue.Counts{Dead: 1}, worker.RunOptions{})
	runUntil(t, q, queue.Counts{}, worker.RunOptions{KeepDead: 24 * time.Hour})
}

// runUntil lets workers run until the queue has these counts.
func runUntil(t *testing.T, q queue.Queue, want queue.Counts, o worker.RunOptions) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	finished := make(chan error, 1)
	go func() { finished <- worker.Run(ctx, q, newShop().worker().Handle, o) }()
	for {
		got, err := q.Counts(ctx, "")
		if err != nil {
			t.Fatalf("%+v, want %+v: %v", got, want, err)
		}
		if got == want {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	cancel()
	if err := <-finished; err != nil {
		t.Fatal(err)
	}
}

func TestForgetsRegularly(t *testing.T) {
	q := &forgetful{Queue: open(t, queue.Settings{}), told: make(chan queue.Expiry), err: errors.New("away")}
	troubles := make(chan error, 10)
	o := worker.RunOptions{ForgetEvery: time.Millisecond}
	o.Trouble = func(err error) {
		select {
		case troubles <- err:
		default:
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	finished := make(chan error, 1)
	go func() { finished <- worker.Run(ctx, q, newShop().worker().Handle, o) }()
	start := time.Now()
	for range 3 {
		e := <-q.told
		if ended, dead := start.Sub(e.Ended), start.Sub(e.Dead); ended.Round(time.Hour) != 7*24*time.Hour || dead.Round(time.Hour) != 90*24*time.Hour {
			t.Errorf("forgets what ended %v and died %v ago", ended, dead)
		}
	}
	if err := <-troubles; !errors.Is(err, q.err) {
		t.Error(err)
	}
	cancel()
	if err := <-finished; err != nil {
		t.Error(err)
	}
}

func TestRunRefuses(t *testing.T) {
	q := open(t, queue.Settings{})
	for name, o := range map[string]worker.RunOptions{
		"ended": {KeepEnded: -1}, "dead": {KeepDead: -1}, "every": {ForgetEvery: -1}, "workers": {RunOptions: queue.RunOptions{Workers: -1}},
	} {
		if err := worker.Run(t.Context(), q, newShop().worker().Handle, o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if err := worker.Run(t.Context(), q, newShop().worker().Handle, worker.RunOptions{}); !errors.Is(err, queue.ErrClosed) {
		t.Errorf("of a closed queue: %v", err)
	}
}

// TestCancelled: a job whose ctx ends while another holds its item gives up,
// and nobody is told of its end.
func TestCancelled(t *testing.T) {
	s := newShop()
	inside, leave := make(chan struct{}), make(chan struct{})
	s.onWrite = func() {
		s.onWrite = nil
		close(inside)
		<-leave
	}
	var told int
	w := worker.New(worker.Parts{Importer: s, Index: s}, worker.Options{Observe: func(worker.Observation) { told++ }})
	first := make(chan error, 1)
	go func() {
		_, err := w.Handle(t.Context(), job(t, put(mug())))
		first <- err
	}()
	<-inside
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := w.Handle(ctx, job(t, remove("mug"))); !errors.Is(err, cause) || told != 0 {
		t.Errorf("%v, told %d times", err, told)
	}
	close(leave)
	if err := <-first; err != nil || told != 1 {
		t.Errorf("%v, told %d times", err, told)
	}
	want(t, w, job(t, remove("mug")), "deleted")
}
