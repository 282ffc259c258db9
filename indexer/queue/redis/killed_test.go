package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"sightline/indexer/queue"
	"sightline/indexer/queue/queuetest"
	"sightline/indexer/queue/redis"
	"sightline/store"
	"sightline/store/cache/redistest"
)

const (
	childVariable = "SIGHTLINE_TEST_QUEUE_REDIS" // makes the test binary a worker on the queue at that address
	logVariable   = "SIGHTLINE_TEST_QUEUE_LOG"
	childLease    = 2 * time.Second
	workers       = 4
)

func settings() queue.Settings {
	return queue.Settings{MaxEvents: 1_000_000, Backoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond}
}

// child works until it is killed.
func child(address string) {
	ctx := context.Background()
	client := redis.NewClient(goredis.Options{Addr: address})
	q, err := redis.Open(ctx, redis.Options{Client: client, Settings: settings()})
	if err == nil {
		err = queuetest.Work(ctx, q, 0, childLease, os.Getenv(logVariable))
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKilled has four processes work on one queue. They are killed again and
// again, and so is Redis, which writes its append-only file as by default
// (everysec), while jobs come in: every job ends, exactly once, those of a key
// in order. 2,000 jobs; with SIGHTLINE_TEST_LONG=1 10,000.
func TestKilled(t *testing.T) {
	n := 2000
	if queuetest.Long() {
		n = 10_000
	}
	server := redistest.Start(t, "--appendonly", "yes")
	q, err := redis.Open(t.Context(), redis.Options{Client: newClient(t, server.Address()), Settings: settings()})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	log := filepath.Join(t.TempDir(), "log")
	var ws []*queuetest.Worker
	for range workers {
		w := queuetest.NewWorker(t, childVariable+"="+server.Address(), logVariable+"="+log)
		w.Start()
		ws = append(ws, w)
	}
	enqueued, disturbed := make(chan error, 1), make(chan struct{})
	go func() { enqueued <- enqueueAll(t.Context(), q, n, disturbed) }()
	random := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano())))
	kills, restarts := 0, 0
	for end := time.Now().Add(5 * time.Minute); ; {
		time.Sleep(time.Duration(50+random.Int64N(200)) * time.Millisecond)
		if kills%6 == 5 {
			server.Kill()
			time.Sleep(time.Duration(random.Int64N(200)) * time.Millisecond)
			server.Restart()
			restarts++
		}
		w := ws[random.IntN(workers)]
		w.Kill()
		if kills++; kills == 12 {
			close(disturbed)
		}
		w.Start()
		c, err := q.Counts(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if c.Total() == int64(n) && c.Pending() < int64(n)/100 { // the last ones are left in peace
			break
		}
		if time.Now().After(end) {
			t.Fatalf("after 5 minutes: %+v", c)
		}
	}
	if err := <-enqueued; err != nil {
		t.Fatal(err)
	}
	settle(t, q)
	t.Logf("workers killed %d times, Redis %d times", kills, restarts)
	queuetest.CheckCatalogue(t, q, n)
	queuetest.CheckLog(t, q, n, log)
}

// enqueueAll keeps half of the jobs until much was disturbed, however quick the
// workers are.
func enqueueAll(ctx context.Context, q queue.Queue, n int, disturbed <-chan struct{}) error {
	for i, jobs := 0, queuetest.Catalogue(n); i < n; i += 10 {
		if i == n/2 {
			select {
			case <-disturbed:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if _, err := q.Enqueue(ctx, jobs[i:i+10]...); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

func settle(t *testing.T, q queue.Queue) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if c, err := q.Counts(t.Context(), ""); err != nil || time.Now().After(end) {
			t.Fatalf("after a minute: %+v, %v", c, err)
		} else if c.Pending() == 0 {
			return
		}
	}
}

// TestOutage checks what callers see of a Redis that is away: a clear error
// within the time they give, or success when it comes back in time.
func TestOutage(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "yes")
	q, err := redis.Open(t.Context(), redis.Options{Client: newClient(t, server.Address()), RetryFor: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	add := func(ctx context.Context) error {
		_, err := q.Enqueue(ctx, queue.Job{Kind: "k"})
		return err
	}
	if err := add(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if err := add(t.Context()); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("after RetryFor: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := add(ctx); !errors.Is(err, queue.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the caller's deadline: %v", err)
	}
	if _, err := q.Lease(t.Context(), queue.LeaseOptions{Max: 1, For: time.Second}); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("lease: %v", err)
	}
	server.Restart()
	if err := add(t.Context()); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	if c, err := q.Counts(t.Context(), ""); err != nil || c.Waiting != 2 {
		t.Errorf("counts: %+v, %v", c, err)
	}
}

// TestWithoutFile shows what docs/queue.md says of a Redis that keeps nothing.
func TestWithoutFile(t *testing.T) {
	server := redistest.Start(t)
	q, err := redis.Open(t.Context(), redis.Options{Client: newClient(t, server.Address())})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	warnings, err := q.Warnings(t.Context())
	if err != nil || len(warnings) != 1 {
		t.Fatalf("warnings: %q, %v", warnings, err)
	}
	if _, err := q.Enqueue(t.Context(), queue.Job{Kind: "k"}); err != nil {
		t.Fatal(err)
	}
	leases, err := q.Lease(t.Context(), queue.LeaseOptions{Max: 1, For: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Restart()
	if c, err := q.Counts(t.Context(), ""); err != nil || c.Total() != 0 {
		t.Errorf("counts: %+v, %v", c, err)
	}
	if err := q.Done(t.Context(), leases[0], ""); !errors.Is(err, queue.ErrLeaseLost) {
		t.Errorf("done: %v", err)
	}
}

func TestWarnings(t *testing.T) {
	for want, args := range map[int][]string{
		0: {"--appendonly", "yes", "--maxmemory-policy", "volatile-lru"},
		1: {"--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"},
	} {
		q, err := redis.Open(t.Context(), redis.Options{Client: newClient(t, redistest.Start(t, args...).Address())})
		if err != nil {
			t.Fatal(err)
		}
		if warnings, err := q.Warnings(t.Context()); err != nil || len(warnings) != want {
			t.Errorf("%q: %q, %v", args, warnings, err)
		}
		q.Close()
	}
}

func TestFull(t *testing.T) {
	server := redistest.Start(t, "--maxmemory", "3mb")
	q, err := redis.Open(t.Context(), redis.Options{Client: newClient(t, server.Address())})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for range 100 {
		if _, err = q.Enqueue(t.Context(), queue.Job{Kind: "k", Payload: make([]byte, 100_000)}); err != nil {
			break
		}
	}
	if !errors.Is(err, store.ErrNoSpace) {
		t.Fatalf("a full Redis: %v", err)
	}
	// What is stored can be worked off.
	leases, err := q.Lease(t.Context(), queue.LeaseOptions{Max: 1, For: time.Minute})
	if err == nil && len(leases) == 1 {
		err = q.Done(t.Context(), leases[0], "written")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestWoken has a Lease wait that would look again after an hour only, and a
// job come from another client.
func TestWoken(t *testing.T) {
	server := redistest.Start(t)
	var queues []*redis.Queue
	for range 2 {
		q, err := redis.Open(t.Context(), redis.Options{Client: newClient(t, server.Address()), Poll: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		queues = append(queues, q)
	}
	time.AfterFunc(500*time.Millisecond, func() {
		if _, err := queues[1].Enqueue(t.Context(), queue.Job{Kind: "k"}); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := queues[0].Lease(ctx, queue.LeaseOptions{Max: 1, For: time.Minute}); err != nil {
		t.Fatal(err)
	}
}
