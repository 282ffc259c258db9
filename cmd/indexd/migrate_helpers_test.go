package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/encoder/bundle"
	"sightline/store"
	"sightline/store/embedded"
)

// twoModels are of the same weights, and models of their own.
func twoModels(t *testing.T) (model, other string) {
	t.Helper()
	other = filepath.Join(t.TempDir(), "other")
	indexd(t, nil, "model", "convert", filepath.Join(samples, "model"), "--out", other, "--clean", "on").ok(t)
	return sampleModel(t), other
}

func fingerprint(t testing.TB, model string) string {
	t.Helper()
	m, err := bundle.Read(model)
	if err != nil {
		t.Fatal(err)
	}
	return m.Fingerprint
}

// stored reads a model's collection from disk.
func stored(t testing.TB, data, model string) []store.Entry {
	t.Helper()
	dir, err := embedded.CollectionDir(data, fingerprint(t, model))
	if err != nil {
		t.Fatal(err)
	}
	r, err := embedded.OpenReader(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out, err := r.Scan(t.Context(), "", store.MaxWindow, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func keysOf(e store.Entry) []string {
	keys := []string{e.Picture}
	for _, v := range e.Views {
		keys = append(keys, v.Picture)
	}
	return keys
}

// sameCollections holds one model's collection to the items and pictures of
// another's.
func sameCollections(t testing.TB, data, from, to string) {
	t.Helper()
	olds, news := stored(t, data, from), stored(t, data, to)
	if len(olds) != len(news) {
		t.Errorf("%d items, want %d", len(news), len(olds))
		return
	}
	for i, old := range olds {
		hash, err := old.Item.ContentHash(fingerprint(t, to), keysOf(old)...)
		if err != nil || !reflect.DeepEqual(old.Item, news[i].Item) || !slices.Equal(keysOf(old), keysOf(news[i])) || hash != news[i].ContentHash {
			t.Errorf("differs (%v):\n%+v\n%+v", err, old.Item, news[i].Item)
		}
	}
}

func wantCurrent(t testing.TB, data, model string) {
	t.Helper()
	c, err := embedded.NewCollections(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Current(t.Context()); err != nil || got != fingerprint(t, model) {
		t.Errorf("the current collection is %s (%v), not that of %s", got, err, filepath.Base(model))
	}
}

// inBackground runs indexd until its result is received.
func inBackground(ctx context.Context, environ []string, errs *clitest.Buffer, args ...string) <-chan int {
	ended := make(chan int, 1)
	go func() {
		var out clitest.Buffer
		err := run(ctx, args, environ, cli.Streams{Out: &out, Err: errs})
		fmt.Fprint(errs, out.String())
		ended <- cli.Report(errs, "indexd", err)
	}()
	return ended
}

func idsOf(entries []store.Entry) []string {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Item.ID
	}
	return ids
}

// writer writes to a collection as searchd does, and remembers what it did.
type writer struct {
	t     *testing.T
	data  *cli.Data
	print string
	shots []string // keys of stored pictures
	items map[string]store.Item
	next  int
}

func newWriter(t *testing.T, data, model string) *writer {
	t.Helper()
	w := &writer{t: t, data: openData(t, data, model), print: fingerprint(t, model), items: map[string]store.Item{}}
	for i := range 12 {
		bytes, err := os.ReadFile(filepath.Join(samples, "pictures", fmt.Sprintf("p%04d.png", i)))
		if err != nil {
			t.Fatal(err)
		}
		key, err := w.data.Pictures.Put(t.Context(), bytes)
		if err != nil {
			t.Fatal(err)
		}
		w.shots = append(w.shots, key)
	}
	for _, e := range stored(t, data, model) {
		w.items[e.Item.ID] = e.Item
		w.next = max(w.next, int(e.Item.Version)) // older versions would not be taken
	}
	return w
}

// put writes an item with so many pictures, drawn by chance.
func (w *writer) put(id string, shots int) {
	w.t.Helper()
	w.next++
	vector := make([]float32, 64)
	vector[w.next%64] = 1
	e := store.Entry{Item: store.Item{ID: id, Title: fmt.Sprint("write ", w.next), Version: int64(w.next)}, Embedding: vector}
	for i, n := range rand.Perm(len(w.shots))[:shots] {
		if i == 0 {
			e.Picture = w.shots[n]
		} else {
			e.Views = append(e.Views, store.View{Picture: w.shots[n], Embedding: vector})
		}
	}
	w.upsert(e)
}

// patch changes the title of an item and keeps its pictures.
func (w *writer) patch(id string) {
	w.t.Helper()
	found, err := w.data.Index.Get(w.t.Context(), []string{id})
	if err != nil || len(found) != 1 {
		w.t.Fatal(found, err)
	}
	w.next++
	e := found[0]
	e.Item.Title, e.Item.Version = fmt.Sprint("write ", w.next), int64(w.next)
	w.upsert(e)
}

func (w *writer) upsert(e store.Entry) {
	w.t.Helper()
	var err error
	if e.ContentHash, err = e.Item.ContentHash(w.print, keysOf(e)...); err == nil {
		err = w.data.Index.Upsert(w.t.Context(), []store.Entry{e})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.items[e.Item.ID] = e.Item
}

func (w *writer) remove(id string) {
	w.t.Helper()
	if n, err := w.data.Index.Delete(w.t.Context(), []string{id}); err != nil || n != 1 {
		w.t.Fatal(n, err)
	}
	delete(w.items, id)
}

// anything does one write, drawn by chance.
func (w *writer) anything() {
	w.t.Helper()
	id := fmt.Sprintf("live-%02d", rand.IntN(40))
	_, there := w.items[id]
	switch {
	case !there || rand.IntN(3) == 0:
		w.put(id, 1+rand.IntN(3))
	case rand.IntN(2) == 0:
		w.patch(id)
	default:
		w.remove(id)
	}
}
