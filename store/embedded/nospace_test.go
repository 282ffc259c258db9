package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sightline/store"
	"sightline/store/filter"
)

// largeBatch takes some 2 MB on disk at version 1, and more at later ones.
func largeBatch(version int64) []store.Entry {
	batch := make([]store.Entry, 2000)
	for i := range batch {
		batch[i] = plain(fmt.Sprint("n", i), version)
		batch[i].Item.Description = strings.Repeat("x", 500*int(version))
	}
	return batch
}

// agree compares all that is in memory with all that is on disk.
func agree(t *testing.T, x *Index) {
	t.Helper()
	entries, err := x.Scan(t.Context(), "", store.MaxWindow, nil)
	if err != nil {
		t.Fatal(err)
	}
	memory := make(map[string]int64)
	for _, e := range entries {
		memory[e.Item.ID] = e.Item.Version
	}
	rows, err := x.db.QueryContext(t.Context(), "SELECT id, coalesce(item->>'version', 0), (SELECT generation FROM catalogue) FROM items")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var id string
		var version int64
		var generation uint64
		if err := rows.Scan(&id, &version, &generation); err != nil {
			t.Fatal(err)
		}
		if in, ok := memory[id]; !ok || in != version || generation != x.matrix.current.Load().generation {
			t.Fatalf("%s is at version %d on disk, %d in memory (%v); generation %d and %d", id, version, in, ok, generation, x.matrix.current.Load().generation)
		}
	}
	if err := rows.Err(); err != nil || n != len(memory) {
		t.Fatalf("%d items on disk, %d in memory, %v", n, len(memory), err)
	}
}

// checkFullDisk fills an index up, and wants a write refused with nothing
// changed, reads that go on, and writes that succeed later.
func checkFullDisk(t *testing.T, x *Index, fill, free func()) {
	t.Helper()
	if err := x.Upsert(t.Context(), []store.Entry{plain("a", 1), plain("b", 1)}); err != nil {
		t.Fatal(err)
	}
	if err := x.Upsert(t.Context(), largeBatch(1)); err != nil {
		t.Fatal(err)
	}
	fill()
	before, err := x.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantNoSpace(t, x, x.Upsert(t.Context(), largeBatch(2)))
	agree(t, x)
	after, err := x.Stats(t.Context())
	hits, searchErr := x.Search(t.Context(), store.Query{Embedding: []float32{0, 1, 0, 0}, K: 10})
	if err := errors.Join(err, searchErr); err != nil || len(hits) != 10 || after != before {
		t.Errorf("after refused writes: %d hits, %v; stats %+v, before %+v", len(hits), err, after, before)
	}
	free()
	if err := x.Upsert(t.Context(), largeBatch(3)); err != nil {
		t.Errorf("write after space returned: %v", err)
	}
	if n, err := x.Delete(t.Context(), []string{"b", "n7"}); err != nil || n != 2 {
		t.Errorf("delete after space returned: %d, %v", n, err)
	}
	agree(t, x)
}

func wantNoSpace(t *testing.T, x *Index, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrNoSpace) || !strings.Contains(err.Error(), "the disk that holds "+x.dir+" is full: free space") {
		t.Errorf("got %v, want a full disk", err)
	}
}

// TestDatabaseIsFull makes SQLite itself report a full disk.
func TestDatabaseIsFull(t *testing.T) {
	x := mustOpen(t, t.TempDir())
	limit := func(pages int) {
		if _, err := x.db.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	checkFullDisk(t, x, func() {
		var pages int
		if err := x.db.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
			t.Fatal(err)
		}
		limit(pages + 4)
	}, func() { limit(1 << 20) })
}

// TestDiskIsFull fills a small disk.
func TestDiskIsFull(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("TestDiskIsFull needs to mount a tmpfs, which only root may: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	dir, ballast := filepath.Join(disk, "data"), filepath.Join(disk, "ballast")
	x, err := Open(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	checkFullDisk(t, x, func() { fillDisk(t, ballast) }, func() {
		_, err := x.DeleteWhere(t.Context(), filter.Prefix{Field: "id", Text: "n"}) // even that needs space for the log
		wantNoSpace(t, x, err)
		agree(t, x)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x, err = Open(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	agree(t, x)
	if err := x.Close(); err != nil {
		t.Error(err)
	}
}

func fillDisk(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size >= 512; size /= 2 {
		for err = nil; err == nil; {
			_, err = file.Write(make([]byte, size))
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
}
