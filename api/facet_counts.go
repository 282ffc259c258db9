package api

import (
	"context"
	"errors"
	"fmt"
	"math"

	"sightline/store"
	"sightline/store/filter"
)

// FacetSource counts what all items that pass a filter have; store.Index is one.
type FacetSource interface {
	Count(ctx context.Context, e filter.Expr) (int, error)
	Facets(ctx context.Context, e filter.Expr, fields []string, limit int) (map[string][]store.FacetCount, error)
	Numbers(ctx context.Context, e filter.Expr, field string, ranges []store.Range) (store.Numbers, error)
}

// FacetCounts is what items have in one field.
type FacetCounts struct {
	Values  []FacetValue  `json:"values"`            // texts and bools, the most frequent first
	Numbers *FacetNumbers `json:"numbers,omitempty"` // nil where no item has one and no ranges were asked for
	Missing int           `json:"missing"`           // items without the field
	// Exact says that all items that pass the filter were counted, not only the
	// candidates of this search.
	Exact bool `json:"exact"`
	// Failed is "deadline" or "failed" where nothing could be counted.
	Failed string `json:"failed,omitempty"`
}

// FacetValue is how many items have a value.
type FacetValue struct {
	Value any `json:"value"` // string or bool
	Count int `json:"count"`
}

// FacetNumbers describes the numbers of a field.
type FacetNumbers struct {
	Count  int          `json:"count"`
	Min    *float64     `json:"min"` // nil without any number
	Max    *float64     `json:"max"`
	Ranges []FacetRange `json:"ranges,omitempty"`
}

// FacetRange is how many items have a number that is From or more and below To;
// nil stands for no bound.
type FacetRange struct {
	From  *float64 `json:"from,omitempty"`
	To    *float64 `json:"to,omitempty"`
	Count int      `json:"count"`
}

// Why facets could not be had.
const (
	facetsLate   = "deadline"
	facetsFailed = "failed"
)

// counting are facets of all items, which are counted beside the search.
type counting struct {
	done   chan struct{} // nil where there are none
	counts map[string]FacetCounts
	err    error
}

// startFacets begins to count what does not depend on the hits. It ends with
// ctx at the latest, and before the page has to be cut.
func (e *Engine) startFacets(ctx context.Context, req SearchRequest) *counting {
	var all []Facet
	for _, f := range req.Facets {
		if !f.Hits {
			all = append(all, f)
		}
	}
	c := &counting{}
	if len(all) == 0 {
		return c
	}
	c.done = make(chan struct{})
	ctx, cancel := context.WithTimeout(ctx, timeLeft(ctx)-reserve(req.Deadline))
	go func() {
		defer close(c.done)
		defer cancel()
		c.counts, c.err = e.countFacets(ctx, req, all)
	}()
	return c
}

// take completes the answer's facets. Where counting has failed they say so,
// and the search itself is as good as ever.
func (c *counting) take(ctx context.Context, req SearchRequest, hits []Hit, res *SearchResponse) {
	if len(req.Facets) == 0 {
		return
	}
	res.Facets = make(map[string]FacetCounts, len(req.Facets))
	failed := c.wait(ctx)
	for _, f := range req.Facets {
		switch {
		case f.Hits:
			res.Facets[f.Field] = f.among(hits)
		case failed != "":
			res.Facets[f.Field] = FacetCounts{Values: []FacetValue{}, Failed: failed}
			res.facetsFailed = failed
		default:
			res.Facets[f.Field] = c.counts[f.Field]
		}
	}
	if failed == facetsFailed {
		res.rerankErr = errors.Join(res.rerankErr, c.err)
	}
}

func (c *counting) wait(ctx context.Context) (failed string) {
	if c.done == nil {
		return ""
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		return facetsLate
	}
	switch {
	case c.err == nil:
		return ""
	case errors.Is(c.err, context.DeadlineExceeded):
		return facetsLate
	}
	return facetsFailed
}

