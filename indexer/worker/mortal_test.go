package worker_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sightline/indexer"
	"sightline/indexer/queue"
	"sightline/indexer/queue/queuetest"
	"sightline/indexer/worker"
)

// mortal is a few workers that take jobs and die at any time, by a clock of
// their own.
type mortal struct {
	*shop
	q      queue.Queue
	w      *worker.Worker
	pick   func(n int) int
	now    time.Time
	leased []queue.Lease
}

// step is one thing that happens; calm lets nobody die.
func (m *mortal) step(t testing.TB, calm bool) {
	t.Helper()
	if len(m.leased) == 0 || m.pick(3) == 0 {
		leases, err := m.q.Lease(t.Context(), queue.LeaseOptions{Worker: "w", Max: 1 + m.pick(3), For: time.Minute, NoWait: true})
		if err != nil {
			t.Fatal(err)
		}
		if m.leased = append(m.leased, leases...); len(m.leased) == 0 {
			m.now = m.now.Add(time.Second) // for what waits after a failure
		}
		return
	}
	i := m.pick(len(m.leased))
	l := m.leased[i]
	m.leased = append(m.leased[:i:i], m.leased[i+1:]...)
	does := 6
	if !calm {
		does = m.pick(7)
	}
	switch does {
	case 0: // all die, before they have begun
		m.leased, m.now = nil, m.now.Add(2*time.Minute)
	case 1: // this one dies when it has done its work
		m.w.Handle(t.Context(), l.Job)
		m.leased, m.now = nil, m.now.Add(2*time.Minute)
	case 2:
		m.w.Handle(t.Context(), l.Job)
		m.must(t, m.q.Release(t.Context(), l))
	case 3:
		m.onDo = func(indexer.Record) (indexer.Outcome, error) {
			return temporary(indexer.StageFetch, "by chance"), nil
		}
		m.report(t, l)
		m.onDo = nil
	case 4:
		m.w.Handle(t.Context(), l.Job)
		m.report(t, l)
	default:
		m.report(t, l)
	}
}

func (m *mortal) report(t testing.TB, l queue.Lease) {
	t.Helper()
	outcome, err := m.w.Handle(t.Context(), l.Job)
	if err == nil {
		m.must(t, m.q.Done(t.Context(), l, outcome))
		return
	}
	f, _ := errors.AsType[queue.Failure](err)
	_, err = m.q.Fail(t.Context(), l, f)
	m.must(t, err)
}

func (m *mortal) must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestMortalWorkers: whatever workers do, the catalogue ends as if every change
// had been made once, in order.
func TestMortalWorkers(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		pick := func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "choice") }
		m := &mortal{shop: newShop(), pick: pick, now: time.Unix(1e9, 0)}
		m.w = m.worker()
		m.q = open(t, queue.Settings{MaxAttempts: 1000, Backoff: time.Millisecond, MaxBackoff: time.Millisecond, Now: func() time.Time { return m.now }})
		defer m.q.Close()
		sequential := newModel(pick)
		ends := sequential.enqueue(t, m.q, rapid.IntRange(1, 15).Draw(r, "changes"))
		for i := 0; ; i++ {
			if c, err := m.q.Counts(t.Context(), ""); err != nil || c.Pending() == 0 {
				m.must(t, err)
				break
			}
			m.step(t, i > 100)
		}
		sequential.check(r, m.shop, m.q, ends)
	})
}

// TestRun does changes of a few items by the real clock, in programs that end
// again and again in the middle of their work, with dependencies that break.
func TestRun(t *testing.T) {
	n := 300
	if queuetest.Race {
		n = 100
	}
	random := rand.New(rand.NewPCG(1, 2))
	q := open(t, queue.Settings{MaxAttempts: 1000, Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond})
	s := newShop()
	sequential := newModel(random.IntN)
	ends := sequential.enqueue(t, q, n)
	var calls atomic.Int64
	w := s.worker()
	for end := false; !end; {
		ctx, cancel := context.WithCancel(t.Context())
		var once sync.Once
		handler := func(work context.Context, j queue.Job) (string, error) {
			switch i := calls.Add(1); {
			case i%7 == 0:
				once.Do(cancel) // the program is told to end
				<-work.Done()   // and this one is not finished in time
				w.Handle(context.WithoutCancel(work), j)
				return "", work.Err()
			case i%5 == 0:
				return "", errors.New("broken")
			}
			return w.Handle(work, j)
		}
		o := worker.RunOptions{RunOptions: queue.RunOptions{Workers: 4, Drain: time.Millisecond}}
		finished := make(chan error, 1)
		go func() { finished <- worker.Run(ctx, q, handler, o) }()
		end = settled(t, q, finished)
		cancel()
		if !end {
			continue
		}
		if err := <-finished; err != nil {
			t.Fatal(err)
		}
	}
	sequential.check(t, s, q, ends)
}

// settled waits until all jobs have ended, or the workers have.
func settled(t testing.TB, q queue.Queue, finished chan error) bool {
	t.Helper()
	for {
		c, err := q.Counts(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if c.Pending() == 0 {
			return true
		}
		select {
		case err := <-finished:
			if err != nil {
				t.Fatal(err)
			}
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}
