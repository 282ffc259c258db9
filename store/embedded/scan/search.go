package scan

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// lowest is below every dot product and bound that check admits.
const lowest = -math.MaxFloat32

// Request says what to look for.
type Request struct {
	Query []float32
	K     int // most hits wanted; below 1 finds nothing
	// Allowed has bit s%64 of word s/64 set for each slot s that may be a hit;
	// nil allows all. Slots beyond its end are not allowed.
	Allowed []uint64
	// Before says whether slot a ranks before slot b where their Dot is equal;
	// a strict order. nil ranks the smaller slot first. It is called from
	// several goroutines.
	Before func(a, b uint32) bool
	// Same says whether two slots of a block, a < b, belong together. Those that
	// do lie side by side and are live and allowed all or none: only the best of
	// them is a hit, of equal ones the smallest slot. nil: none do. It is called
	// from several goroutines.
	Same func(a, b uint32) bool
}

// Search returns the K live and allowed slots with the largest Dot, best
// first, or all where there are fewer: exactly what computing Dot for each of
// them, leaving the best of those that belong together, and sorting would. The work is split by blocks over up to GOMAXPROCS
// goroutines, but not into shares below a block's worth of vectors.
func (s *Snapshot) Search(ctx context.Context, r Request) ([]Hit, error) {
	if err := check(r.Query, s.matrix.dim); err != nil {
		return nil, err
	}
	n := s.count(r.Allowed)
	if r.K = min(r.K, n); r.K < 1 {
		return nil, ctx.Err()
	}
	c := newScan(s, r, min(runtime.GOMAXPROCS(0), (n+s.matrix.slots-1)/s.matrix.slots))
	c.each(func(w *worker) { w.propose(ctx) })
	floor := c.raise(func(w *worker) *topK { return &w.sure })
	c.each(func(w *worker) { w.decide(ctx, floor) })
	c.raise(func(w *worker) *topK { return &w.best })
	c.each(func(w *worker) { w.decideRest(ctx, floor) })
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.merge(func(w *worker) *topK { return &w.best }).ranked(), nil
}

// scan is one search over one snapshot.
type scan struct {
	snap    *Snapshot
	query   *query
	allowed bitmap
	same    func(a, b uint32) bool
	next    atomic.Int64  // block that the next free worker takes
	floor   atomic.Uint32 // bits of a float32 that k hits are known to reach
	workers []*worker
}

func newScan(s *Snapshot, r Request, workers int) *scan {
	c := &scan{snap: s, query: newQuery(r.Query, s.matrix.stride), allowed: r.Allowed, same: r.Same}
	c.floor.Store(math.Float32bits(lowest))
	c.workers = make([]*worker, workers)
	for i := range c.workers {
		c.workers[i] = &worker{scan: c, sure: topK{limit: r.K}, best: topK{limit: r.K, before: r.Before}}
	}
	return c
}

// each runs one step on all workers and waits for them.
func (c *scan) each(step func(*worker)) {
	var wg sync.WaitGroup
	for _, w := range c.workers[1:] {
		wg.Go(func() { step(w) })
	}
	step(c.workers[0]) // a small share of vectors starts no goroutine at all
	wg.Wait()
}

// reach returns the floor, raised to f if that is higher.
func (c *scan) reach(f float32) float32 {
	for {
		old := c.floor.Load()
		if f <= math.Float32frombits(old) {
			return math.Float32frombits(old)
		}
		if c.floor.CompareAndSwap(old, math.Float32bits(f)) {
			return f
		}
	}
}

// raise returns the floor after raising it to what all workers know together:
// the best k of all reach higher than the best k of each.
func (c *scan) raise(of func(*worker) *topK) float32 {
	all := c.merge(of)
	if all.full() {
		return c.reach(all.heap[0].Dot)
	}
	return c.reach(lowest)
}

func (c *scan) merge(of func(*worker) *topK) *topK {
	all := *of(c.workers[0])
	all.heap = slices.Clone(all.heap)
	for _, other := range c.workers[1:] {
		for _, h := range of(other).heap {
			all.push(h)
		}
	}
	return &all
}

// candidate is a proposed slot with an interval that is sure to hold its Dot. Or
// it is what belongs together, from the first to the last proposed slot, with an
// interval that is sure to hold the largest Dot.
type candidate struct {
	slot, last   uint32
	lower, upper float32
}

