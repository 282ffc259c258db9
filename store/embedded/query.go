package embedded

import (
	"cmp"
	"context"
	"slices"

	"sightline/store"
	"sightline/store/filter"
)

// Count implements store.Index.
func (x *Index) Count(ctx context.Context, e filter.Expr) (int, error) {
	if err := x.usable(ctx); err != nil {
		return 0, err
	}
	snap := x.matrix.current.Load()
	if e == nil {
		return snap.items, nil
	}
	count := 0
	err := snap.visitAll(ctx, e, func(location) { count++ })
	if err != nil {
		return 0, err
	}
	return count, nil
}

// Facets implements store.Index. It looks at each item that matches.
func (x *Index) Facets(ctx context.Context, e filter.Expr, fields []string, limit int) (map[string][]store.FacetCount, error) {
	if err := x.usable(ctx); err != nil {
		return nil, err
	}
	if err := store.ValidateFacets(fields, limit); err != nil {
		return nil, err
	}
	counts := make(map[string]map[any]int, len(fields))
	for _, field := range fields {
		counts[field] = make(map[any]int)
	}
	err := x.matrix.current.Load().visitAll(ctx, e, func(at location) {
		for field, count := range counts {
			countField(&at.record().item, field, count)
		}
	})
	if err != nil {
		return nil, err
	}
	facets := make(map[string][]store.FacetCount, len(counts))
	for field, count := range counts {
		facets[field] = mostFrequent(count, limit)
	}
	return facets, nil
}

func countField(it *store.Item, field string, count map[any]int) {
	v, ok := it.Field(field)
	switch {
	case !ok:
	case v.Type == filter.String:
		count[v.Text]++
	case v.Type == filter.Bool:
		count[v.Bool]++
	}
	for i, text := range v.List {
		if !slices.Contains(v.List[:i], text) {
			count[text]++
		}
	}
}

func mostFrequent(count map[any]int, limit int) []store.FacetCount {
	out := make([]store.FacetCount, 0, len(count))
	for value, n := range count {
		out = append(out, store.FacetCount{Value: value, Count: n})
	}
	slices.SortFunc(out, func(a, b store.FacetCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), compareFacets(a.Value, b.Value))
	})
	return slices.Clone(out[:min(limit, len(out))]) // the rest may be as large as the catalogue
}

// compareFacets puts bools before texts.
func compareFacets(a, b any) int {
	textA, isTextA := a.(string)
	textB, isTextB := b.(string)
	if isTextA || isTextB {
		return cmp.Or(compareBools(isTextA, isTextB), cmp.Compare(textA, textB))
	}
	return compareBools(a == true, b == true)
}

// Scan implements store.Index. Ids are not kept sorted, so a page looks at
// every item that matches, and reading the whole catalogue takes time that
// grows with its square.
func (x *Index) Scan(ctx context.Context, after string, limit int, e filter.Expr) ([]store.Entry, error) {
	if err := x.usable(ctx); err != nil {
		return nil, err
	}
	if err := store.ValidateScan(limit); err != nil {
		return nil, err
	}
	p := page{after: after, limit: limit}
	if err := x.matrix.current.Load().visitAll(ctx, e, p.add); err != nil {
		return nil, err
	}
	p.cut()
	return x.matrix.copies(p.found), nil
}

// page keeps the limit smallest ids behind after. It sorts once in limit adds,
// not at each.
type page struct {
	after string
	limit int
	found []location
	last  string // where found was cut, no larger id is wanted; "" before
}

func (p *page) add(at location) {
	id := at.record().item.ID
	if id <= p.after || p.last != "" && id > p.last {
		return
	}
	if p.found = append(p.found, at); len(p.found) >= 2*p.limit {
		p.cut()
	}
}

func (p *page) cut() {
	slices.SortFunc(p.found, func(a, b location) int { return cmp.Compare(a.record().item.ID, b.record().item.ID) })
	if len(p.found) >= p.limit {
		p.found = p.found[:p.limit]
		p.last = p.found[p.limit-1].record().item.ID
	}
}
