package storetest

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"sightline/store"
	"sightline/store/filter"
)

// matching returns the ids of the live items that match, sorted.
func (m *model) matching(e filter.Expr) []string {
	ids := make([]string, 0, len(m.live))
	for id, entry := range m.live {
		if entry.Item.Matches(e) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (m *model) deleteWhere(t *rapid.T) {
	e := filter.Expr(filter.And{Kids: []filter.Expr{DrawFilter(t), DrawFilter(t)}}) // two, or little would be left
	ids := m.matching(e)
	if got, err := m.index.DeleteWhere(m.ctx, e); err != nil || got != len(ids) {
		t.Fatalf("delete where %s: got %d, %v; want %d", filter.Format(e), got, err, len(ids))
	}
	for _, id := range ids {
		m.deleted[id] = m.live[id].Item.Version
		delete(m.live, id)
	}
}

func (m *model) count(t *rapid.T) {
	e := DrawFilter(t)
	if got, err := m.index.Count(m.ctx, e); err != nil || got != len(m.matching(e)) {
		t.Fatalf("count %s: got %d, %v; want %d", filter.Format(e), got, err, len(m.matching(e)))
	}
}

func (m *model) scan(t *rapid.T) {
	e, limit := DrawFilter(t), rapid.IntRange(1, 4).Draw(t, "limit")
	var got []string
	for after := ""; ; {
		page, err := m.index.Scan(m.ctx, after, limit, e)
		if err != nil {
			t.Fatalf("scan: %v", err)
		}
		for _, entry := range page {
			after = entry.Item.ID
			got = append(got, after)
			if want := m.live[after]; !reflect.DeepEqual(pictures(entry), pictures(want)) {
				t.Fatalf("scan: %s has pictures %+v, want %+v", after, pictures(entry), pictures(want))
			}
		}
		if len(page) < limit {
			break
		}
	}
	if want := m.matching(e); !slices.Equal(got, want) {
		t.Fatalf("scan %s: got %v, want %v", filter.Format(e), got, want)
	}
}

func (m *model) facets(t *rapid.T) {
	e, limit := DrawFilter(t), rapid.IntRange(1, 4).Draw(t, "limit")
	fields := []string{"brand", "attributes.size", "attributes.tags", "attributes.sale"}
	got, err := m.index.Facets(m.ctx, e, fields, limit)
	if err != nil {
		t.Fatalf("facets: %v", err)
	}
	for _, field := range fields {
		if want := m.facet(e, field, limit); !slices.Equal(got[field], want) {
			t.Fatalf("facets of %s where %s: got %#v, want %#v", field, filter.Format(e), got[field], want)
		}
	}
}

// facet counts by the shown value with a digit in front that puts bools first.
func (m *model) facet(e filter.Expr, field string, limit int) []store.FacetCount {
	counts := make(map[string]int)
	for _, id := range m.matching(e) {
		it := m.live[id].Item
		if v, ok := it.Field(field); ok {
			for _, key := range facetKeys(v) {
				counts[key]++
			}
		}
	}
	var out []store.FacetCount
	for key, n := range counts {
		out = append(out, store.FacetCount{Value: key, Count: n})
	}
	slices.SortFunc(out, func(a, b store.FacetCount) int {
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Value.(string), b.Value.(string)))
	})
	out = out[:min(limit, len(out))]
	for i, f := range out {
		switch key := f.Value.(string); key[0] {
		case '0':
			out[i].Value = key == "0true"
		default:
			out[i].Value = key[1:]
		}
	}
	return out
}

func facetKeys(v filter.Value) []string {
	switch v.Type {
	case filter.Bool:
		return []string{fmt.Sprint("0", v.Bool)}
	case filter.String:
		return []string{"1" + v.Text}
	}
	keys := make([]string, len(v.List))
	for i, text := range v.List {
		keys[i] = "1" + text
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