// worker has what one goroutine needs for its share of the blocks.
type worker struct {
	*scan
	sure topK        // proposed slots with their lower bounds for Dot
	kept []candidate // those that may be hits
	most int         // length of kept that is worth pruning
	best topK        // the hits
}

// propose takes blocks until none is left. A block is the step between looks
// at ctx.
func (w *worker) propose(ctx context.Context) {
	m := w.snap.matrix
	out := &room{slots: make([]uint32, m.slots), dots: make([]int32, m.slots)}
	selected := make(bitmap, m.slots/64)
	for ctx.Err() == nil {
		i := int(w.next.Add(1)) - 1
		if i >= len(w.snap.parts) {
			break
		}
		if !w.snap.selected(i, w.allowed, selected) {
			continue
		}
		t := task{block: w.snap.parts[i].block, selected: selected, query: w.query, floor: w.known(&w.sure)}
		n := m.kernel.scan(t, out)
		w.keep(i, out.slots[:n], out.dots[:n])
	}
}

// known returns the floor after raising it to the worst of k hits.
func (w *worker) known(t *topK) float32 {
	if t.full() {
		return w.reach(t.heap[0].Dot)
	}
	return w.reach(lowest)
}

// keep adds what the kernel proposed of block i. The floor that the kernel had
// is that of the block's beginning, so most of the first proposals fall away
// here. A candidate counts for the floor when it is known to be complete.
func (w *worker) keep(i int, slots []uint32, dots []int32) {
	m, floor, from := w.snap.matrix, w.known(&w.sure), len(w.kept)
	for j, at := range slots {
		lower, upper := w.query.bounds(dots[j], w.snap.parts[i].block.metas[at])
		if upper < floor {
			continue
		}
		slot := uint32(i*m.slots) + at
		if len(w.kept) > from {
			c := &w.kept[len(w.kept)-1]
			if w.same != nil && w.same(c.slot, slot) {
				c.last, c.lower, c.upper = slot, max(c.lower, lower), max(c.upper, upper)
				continue
			}
			floor = w.raised(floor, *c)
		}
		w.kept = append(w.kept, candidate{slot: slot, last: slot, lower: lower, upper: upper})
	}
	if len(w.kept) > from {
		floor = w.raised(floor, w.kept[len(w.kept)-1])
	}
	w.prune(floor)
}

// raised returns the floor after counting a candidate.
func (w *worker) raised(floor float32, c candidate) float32 {
	if w.sure.push(Hit{Slot: c.slot, Dot: c.lower}); w.sure.full() {
		return max(floor, w.sure.heap[0].Dot)
	}
	return floor
}

// prune drops candidates that the floor has overtaken, so that ascending data
// do not make the list as long as the matrix.
func (w *worker) prune(floor float32) {
	if len(w.kept) <= w.most {
		return
	}
	w.kept = slices.DeleteFunc(w.kept, func(c candidate) bool { return c.upper < floor })
	w.most = 2*len(w.kept) + w.snap.matrix.slots
}

// decideStep is how many candidates are passed between looks at ctx: 2 ms where
// all are compared and none is in the cache.
const decideStep = 4096

// decide computes Dot for candidates whose lower bound reaches the floor. They
// are k, or more where bounds are equal, and the k-th best of them lifts the
// floor above most of the others.
func (w *worker) decide(ctx context.Context, floor float32) {
	w.compare(ctx, func(c candidate) bool { return c.lower >= floor })
}

// decideRest computes Dot for the others; floor is what decide had.
func (w *worker) decideRest(ctx context.Context, floor float32) {
	w.compare(ctx, func(c candidate) bool { return c.lower < floor && c.upper >= w.known(&w.best) })
}

func (w *worker) compare(ctx context.Context, wanted func(candidate) bool) {
	for i, c := range w.kept {
		if i%decideStep == 0 && ctx.Err() != nil {
			return
		}
		if wanted(c) {
			w.best.push(w.nearest(c))
		}
	}
}

// nearest compares the slots of a candidate.
func (w *worker) nearest(c candidate) Hit {
	best := Hit{Slot: c.slot, Dot: Dot(w.query.vector, w.snap.vector(c.slot))}
	for slot := c.slot + 1; slot <= c.last; slot++ {
		if dot := Dot(w.query.vector, w.snap.vector(slot)); dot > best.Dot {
			best = Hit{Slot: slot, Dot: dot}
		}
	}
	return best
}
