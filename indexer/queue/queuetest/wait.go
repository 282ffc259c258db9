package queuetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"sightline/indexer/queue"
)

// result is what a Lease call in another goroutine came to.
type result struct {
	leases []queue.Lease
	err    error
	after  time.Duration
}

// leasing calls Lease in the background.
func leasing(ctx context.Context, q queue.Queue, d time.Duration) <-chan result {
	results := make(chan result, 1)
	start := time.Now()
	go func() {
		leases, err := q.Lease(ctx, queue.LeaseOptions{Worker: "w", Max: 1, For: d})
		results <- result{leases, err, time.Since(start)}
	}()
	return results
}

// testWaits checks what ends a waiting Lease, by the real clock.
func testWaits(t *testing.T, open Open) {
	settings := queue.Settings{Backoff: 200 * time.Millisecond, Random: func() float64 { return 0.99 }}
	for name, test := range map[string]func(*testing.T, queue.Queue){
		"Enqueue": waitsForEnqueue, "NotBefore": waitsForTime, "Key": waitsForKey, "Expiry": waitsForExpiry,
		"Backoff": waitsForBackoff, "Context": waitsForContext, "Close": waitsForClose,
	} {
		t.Run(name, func(t *testing.T) {
			q := open(t, settings)
			defer closing(t, q)
			test(t, q)
		})
	}
}

func enqueue(t testing.TB, q queue.Queue, jobs ...queue.Job) {
	t.Helper()
	for i := range jobs {
		jobs[i].Kind = "k"
	}
	_, err := q.Enqueue(t.Context(), jobs...)
	must(t, err)
}

// got checks that one job came, not before least.
func got(t testing.TB, results <-chan result, least time.Duration) queue.Lease {
	t.Helper()
	r := <-results
	if r.err != nil || len(r.leases) != 1 {
		t.Fatalf("leased %v, %v", r.leases, r.err)
	}
	// Redis's milliseconds are cut off; and a wake-up must not come by polling.
	if slack := r.after - least; slack < -2*time.Millisecond || slack > 30*time.Second {
		t.Fatalf("waited for %v, want %v", r.after, least)
	}
	return r.leases[0]
}

func waitsForEnqueue(t *testing.T, q queue.Queue) {
	results := leasing(t.Context(), q, time.Minute)
	time.Sleep(50 * time.Millisecond)
	enqueue(t, q, queue.Job{})
	got(t, results, 50*time.Millisecond)
}

func waitsForTime(t *testing.T, q queue.Queue) {
	start := time.Now()
	enqueue(t, q, queue.Job{NotBefore: start.Add(300 * time.Millisecond)})
	left := 300*time.Millisecond - time.Since(start)
	got(t, leasing(t.Context(), q, time.Minute), left)
}

func waitsForKey(t *testing.T, q queue.Queue) {
	enqueue(t, q, queue.Job{Key: "a"}, queue.Job{Key: "a"})
	first := got(t, leasing(t.Context(), q, time.Minute), 0)
	results := leasing(t.Context(), q, time.Minute)
	time.Sleep(50 * time.Millisecond)
	must(t, q.Done(t.Context(), first, ""))
	got(t, results, 50*time.Millisecond)
}

func waitsForExpiry(t *testing.T, q queue.Queue) {
	enqueue(t, q, queue.Job{})
	start := time.Now()
	got(t, leasing(t.Context(), q, 300*time.Millisecond), 0)
	left := 300*time.Millisecond - time.Since(start)
	got(t, leasing(t.Context(), q, time.Minute), left)
}

func waitsForBackoff(t *testing.T, q queue.Queue) {
	enqueue(t, q, queue.Job{})
	l := got(t, leasing(t.Context(), q, time.Minute), 0)
	start := time.Now()
	_, err := q.Fail(t.Context(), l, queue.Failure{})
	must(t, err)
	got(t, leasing(t.Context(), q, time.Minute), 198*time.Millisecond-time.Since(start))
}

func waitsForContext(t *testing.T, q queue.Queue) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	results := leasing(ctx, q, time.Minute)
	time.Sleep(20 * time.Millisecond)
	cancel(cause)
	if r := <-results; !errors.Is(r.err, cause) {
		t.Fatalf("got %v, %v", r.leases, r.err)
	}
	if _, err := q.Enqueue(ctx, queue.Job{Kind: "k"}); !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
		t.Fatalf("enqueue: %v", err)
	}
}

func waitsForClose(t *testing.T, q queue.Queue) {
	results := leasing(t.Context(), q, time.Minute)
	time.Sleep(20 * time.Millisecond)
	must(t, q.Close())
	if r := <-results; !errors.Is(r.err, queue.ErrClosed) {
		t.Fatalf("got %v, %v", r.leases, r.err)
	}
}