// countFacets counts those of one filter in one pass.
func (e *Engine) countFacets(ctx context.Context, req SearchRequest, facets []Facet) (map[string]FacetCounts, error) {
	counts := make(map[string]FacetCounts, len(facets))
	for _, part := range splitFacets(req.Filter, facets) {
		part.filter = showing(part.filter, req.hidden)
		texts, err := part.values(ctx, e.Facets)
		if err != nil {
			return nil, fmt.Errorf("count facets: %w", err)
		}
		for _, f := range part.facets {
			c := FacetCounts{Values: shown(texts[f.Field], f.Limit), Exact: true}
			if f.numbers() {
				n, err := e.Facets.Numbers(ctx, part.filter, f.Field, f.Ranges)
				if err != nil {
					return nil, fmt.Errorf("count numbers of %s: %w", f.Field, err)
				}
				c.Numbers = f.shown(n)
			}
			if c.Missing, err = e.Facets.Count(ctx, part.missing(f.Field)); err != nil {
				return nil, fmt.Errorf("count items without %s: %w", f.Field, err)
			}
			counts[f.Field] = c
		}
	}
	return counts, nil
}

// facetPart are the facets of one filter.
type facetPart struct {
	filter filter.Expr
	facets []Facet
}

func splitFacets(all filter.Expr, facets []Facet) []facetPart {
	parts := []facetPart{{filter: all}}
	for _, f := range facets {
		if f.Multi && all != nil {
			if rest := filter.Without(all, f.Field); filterKey(rest) != filterKey(all) {
				parts = append(parts, facetPart{rest, []Facet{f}})
				continue
			}
		}
		parts[0].facets = append(parts[0].facets, f)
	}
	return parts
}

func filterKey(e filter.Expr) string {
	if e == nil {
		return ""
	}
	return filter.Key(e)
}

func (p facetPart) values(ctx context.Context, from FacetSource) (map[string][]store.FacetCount, error) {
	var fields []string
	limit := 1
	for _, f := range p.facets {
		if f.texts() {
			fields, limit = append(fields, f.Field), max(limit, f.Limit)
		}
	}
	if len(fields) == 0 {
		return nil, nil
	}
	return from.Facets(ctx, p.filter, fields, limit)
}

func (p facetPart) missing(field string) filter.Expr {
	none := filter.Not{Kid: filter.Exists{Field: field}}
	if p.filter == nil {
		return none
	}
	return filter.And{Kids: []filter.Expr{p.filter, none}}
}

// among counts candidates.
func (f Facet) among(hits []Hit) FacetCounts {
	counts, numbers := make(map[any]int), store.NewNumbers(f.Ranges)
	var c FacetCounts
	for i := range hits {
		item := &hits[i].Item
		v, ok := item.Field(f.Field)
		switch {
		case !ok:
			c.Missing++
		case v.Type == filter.Number:
			numbers.Add(v.Number, 1, f.Ranges)
		}
		for value := range item.FacetValues(f.Field) {
			counts[value]++
		}
	}
	all := make([]store.FacetCount, 0, len(counts))
	for value, n := range counts {
		all = append(all, store.FacetCount{Value: value, Count: n})
	}
	c.Values = shown(store.RankFacets(all, f.Limit), f.Limit)
	if f.numbers() {
		c.Numbers = f.shown(numbers)
	}
	return c
}

func shown(counts []store.FacetCount, limit int) []FacetValue {
	values := make([]FacetValue, 0, min(limit, len(counts)))
	for _, c := range counts[:min(limit, len(counts))] {
		values = append(values, FacetValue(c))
	}
	return values
}

func (f Facet) shown(n store.Numbers) *FacetNumbers {
	if n.Count == 0 && len(f.Ranges) == 0 && f.free() {
		return nil
	}
	out := &FacetNumbers{Count: n.Count}
	if n.Count > 0 {
		out.Min, out.Max = &n.Min, &n.Max
	}
	for i, r := range f.Ranges {
		out.Ranges = append(out.Ranges, FacetRange{From: bound(r.From), To: bound(r.To), Count: n.Ranges[i]})
	}
	return out
}

// bound is nil for infinity, which JSON has not.
func bound(v float64) *float64 {
	if math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// facetsKey is what of the facets an answer depends on.
func facetsKey(facets []Facet) string {
	if len(facets) == 0 {
		return ""
	}
	return fmt.Sprintf("%+v", facets)
}
