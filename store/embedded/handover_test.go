package embedded_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sightline/store"
	"sightline/store/embedded"
)

func plain(id string, version int64) store.Entry {
	return store.Entry{Item: store.Item{ID: id, Version: version}, Embedding: []float32{1, 0}}
}

// open2 opens a catalogue of two dimensions and a reader beside it.
func open2(t *testing.T) (*embedded.Index, *embedded.Reader) {
	t.Helper()
	dir := t.TempDir()
	x, err := embedded.Open(t.Context(), embedded.Options{Dir: dir, Dim: 2, Fingerprint: "model-a"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := embedded.OpenReader(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.Close(), x.Close()); err != nil {
			t.Error(err)
		}
	})
	return x, r
}

func upsert(t *testing.T, x *embedded.Index, entries ...store.Entry) {
	t.Helper()
	if err := x.Upsert(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func TestMarks(t *testing.T) {
	x, r := open2(t)
	read := func(after string, limit int) ([]string, [][16]byte) {
		t.Helper()
		ids, sums, err := r.Marks(t.Context(), after, limit)
		if err != nil || len(ids) != len(sums) {
			t.Fatal(ids, sums, err)
		}
		return ids, sums
	}
	if ids, _ := read("", 10); len(ids) != 0 {
		t.Errorf("of nothing: %v", ids)
	}
	upsert(t, x, plain("b", 1), plain("a", 1), plain("c", 1))
	ids, before := read("", 10)
	if !slices.Equal(ids, []string{"a", "b", "c"}) {
		t.Errorf("got %v", ids)
	}
	if ids, sums := read("a", 1); !slices.Equal(ids, []string{"b"}) || sums[0] != before[1] {
		t.Errorf("a page: %v", ids)
	}
	other := plain("c", 1)
	other.ContentHash = "of other pictures"
	upsert(t, x, plain("b", 2), other)
	if _, after := read("", 10); after[0] != before[0] || after[1] == before[1] || after[2] == before[2] {
		t.Errorf("marks before and after:\n%x\n%x", before, after)
	}
}

func TestReaderGeneration(t *testing.T) {
	x, r := open2(t)
	for i := range 3 {
		s, err := x.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if g, err := r.Generation(t.Context()); err != nil || g != s.Generation {
			t.Errorf("write %d: %d, %v; the index says %d", i, g, err, s.Generation)
		}
		upsert(t, x, plain("a", int64(i)))
	}
}

// TestAdoptDeleted: late writes are refused as they are where the items were
// deleted, also after a restart, and no others.
func TestAdoptDeleted(t *testing.T) {
	from, r := open2(t)
	dir := t.TempDir()
	options := embedded.Options{Dir: dir, Dim: 2, Fingerprint: "model-b"}
	to, err := embedded.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	upsert(t, from, plain("gone", 5), plain("held", 5), plain("there", 5))
	upsert(t, to, plain("mine", 9), plain("held", 1))
	for x, ids := range map[*embedded.Index][]string{from: {"gone", "held"}, to: {"mine"}} {
		if _, err := x.Delete(t.Context(), ids); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // again is harmless
		if err := to.AdoptDeleted(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if to, err = embedded.Open(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	upsert(t, to, plain("gone", 4), plain("mine", 1), plain("held", 2))
	if n, err := to.Delete(t.Context(), []string{"held"}); err != nil || n != 1 {
		t.Error(n, err)
	}
	got, err := to.Get(t.Context(), []string{"gone", "mine", "held"})
	if err != nil || len(got) != 1 || got[0].Item.ID != "mine" {
		t.Errorf("%v, %v", got, err)
	}
	if n, err := to.ForgetDeleted(t.Context(), time.Now().Add(time.Hour)); err != nil || n != 2 {
		t.Errorf("%d tombstones, %v; want those of gone and held", n, err)
	}
}

func TestHold(t *testing.T) {
	c, err := embedded.NewCollections(filepath.Join(t.TempDir(), "data"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Hold(t.Context(), "model-a"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("of none: %v", err)
	}
	x, err := c.Open(t.Context(), "model-a", 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Hold(t.Context(), "model-a"); !errors.Is(err, embedded.ErrHeld) {
		t.Errorf("of an open one: %v", err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	held, err := c.Hold(t.Context(), "model-a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(t.Context(), "model-a", 2); !errors.Is(err, embedded.ErrHeld) {
		t.Errorf("open a held one: %v", err)
	}
	r, err := c.Reader(t.Context(), "model-a") // is not kept out
	if err := errors.Join(err, r.Close(), held.Close()); err != nil {
		t.Error(err)
	}
	if x, err = c.Open(t.Context(), "model-a", 2); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkMarks reads the marks of a catalogue of 256 dimensions.
func BenchmarkMarks(b *testing.B) {
	const items, page = 100_000, 1000
	dir := b.TempDir()
	x, err := embedded.Open(b.Context(), embedded.Options{Dir: dir, Dim: 256, Fingerprint: "model-a"})
	if err != nil {
		b.Fatal(err)
	}
	vector := make([]float32, 256)
	vector[0] = 1
	for from := 0; from < items; from += page {
		entries := make([]store.Entry, page)
		for i := range entries {
			n := (from + i) * 7919 % items // ids do not come in their order
			entries[i] = store.Entry{
				Item:      store.Item{ID: fmt.Sprintf("item-%07d", n), Title: "A red ceramic mug with a handle, large", Brand: "Mugs", Description: "A mug for coffee and tea that is made of ceramic and can be washed in a machine."},
				Embedding: vector, Picture: fmt.Sprintf("%064x", n), ContentHash: fmt.Sprintf("%064x", n),
			}
		}
		if err := x.Upsert(b.Context(), entries); err != nil {
			b.Fatal(err)
		}
	}
	r, err := embedded.OpenReader(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		after, n := "", page
		for n == page {
			ids, _, err := r.Marks(b.Context(), after, page)
			if err != nil {
				b.Fatal(err)
			}
			if n = len(ids); n > 0 {
				after = ids[n-1]
			}
		}
	}
	if err := errors.Join(r.Close(), x.Close()); err != nil {
		b.Fatal(err)
	}
}
