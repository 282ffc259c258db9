package blend

import (
	"strconv"

	"sightline/store/filter"
)

// group names one: fields of different types never share it.
type group struct {
	kind   filter.Type
	text   string
	number float64
	yes    bool
}

// groupOf is false for an item without the field, and for a list, which names
// no single group.
func groupOf(e *entry, field string) (group, bool) {
	if e.Item == nil {
		return group{}, false
	}
	v, ok := e.Item.Field(field)
	if !ok || v.Type == filter.List || v.Type == filter.String && v.Text == "" {
		return group{}, false
	}
	return group{v.Type, v.Text, v.Number, v.Bool}, true
}

// fold keeps the first of each group in the order. A pinned candidate stands
// for its group wherever it is, so that no variant of it is beside it; all that
// are pinned stay.
func fold(order []*entry, pins []pinned, field string) []*entry {
	first := make(map[group]*entry, len(order))
	for _, p := range pins {
		if g, ok := groupOf(p.entry, field); ok && first[g] == nil {
			first[g] = p.entry
		}
	}
	var folded []*entry // those that others made way for
	kept := make([]*entry, 0, len(order))
	for _, e := range order {
		g, ok := groupOf(e, field)
		if !ok || first[g] == nil {
			kept = append(kept, e)
			if ok {
				first[g] = e
			}
			continue
		}
		if first[g].Folded++; first[g].Folded == 1 {
			folded = append(folded, first[g])
		}
	}
	for _, e := range folded {
		e.Moved = append(e.Moved, "group: "+strconv.Itoa(e.Folded)+" more of its "+shorten(field))
	}
	return kept
}
