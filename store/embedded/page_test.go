package embedded

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"sightline/store"
	"sightline/store/filter"
)

// TestPagesOfManyChunks walks a catalogue of many chunks, full and open ones,
// with several versions of an id in one, and compares with sorting all ids.
func TestPagesOfManyChunks(t *testing.T) {
	m := testMatrix(t)
	r := rand.New(rand.NewPCG(1, 2))
	for generation := range uint64(60) {
		var rows []row
		for _, n := range r.Perm(900)[:30] {
			rows = append(rows, testRow(fmt.Sprint("item ", n), int64(generation)))
		}
		if err := m.apply([]string{fmt.Sprint("item ", r.IntN(900))}, rows, generation+1); err != nil {
			t.Fatal(err)
		}
	}
	x := &Index{matrix: m}
	e := filter.Compare{Field: "version", Op: filter.GreaterEqual, Value: filter.Value{Type: filter.Int, Int: 30}}
	for _, f := range []filter.Expr{nil, e} {
		want, err := m.current.Load().ids(t.Context(), f)
		if err != nil || len(want) < 500 {
			t.Fatal(len(want), err)
		}
		slices.Sort(want)
		for _, limit := range []int{1, 7, 100, store.MaxWindow} {
			if got := walk(t, x, limit, f); !slices.Equal(got, want) {
				t.Errorf("pages of %d: %d ids, want %d:\n%v\n%v", limit, len(got), len(want), got, want)
			}
		}
	}
}

func walk(t *testing.T, x *Index, limit int, e filter.Expr) (ids []string) {
	t.Helper()
	for after := ""; ; after = ids[len(ids)-1] {
		page, err := x.Scan(t.Context(), after, limit, e)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range page {
			ids = append(ids, entry.Item.ID)
		}
		if len(page) < limit {
			return ids
		}
	}
}
