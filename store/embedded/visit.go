package embedded

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"sightline/store/filter"
)

// eachChunk calls do for the number of each chunk that has items, on up to
// GOMAXPROCS goroutines; worker, from 0 to workers()-1, tells them apart. A
// chunk is the step between looks at ctx.
func (s *snapshot) eachChunk(ctx context.Context, do func(worker, i int)) error {
	var next atomic.Int64
	work := func(worker int) {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= len(s.chunks) {
				break
			}
			if s.live(i) != nil {
				do(worker, i)
			}
		}
	}
	var wg sync.WaitGroup
	for worker := 1; worker < s.workers(); worker++ {
		wg.Go(func() { work(worker) })
	}
	work(0) // a small catalogue starts no goroutine at all
	wg.Wait()
	return ctx.Err()
}

func (s *snapshot) workers() int { return max(1, min(runtime.GOMAXPROCS(0), len(s.chunks))) }

// admitted is how many goroutines may look through chunks at a time: enough
// that the processors have work while others wait for memory or finish up.
func admitted() int64 { return 2 * int64(runtime.GOMAXPROCS(0)) }

// admit waits at a gate until a call that looks through the chunks may start,
// and returns how it says that it is done. Calls start in the order in which
// they came. Running all at once instead would finish none of them sooner, and
// a write would wait for its turn on a processor behind all of them: with eight
// goroutines searching 100,000 items on two cores, a batch of 1000 took 250 ms
// instead of 77. Searches have a gate of their own, since facets may take far
// longer.
func (m *matrix) admit(ctx context.Context, gate *semaphore.Weighted) (done func(), err error) {
	n := min(int64(m.current.Load().workers()), admitted())
	if err := gate.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { gate.Release(n) }, nil
}

// matching makes an empty set that of the items of chunk i that match, by their
// first slots.
func (s *snapshot) matching(i int, e filter.Expr, spare *spareSets, into slotSet) {
	live := s.live(i)
	switch x := s.chunks[i].index.Load(); {
	case e == nil:
		into.or(live)
		s.dropViews(i, into)
	case x != nil:
		matcher{chunkIndex: x, spare: spare}.match(e, into)
		into.and(live)
		into.andNot(x.views)
	default:
		records := s.chunks[i].records
		for slot := range live.all {
			if !isView(records, slot) && records[slot].item.Matches(e) {
				into.add(slot)
			}
		}
	}
}

// visit calls do, on several goroutines, with the items of each chunk that
// match, by their first slots. The set is do's until it returns.
func (s *snapshot) visit(ctx context.Context, e filter.Expr, do func(worker, i int, matching slotSet)) error {
	spare := make([]spareSets, s.workers())
	return s.eachChunk(ctx, func(worker, i int) {
		set := spare[worker].take(s.slots / 64)
		s.matching(i, e, &spare[worker], set)
		do(worker, i, set)
		spare[worker].give(set)
	})
}
