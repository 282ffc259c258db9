package embedded

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"testing"

	"sightline/store"
	"sightline/store/sqlitefile"
)

// TestLoadManyRanges loads rowids with gaps, the largest there is among them,
// by several readers, and reports how far it has come.
func TestLoadManyRanges(t *testing.T) {
	dir := t.TempDir()
	x := mustOpen(t, dir)
	const items = 3*loadBatch + 7
	var rows []row
	var want []string
	for i := range items {
		e := plain(fmt.Sprintf("i%05d", i), int64(i))
		want = append(want, e.Item.ID)
		e.ContentHash = fmt.Sprint(i)
		if i%3 == 0 {
			e.Picture = fmt.Sprintf("%064x", 0)
			e.Views = []store.View{{Picture: fmt.Sprintf("%064x", i+1), Embedding: []float32{1, 0, 0, 0}}, {Picture: fmt.Sprintf("%064x", i+2), Embedding: []float32{0, 0, 1, 0}}}
		}
		rows = append(rows, entryRow(e))
	}
	err := sqlitefile.InTransaction(t.Context(), x.db, func(ctx context.Context, tx *sql.Tx) error {
		return x.writeRows(ctx, tx, rows, t.Context().Err)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	onFile(t, dir, "UPDATE items SET rowid = rowid * 1000 WHERE rowid > 700; UPDATE items SET rowid = 9223372036854775807 WHERE id = 'i00003'")

	o := options(dir)
	var reports [][2]int
	o.Progress = func(done, total int) { reports = append(reports, [2]int{done, total}) }
	x, err = Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if got := walk(t, x, store.MaxWindow, nil); !slices.Equal(got, want) {
		t.Errorf("%d items loaded, want %d", len(got), len(want))
	}
	for _, e := range mustGet(t, x, "i00003", "i01500") {
		if len(e.Views) != 2 || e.Views[1].Picture != fmt.Sprintf("%064x", e.Item.Version+2) || e.Views[1].Embedding[2] != 1 {
			t.Errorf("loaded views %+v", e.Views)
		}
		if e.ContentHash != fmt.Sprint(e.Item.Version) || e.Embedding[1] != 1 {
			t.Errorf("loaded %+v", e)
		}
	}
	if n := len(reports); n == 0 || reports[n-1] != [2]int{items, items} {
		t.Errorf("reports %v, want %d of %d at the end", reports, items, items)
	}
	for _, c := range x.matrix.current.Load().chunks[:items/testSlots] {
		if c.index.Load() == nil {
			t.Error("a full chunk has no index after loading")
		}
	}
	agree(t, x)
}

func TestLoadIsCancelled(t *testing.T) {
	dir := t.TempDir()
	x := mustOpen(t, dir)
	if err := x.Upsert(t.Context(), largeBatch(1)); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, options(dir)); err == nil {
		t.Error("opened with a context that has ended")
	}
	if got := mustOpen(t, dir).matrix.current.Load().items(); got != 2000 {
		t.Errorf("%d items, want 2000", got)
	}
}
