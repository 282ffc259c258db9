package embedded

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"sightline/store"
	"sightline/store/embedded/scan"
	"sightline/store/filter"
)

// Search implements store.Index: every live vector that the filter leaves is
// compared, so the result is exact. The scan is split over GOMAXPROCS by
// chunks; each worker keeps its own best candidates and they are merged once.
func (x *Index) Search(ctx context.Context, q store.Query) ([]store.Hit, error) {
	if err := x.usable(ctx); err != nil {
		return nil, err
	}
	if err := q.Validate(x.matrix.dim); err != nil {
		return nil, err
	}
	s := newSearch(x.matrix, q)
	best := s.run(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ranked := best.ranked()
	ranked = ranked[min(q.Offset, len(ranked)):]
	hits := make([]store.Hit, len(ranked))
	for i, c := range ranked {
		hits[i] = store.Hit{Item: c.record.item.Clone(), Picture: c.record.picture, ITC: float64(c.score)}
	}
	return hits, nil
}

// search is one call of Search over one snapshot.
type search struct {
	snap     *snapshot
	query    []float32
	limit    int
	filter   filter.Expr
	excluded map[string]struct{}
	next     atomic.Int64 // chunk that the next free worker takes
}

func newSearch(m *matrix, q store.Query) *search {
	snap := m.current.Load()
	s := &search{snap: snap, query: q.Embedding, limit: min(q.K+q.Offset, snap.items), filter: q.Filter}
	if len(q.Exclude) > 0 {
		s.excluded = make(map[string]struct{}, len(q.Exclude))
		for _, id := range q.Exclude {
			s.excluded[id] = struct{}{}
		}
	}
	return s
}

// run returns the best candidates, or fewer when ctx ends.
func (s *search) run(ctx context.Context) *topK {
	workers := max(1, min(runtime.GOMAXPROCS(0), len(s.snap.chunks)))
	found := make([]*topK, workers)
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { found[w] = s.work(ctx) })
	}
	found[0] = s.work(ctx) // a small catalogue starts no goroutine at all
	wg.Wait()
	for _, other := range found[1:] {
		for _, c := range other.heap {
			found[0].push(c)
		}
	}
	return found[0]
}

// work takes chunks until none is left. A chunk is the step between looks at
// ctx: 4096 vectors of 256 take about 0.4 ms.
func (s *search) work(ctx context.Context) *topK {
	best := &topK{limit: s.limit}
	if s.limit == 0 {
		return best
	}
	for ctx.Err() == nil {
		i := int(s.next.Add(1)) - 1
		if i >= len(s.snap.chunks) {
			break
		}
		if s.filter != nil {
			s.snap.visit(i, s.filter, func(at location) { s.compare(at, best) })
			continue
		}
		for slot := range s.snap.filled(i) {
			s.compare(location{chunk: s.snap.chunks[i], slot: slot}, best)
		}
	}
	return best
}

// compare makes a filled slot a candidate if it is live and good enough. Most
// are not good enough, so the other questions come later.
func (s *search) compare(at location, best *topK) {
	score := scan.Dot(s.query, at.chunk.vector(at.slot, len(s.query)))
	if best.full() && score < best.heap[0].score || !s.snap.has(at) {
		return
	}
	rec := at.record()
	if _, skip := s.excluded[rec.item.ID]; !skip {
		best.push(candidate{score: score, record: rec})
	}
}
