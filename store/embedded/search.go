package embedded

import (
	"context"
	"fmt"

	"sightline/store"
	"sightline/store/embedded/scan"
	"sightline/store/filter"
)

// Search implements store.Index. It is exact: store/embedded/scan compares
// every live vector that the filter leaves, most of them by their int8 codes.
func (x *Index) Search(ctx context.Context, q store.Query) ([]store.Hit, error) {
	if err := x.usable(ctx); err != nil {
		return nil, err
	}
	if err := q.Validate(x.matrix.dim); err != nil {
		return nil, err
	}
	snap, found, err := x.matrix.search(ctx, q)
	if err != nil {
		return nil, err
	}
	found = found[min(q.Offset, len(found)):]
	hits := make([]store.Hit, len(found))
	for i, h := range found {
		rec := snap.record(h.Slot)
		hits[i] = store.Hit{Item: rec.item.Clone(), Picture: rec.picture, ITC: float64(h.Dot)}
		if view := int(h.Slot - snap.first(h.Slot)); view > 0 {
			hits[i].View, hits[i].Picture = view, rec.views()[view-1]
		}
	}
	return hits, nil
}

// search returns for each of the first K + Offset items that answer a query the
// slot of its nearest picture, and the snapshot that they are of.
func (m *matrix) search(ctx context.Context, q store.Query) (*snapshot, []scan.Hit, error) {
	done, err := m.admit(ctx, m.searches)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	s, err := m.newSearch(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	find := s.nearest
	if q.GroupBy != "" {
		find = s.nearestGroups
	}
	found, err := find(ctx, q.K+q.Offset)
	return s.snap, found, err
}

// search is one call of Search over one snapshot.
type search struct {
	snap    *snapshot
	query   []float32
	groupBy string
	allowed []uint64 // as scan.Request has it
}

func (m *matrix) newSearch(ctx context.Context, q store.Query) (*search, error) {
	snap, excluded := m.find(q.Exclude)
	s := &search{snap: snap, query: q.Embedding, groupBy: q.GroupBy}
	if q.Filter == nil && len(excluded) == 0 {
		return s, nil
	}
	if err := s.allow(ctx, q.Filter); err != nil {
		return nil, err
	}
	for _, slot := range excluded {
		s.drop(slot)
	}
	return s, nil
}

// allow leaves all slots of the items that match a filter, nil for all. Chunks
// write to parts of allowed that share no word.
func (s *search) allow(ctx context.Context, e filter.Expr) error {
	words := s.snap.slots / 64
	s.allowed = make([]uint64, words*len(s.snap.chunks))
	spare := make([]spareSets, s.snap.workers())
	return s.snap.eachChunk(ctx, func(worker, i int) {
		part := slotSet(s.allowed[words*i : words*(i+1)])
		s.snap.matching(i, e, &spare[worker], part)
		s.snap.addViews(i, part)
	})
}

// nearest returns the best slots of the k best items, best first.
func (s *search) nearest(ctx context.Context, k int) ([]scan.Hit, error) {
	r := scan.Request{Query: s.query, K: k, Allowed: s.allowed, Before: s.before}
	if s.snap.views > 0 {
		r.Same = func(a, b uint32) bool { return s.snap.record(a) == s.snap.record(b) }
	}
	hits, err := s.snap.vectors.Search(ctx, r)
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("scan vectors: %w", err)
	}
	return hits, err
}

// before orders slots of equal dot products.
func (s *search) before(a, b uint32) bool { return s.snap.record(a).item.ID < s.snap.record(b).item.ID }
