package embedded

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sightline/store"
	"sightline/store/embedded/scan"
)

// groupedMatrix has groups of 200 of which each lies behind the one before, so
// that a round finds one or two, and some items without a group between them.
func groupedMatrix(t *testing.T, groups int) *matrix {
	t.Helper()
	m := testMatrix(t)
	r := rand.New(rand.NewPCG(1, 2))
	var rows []row
	for i := range 200 * groups {
		angle := (float64(i/200) + r.Float64()) / float64(groups)
		it := store.Item{ID: fmt.Sprintf("i%05d", r.IntN(100_000)*10_000+i), GroupID: fmt.Sprint(i / 200)}
		if r.IntN(200) == 0 {
			it.GroupID = ""
		}
		v := []float32{float32(math.Cos(angle)), float32(math.Sin(angle))}
		if len(rows) > 0 && r.IntN(3) == 0 {
			v = rows[len(rows)-1].vector // a tie
		}
		rows = append(rows, row{record: &record{item: it}, vector: v})
	}
	r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	if err := m.apply(nil, rows, 1); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestGroupsEitherWay: rounds, the one pass and sorting everything agree.
func TestGroupsEitherWay(t *testing.T) {
	const groups = 30
	m := groupedMatrix(t, groups)
	for _, k := range []int{1, 7, groups, 2 * groups, 500} {
		fresh := func() *search {
			s, err := m.newSearch(t.Context(), store.Query{Embedding: []float32{1, 0}, GroupBy: "group_id", Exclude: []string{"unknown"}})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		want := sortedGroups(fresh(), k)
		rounds, err := fresh().nearestGroups(t.Context(), k)
		if err != nil || !slices.Equal(rounds, want) {
			t.Errorf("k %d: %d hits, %v; want %d\ngot  %v\nwant %v", k, len(rounds), err, len(want), rounds, want)
		}
		s := fresh()
		if err := s.allow(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if got, err := s.compareAll(t.Context(), k); err != nil || !slices.Equal(got, want) {
			t.Errorf("k %d: one pass finds %d hits, %v; want %d", k, len(got), err, len(want))
		}
	}
}

// sortedGroups sorts all items and takes the first of each group.
func sortedGroups(s *search, k int) []scan.Hit {
	var all, out []scan.Hit
	for i := range s.snap.chunks {
		for at := range s.snap.live(i).all {
			slot := uint32(i*s.snap.slots + at)
			all = append(all, scan.Hit{Slot: slot, Dot: scan.Dot(s.query, s.snap.vectors.Vector(slot))})
		}
	}
	slices.SortFunc(all, func(a, b scan.Hit) int {
		return cmp.Or(cmp.Compare(b.Dot, a.Dot), cmp.Compare(s.snap.record(a.Slot).item.ID, s.snap.record(b.Slot).item.ID))
	})
	seen := make(map[string]bool)
	for _, h := range all {
		group := s.snap.record(h.Slot).item.GroupID
		if len(out) < k && (group == "" || !seen[group]) {
			out = append(out, h)
			seen[group] = true
		}
	}
	return out
}
