package embedded

import (
	"context"

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

// Numbers implements store.Index.
func (x *Index) Numbers(ctx context.Context, e filter.Expr, field string, ranges []store.Range) (store.Numbers, error) {
	if err := x.usable(ctx); err != nil {
		return store.Numbers{}, err
	}
	if err := store.ValidateNumbers(field, ranges); err != nil {
		return store.Numbers{}, err
	}
	done, err := x.matrix.admit(ctx, x.matrix.walks)
	if err != nil {
		return store.Numbers{}, err
	}
	defer done()
	snap := x.matrix.current.Load()
	parts := make([]store.Numbers, snap.workers())
	for worker := range parts {
		parts[worker] = store.NewNumbers(ranges)
	}
	err = snap.visit(ctx, e, func(worker, i int, matching slotSet) {
		snap.chunks[i].eachNumber(field, matching, func(number float64, items int) { parts[worker].Add(number, items, ranges) })
	})
	if err != nil {
		return store.Numbers{}, err
	}
	for _, part := range parts[1:] {
		parts[0].Join(part)
	}
	return parts[0], nil
}

// eachNumber calls do with the numbers of a field and how many of the items
// have them.
func (c *chunk) eachNumber(field string, items slotSet, do func(number float64, items int)) {
	x := c.index.Load()
	switch {
	case items.isEmpty():
	case x == nil || x.partial && x.fields[field] == nil:
		for slot := range items.all {
			if v, ok := c.records[slot].item.Field(field); ok && v.Type == filter.Number {
				do(v.Number, 1)
			}
		}
	case x.fields[field] != nil:
		if numbers, ok := x.fields[field].columns(x.records)[filter.Number].(*column[float64]); ok {
			numbers.tally(items, do)
		}
	}
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
	for value := range it.FacetValues(field) {
		switch value := value.(type) {
		case bool:
			f.countBools(value, 1)
		case string:
			f.texts[value]++
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
