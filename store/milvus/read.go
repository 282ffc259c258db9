package milvus

import (
	"context"
	"fmt"

	"sightline/store"
	"sightline/store/filter"
)

// matching calls do for each item that matches, in the order of ids.
func (x *Index) matching(ctx context.Context, e filter.Expr, do func(row)) error {
	return x.visit(ctx, translate(e).over, wantItem, place{hint: maxWindow}, func(r row) bool {
		if r.payload.Item.Matches(e) {
			do(r)
		}
		return true
	})
}

// Count implements store.Index. Milvus counts what it can decide, and the rest
// is looked at here. On servers a count that needs both may see a write between
// the two.
func (x *Index) Count(ctx context.Context, e filter.Expr) (int, error) {
	done, err := x.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	s := translate(e)
	count, err := x.countRows(ctx, x.items, s.under)
	if err == nil && s.over != s.under {
		err = x.visit(ctx, and(s.over, not(s.under)), wantItem, place{hint: maxWindow}, func(r row) bool {
			if r.payload.Item.Matches(e) {
				count++
			}
			return true
		})
	}
	if err != nil {
		return 0, fmt.Errorf("count in milvus: %w", err)
	}
	return count, nil
}

// Facets implements store.Index. It reads every item that matches, a page at a
// time; on servers each page sees the catalogue of its own time.
func (x *Index) Facets(ctx context.Context, e filter.Expr, fields []string, limit int) (map[string][]store.FacetCount, error) {
	if err := x.usable(ctx); err != nil {
		return nil, err
	}
	if err := store.ValidateFacets(fields, limit); err != nil {
		return nil, err
	}
	done, err := x.startReading(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	counts := make(map[string]map[any]int, len(fields))
	for _, field := range fields {
		counts[field] = make(map[any]int)
	}
	err = x.matching(ctx, e, func(r row) {
		for field, count := range counts {
			for value := range r.payload.Item.FacetValues(field) {
				count[value]++
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("facets of milvus: %w", err)
	}
	facets := make(map[string][]store.FacetCount, len(counts))
	for field, count := range counts {
		facets[field] = mostFrequent(count, limit)
	}
	return facets, nil
}

// Numbers implements store.Index, as Facets does.
func (x *Index) Numbers(ctx context.Context, e filter.Expr, field string, ranges []store.Range) (store.Numbers, error) {
	if err := x.usable(ctx); err != nil {
		return store.Numbers{}, err
	}
	if err := store.ValidateNumbers(field, ranges); err != nil {
		return store.Numbers{}, err
	}
	done, err := x.startReading(ctx)
	if err != nil {
		return store.Numbers{}, err
	}
	defer done()
	numbers := store.NewNumbers(ranges)
	err = x.matching(ctx, e, func(r row) {
		if v, ok := r.payload.Item.Field(field); ok && v.Type == filter.Number {
			numbers.Add(v.Number, 1, ranges)
		}
	})
	if err != nil {
		return store.Numbers{}, fmt.Errorf("numbers of milvus: %w", err)
	}
	return numbers, nil
}

func mostFrequent(count map[any]int, limit int) []store.FacetCount {
	out := make([]store.FacetCount, 0, len(count))
	for value, n := range count {
		out = append(out, store.FacetCount{Value: value, Count: n})
	}
	return store.RankFacets(out, limit)
}

// Scan implements store.Index. A page that Milvus answers in several calls, one
// of a filter that it cannot decide or of many large items, may on servers see
// a write in between.
func (x *Index) Scan(ctx context.Context, after string, limit int, e filter.Expr) ([]store.Entry, error) {
	if err := x.usable(ctx); err != nil {
		return nil, err
	}
	if err := store.ValidateScan(limit); err != nil {
		return nil, err
	}
	done, err := x.beginWhole(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var page []row
	err = x.visit(ctx, translate(e).over, wantEntry, place{after: validPrefix(after), hint: limit}, func(r row) bool {
		if r.id > after && r.payload.Item.Matches(e) { // after need not be an id that Milvus could compare with
			page = append(page, r)
		}
		return len(page) < limit
	})
	if err == nil {
		err = x.complete(ctx, page)
	}
	if err != nil {
		return nil, fmt.Errorf("scan milvus: %w", err)
	}
	entries := make([]store.Entry, 0, len(page))
	for _, r := range page {
		entries = append(entries, r.entry())
	}
	return entries, nil
}
