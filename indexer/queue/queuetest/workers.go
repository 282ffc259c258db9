package queuetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"sightline/indexer/queue"
)

// LongVariable set to 1 runs everything at its full size.
const LongVariable = "SIGHTLINE_TEST_LONG"

// Long tells whether LongVariable is set.
func Long() bool { return os.Getenv(LongVariable) == "1" }

// Jobs is how many jobs the tests of workers use.
func Jobs() int {
	switch {
	case Long():
		return 10_000
	case Race:
		return 500
	}
	return 2000
}

// Catalogue makes n jobs over n/5 keys with fixed IDs: most without version, so
// that all of them run in order, some of them versions in and out of order.
// Their payload is their number.
func Catalogue(n int) []queue.Job {
	jobs := make([]queue.Job, n)
	for i := range jobs {
		key := i % (n / 5)
		jobs[i] = queue.Job{
			ID: fmt.Sprintf("%026d", i+1), Kind: "upsert", Key: fmt.Sprint("item ", key), Group: fmt.Sprint("request ", i%7),
			Payload: fmt.Append(nil, i), MaxAttempts: 1000,
		}
		if key%4 == 0 {
			jobs[i].Version = int64(1 + (i/(n/5)*3)%5) // 1, 4, 2, 5, 3
		}
	}
	return jobs
}

// CheckCatalogue checks that every job of Catalogue(n) has ended, as the
// contract wants, whatever happened to workers and queue: exactly one final
// event a job; leases of a key one after the other, in order; the newest version
// of a key done last. The queue's MaxEvents must have held them all.
func CheckCatalogue(t testing.TB, q queue.Queue, n int) {
	t.Helper()
	jobs := Catalogue(n)
	number := make(map[string]int, n)
	for i, j := range jobs {
		number[j.ID] = i
	}
	h := history{t: t, jobs: jobs, leased: make(map[string]int), final: make(map[int]queue.State), last: make(map[string]int), version: make(map[string]int64)}
	for e, err := range q.Events(t.Context(), 0) {
		must(t, err)
		i, ok := number[e.Job]
		if !ok {
			t.Fatalf("event of an unknown job: %+v", e)
		}
		h.add(e, i)
	}
	done := 0
	for i, j := range jobs {
		state := h.final[i]
		if state == queue.Done {
			done++
		}
		if state != queue.Done && (state != queue.Superseded || j.Version == 0) {
			t.Errorf("job %d, version %d, ended as %q", i, j.Version, state)
		}
		if j.Version > 0 && h.version[j.Key] != 5 {
			t.Errorf("%s has version %d in the end", j.Key, h.version[j.Key])
		}
	}
	if c, err := q.Counts(t.Context(), ""); err != nil || c != (queue.Counts{Done: int64(done), Superseded: int64(n - done)}) {
		t.Errorf("counts: %+v, %v, want %d done", c, err, done)
	}
}

// history replays the events of a queue.
type history struct {
	t       testing.TB
	jobs    []queue.Job
	leased  map[string]int // job by key
	final   map[int]queue.State
	last    map[string]int   // job that was done last, by key
	version map[string]int64 // of that job
}

func (h *history) add(e queue.Event, i int) {
	h.t.Helper()
	if state, ok := h.final[i]; ok {
		h.t.Errorf("job %d went from %s to %s", i, state, e.State)
	}
	if holder, ok := h.leased[e.Key]; ok && e.State == queue.Leased {
		h.t.Errorf("jobs %d and %d of %s are leased at once", holder, i, e.Key)
	}
	if holder, ok := h.leased[e.Key]; ok && holder == i {
		delete(h.leased, e.Key)
	}
	switch e.State {
	case queue.Leased:
		h.leased[e.Key] = i
	case queue.Done:
		if last, ok := h.last[e.Key]; ok && last > i {
			h.t.Errorf("job %d was done after %d of the same key", i, last)
		}
		h.last[e.Key], h.version[e.Key] = i, h.jobs[i].Version
		h.final[i] = e.State
	case queue.Superseded, queue.Dead:
		h.final[i] = e.State
	}
}

// testWorkers lets four workers die again and again in the middle of a job, by
// forgetting it, while more jobs come in.
func testWorkers(t *testing.T, open Open) {
	const workers = 4
	n := Jobs()
	q := open(t, queue.Settings{MaxEvents: 1_000_000, Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond})
	defer closing(t, q)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var handled sync.Map // job by its number of calls
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 7)) //nolint:gosec // what can be repeated
			for {
				leases, err := q.Lease(ctx, queue.LeaseOptions{Worker: fmt.Sprint(w), Max: 1 + random.IntN(3), For: 500 * time.Millisecond})
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					return
				}
				for _, l := range leases {
					if err := endSomehow(context.WithoutCancel(ctx), q, l, random); err != nil && !errors.Is(err, queue.ErrLeaseLost) {
						t.Error(err)
					}
					handled.Store(l.Job.ID, true)
				}
			}
		})
	}
	for i, jobs := 0, Catalogue(n); i < n; i += 100 {
		_, err := q.Enqueue(t.Context(), jobs[i:i+100]...)
		must(t, err)
	}
	settled(t, q)
	cancel()
	group.Wait()
	CheckCatalogue(t, q, n)
	for _, j := range Catalogue(n) {
		if _, ok := handled.Load(j.ID); !ok && j.Version == 0 {
			t.Errorf("job %s was never handed out", j.ID)
		}
	}
}

// endSomehow mostly ends a job well, one time in fifty not at all.
func endSomehow(ctx context.Context, q queue.Queue, l queue.Lease, random *rand.Rand) (err error) {
	switch random.IntN(50) {
	case 0:
		return nil // the worker has died
	case 1, 2:
		_, err = q.Fail(ctx, l, queue.Failure{Stage: "test", Reason: "by chance"})
	case 3:
		err = q.Release(ctx, l)
	case 4:
		_, extendErr := q.Extend(ctx, l, time.Second)
		err = cmp.Or(extendErr, q.Done(ctx, l, "written"))
	default:
		err = q.Done(ctx, l, "written")
	}
	return err
}
