package embedded_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/store"
	"sightline/store/embedded"
	"sightline/store/storetest"
)

func TestCollections(t *testing.T) {
	storetest.RunCollections(t, func(t *testing.T) store.Collections {
		c, err := embedded.NewCollections(filepath.Join(t.TempDir(), "data"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
}

// What a killed Drop left is gone after the next start, and is never listed.
func TestDropInterrupted(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "models", "dropped-model-a")
	if err := os.MkdirAll(left, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := embedded.NewCollections(dir, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}

func TestDropRefusesWhatIsOpen(t *testing.T) {
	c, err := embedded.NewCollections(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, fingerprint := range []string{"model-a", "model-b"} {
		x, err := c.Open(t.Context(), fingerprint, 2)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
	}
	if err := c.Drop(t.Context(), "model-b"); err == nil || !strings.Contains(err.Error(), "stop that program first") {
		t.Errorf("drop an open collection: %v", err)
	}
}

func TestOldLayoutIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "catalogue.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := embedded.NewCollections(dir, nil); err == nil || !strings.Contains(err.Error(), "import into a new --data folder") {
		t.Errorf("an old folder: %v", err)
	}
}

// A new catalogue in the place of a deleted one has no generation of the old
// one's: a cache beside it may still hold answers.
func TestGenerationsOfANewCatalogue(t *testing.T) {
	var last uint64
	for range 3 {
		dir := t.TempDir()
		c, err := embedded.NewCollections(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		x, err := c.Open(t.Context(), "model-a", 2)
		if err != nil {
			t.Fatal(err)
		}
		s, err := x.Stats(t.Context())
		if err != nil || s.Generation <= last {
			t.Errorf("generation %d, after %d; %v", s.Generation, last, err)
		}
		for i := range 3 {
			e := store.Entry{Item: store.Item{ID: "a", Version: int64(i)}, Embedding: []float32{1, 0}}
			if err := x.Upsert(t.Context(), []store.Entry{e}); err != nil {
				t.Fatal(err)
			}
		}
		if s, err = x.Stats(t.Context()); err != nil {
			t.Fatal(err)
		}
		last = s.Generation
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A catalogue whose maker was killed before it wrote anything counts as none,
// and can be made again.
func TestReaderOfAnUnfinishedCatalogue(t *testing.T) {
	dir := t.TempDir()
	c, err := embedded.NewCollections(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "models", "model-a")
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, embedded.CatalogueFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := c.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("list: %v, %v", list, err)
	}
	x, err := c.Open(t.Context(), "model-a", 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Error(err)
	}
	if list, err := c.List(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("list: %v, %v", list, err)
	}
}
