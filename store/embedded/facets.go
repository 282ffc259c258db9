package embedded

import (
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
	if e == nil {
		return x.matrix.current.Load().items(), nil
	}
	done, err := x.matrix.admit(ctx, x.matrix.walks)
	if err != nil {
		return 0, err
	}
	defer done()
	snap := x.matrix.current.Load()
	counts := make([]int, snap.workers())
	err = snap.visit(ctx, e, func(worker, _ int, matching slotSet) { counts[worker] += matching.count() })
	if err != nil {
		return 0, err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	return total, nil
}

// Facets implements store.Index. Full chunks have the slots of each value at
// hand; the items of others are looked at one by one.
func (x *Index) Facets(ctx context.Context, e filter.Expr, fields []string, limit int) (map[string][]store.FacetCount, error) {
	if err := x.usable(ctx); err != nil {
		return nil, err
	}
	if err := store.ValidateFacets(fields, limit); err != nil {
		return nil, err
	}
	done, err := x.matrix.admit(ctx, x.matrix.walks)
	if err != nil {
		return nil, err
	}
	defer done()
	snap := x.matrix.current.Load()
	counts := make([]map[string]*facet, snap.workers())
	for worker := range counts {
		counts[worker] = make(map[string]*facet, len(fields))
		for _, field := range fields {
			counts[worker][field] = &facet{texts: make(map[string]int)}
		}
	}
	err = snap.visit(ctx, e, func(worker, i int, matching slotSet) {
		if matching.isEmpty() {
			return
		}
		for field, f := range counts[worker] {
			f.count(snap.chunks[i], field, matching)
		}
	})
	if err != nil {
		return nil, err
	}
	facets := make(map[string][]store.FacetCount, len(fields))
	for field, f := range counts[0] {
		for _, other := range counts[1:] {
			f.add(other[field])
		}
		facets[field] = f.mostFrequent(limit)
	}
	return facets, nil
}

// facet counts the values of one field.
type facet struct {
	texts       map[string]int
	trues, lies int
}

func (f *facet) add(other *facet) {
	for text, n := range other.texts {
		f.texts[text] += n
	}
	f.trues += other.trues
	f.lies += other.lies
}

func (f *facet) count(c *chunk, field string, matching slotSet) {
	x := c.index.Load()
	if x == nil || x.partial && x.fields[field] == nil {
		for slot := range matching.all {
			f.countItem(&c.records[slot].item, field)
		}
		return
	}
	if x.fields[field] == nil {
		return
	}
	for _, v := range x.fields[field].columns(x.records) {
		switch v := v.(type) {
		case *column[string]: // texts, or the texts of lists
			v.tally(matching, func(text string, n int) { f.texts[text] += n })
		case *column[bool]:
			v.tally(matching, f.countBools)
		}
	}
}

func (f *facet) countBools(value bool, n int) {
	if value {
		f.trues += n
	} else {
		f.lies += n
	}
}

func (f *facet) countItem(it *store.Item, field string) {
	v, ok := it.Field(field)
	switch {
	case !ok:
	case v.Type == filter.String:
		f.texts[v.Text]++
	case v.Type == filter.Bool:
		f.countBools(v.Bool, 1)
	}
	for i, text := range v.List {
		if !slices.Contains(v.List[:i], text) {
			f.texts[text]++
		}
	}
}

func (f *facet) mostFrequent(limit int) []store.FacetCount {
	out := make([]store.FacetCount, 0, len(f.texts)+2)
	if f.lies > 0 {
		out = append(out, store.FacetCount{Value: false, Count: f.lies})
	}
	if f.trues > 0 {
		out = append(out, store.FacetCount{Value: true, Count: f.trues})
	}
	for text, n := range f.texts {
		out = append(out, store.FacetCount{Value: text, Count: n})
	}
	return store.RankFacets(out, limit)
}
