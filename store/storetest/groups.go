package storetest

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sightline/store"
	"sightline/store/filter"
)

// variants upserts items "v00" … with falling cosine to axis(0), in the groups
// given for each: "" leaves group_id out.
func variants(t *testing.T, x store.Index, groups ...string) {
	t.Helper()
	entries := make([]store.Entry, len(groups))
	for i, group := range groups {
		entries[i] = entry(fmt.Sprintf("v%02d", i), 1, between(1-float64(i)/float64(len(groups))))
		entries[i].Item.GroupID = group
		entries[i].Item.Brand = []string{"Acme", "Bolt"}[i%2]
	}
	mustUpsert(t, x, entries...)
}

// checkGroups: K and Offset count groups, and filters and exclusions take items
// away before the best of a group is chosen.
func checkGroups(t *testing.T, x store.Index) {
	variants(t, x, "shoe", "shoe", "", "shirt", "", "shoe", "shirt", "hat", "SHOE")
	mustUpsert(t, x, entry("gone", 1, axis(0)))
	mustDelete(t, x, 1, "gone")
	for _, c := range []struct {
		k, offset int
		filter    string
		exclude   []string
		want      []string
	}{
		{k: 20, want: []string{"v00", "v02", "v03", "v04", "v07", "v08"}},
		{k: 3, want: []string{"v00", "v02", "v03"}},
		{k: 2, offset: 3, want: []string{"v04", "v07"}},
		{k: 2, offset: 5, want: []string{"v08"}},
		{k: 2, offset: 6},
		{k: 20, filter: `brand = "Bolt"`, want: []string{"v01", "v03", "v07"}},
		{k: 1, offset: 1, filter: `brand = "Bolt"`, want: []string{"v03"}},
		{k: 20, exclude: []string{"v00", "v03", "v07"}, want: []string{"v01", "v02", "v04", "v06", "v08"}},
		{k: 2, exclude: []string{"v00"}, filter: `brand = "Acme"`, want: []string{"v02", "v04"}},
		{k: 20, filter: `brand = "none"`},
	} {
		q := store.Query{Embedding: axis(0), K: c.k, Offset: c.offset, Exclude: c.exclude, GroupBy: "group_id"}
		if c.filter != "" {
			q.Filter = parsed(t, c.filter)
		}
		wantIDs(t, mustSearch(t, x, q), c.want...)
	}
}

// checkGroupTypes: an attribute may be a text in one item, the empty one too,
// and something else in the next, which then stands for itself.
func checkGroupTypes(t *testing.T, x store.Index) {
	values := []any{"4", 4.0, "", true, []string{"4"}, 4.0, "4", true, []string{"4"}, "", nil, nil}
	entries := make([]store.Entry, len(values))
	for i, v := range values {
		entries[i] = entry(fmt.Sprintf("i%02d", i), 1, between(1-float64(i)/20))
		if v != nil {
			entries[i].Item.Attributes = map[string]any{"size": v}
		}
	}
	mustUpsert(t, x, entries...)
	q := store.Query{Embedding: axis(0), K: 20, GroupBy: "attributes.size"}
	wantIDs(t, mustSearch(t, x, q), "i00", "i01", "i02", "i03", "i04", "i05", "i07", "i08", "i10", "i11")
	q.GroupBy = "attributes.colour" // no item has it
	wantIDs(t, mustSearch(t, x, q), "i00", "i01", "i02", "i03", "i04", "i05", "i06", "i07", "i08", "i09", "i10", "i11")
	q.GroupBy = "id"
	if got := mustSearch(t, x, q); len(got) != len(values) {
		t.Errorf("grouped by id: %d hits, want %d", len(got), len(values))
	}
}

// checkGroupTies: of equal cosines the smaller id stands for its group, and
// groups are ordered by the ids that stand for them.
func checkGroupTies(t *testing.T, x store.Index) {
	for _, e := range []struct{ id, group string }{
		{"f", "one"}, {"b", "two"}, {"d", "two"}, {"c", "one"}, {"e", ""}, {"a", "three"}, {"g", "three"},
	} {
		it := entry(e.id, 1, between(0.5))
		it.Item.GroupID = e.group
		mustUpsert(t, x, it)
	}
	q := store.Query{Embedding: axis(0), K: 10, GroupBy: "group_id"}
	wantIDs(t, mustSearch(t, x, q), "a", "b", "c", "e")
	q.K, q.Offset = 2, 1
	wantIDs(t, mustSearch(t, x, q), "b", "c")
}

// checkLargeGroups puts groups in front that have more items than the query
// asks for groups, so that looking a little further than K is not enough.
func checkLargeGroups(t *testing.T, x store.Index) {
	const large = 300
	entries := make([]store.Entry, 0, 2*large+3)
	for i := range 2*large + 3 {
		e := entry(fmt.Sprintf("i%03d", i), 1, between(1-float64(i)/1000))
		e.Item.GroupID = fmt.Sprint(i / large)
		entries = append(entries, e)
	}
	mustUpsert(t, x, entries...)
	q := store.Query{Embedding: axis(0), K: 2, GroupBy: "group_id"}
	wantIDs(t, mustSearch(t, x, q), "i000", "i300")
	q.K, q.Offset = 3, 1
	wantIDs(t, mustSearch(t, x, q), "i300", "i600")
	mustUpsert(t, x, entry("last", 1, between(0.1)))
	wantIDs(t, mustSearch(t, x, q), "i300", "i600", "last")
}

// drawGroupBy returns a field in which items often have equal texts, or "".
func drawGroupBy() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "", "brand", "title", "attributes.size", "attributes.tags", "attributes.sale"})
}

// groupOf names the group of an item; items that stand for themselves have one
// of their own.
func groupOf(it *store.Item, field string) string {
	if field != "" {
		if v, ok := it.Field(field); ok && v.Type == filter.String {
			return "text " + v.Text
		}
	}
	return "item " + it.ID
}

// checkGroup: a hit is the best of its group, whose members are those that the
// query may find. Of equal embeddings the smaller id is the better.
func (m *model) checkGroup(t *rapid.T, q store.Query, h store.Hit) {
	hit := m.live[h.Item.ID]
	group, shown := groupOf(&hit.Item, q.GroupBy), nearest(q, hit)
	for id, e := range m.live {
		if groupOf(&e.Item, q.GroupBy) != group || !m.eligible(q, e) {
			continue
		}
		other := nearest(q, e)
		better := cosine(q.Embedding, other) - cosine(q.Embedding, shown)
		same := slices.Equal(other, shown)
		if better > tolerance || same && id < h.Item.ID {
			t.Fatalf("hit %s stands for the group %q, %s is better", h.Item.ID, group, id)
		}
	}
}
