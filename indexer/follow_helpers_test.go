package indexer_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/indexer"
	"sightline/store"
	"sightline/store/embedded"
	"sightline/store/features"
	"sightline/store/pictures"
)

// hashModel embeds any bytes, by a hash of them and of its own name.
type hashModel string

func (m hashModel) Fingerprint() string { return string(m) }

func (m hashModel) Pixels(data []byte) (encoder.Pixels, error) {
	if strings.HasPrefix(string(data), "broken") {
		return nil, errors.New("broken picture")
	}
	return m.vector(string(data)), nil
}

func (m hashModel) Images(_ context.Context, batch []encoder.Pixels) ([]encoder.Features, error) {
	out := make([]encoder.Features, len(batch))
	for i, p := range batch {
		out[i] = encoder.Features{Embedding: p, States: encoder.States{Tokens: 1, Width: 3, Float: p}}
	}
	return out, nil
}

func (m hashModel) vector(data string) []float32 {
	sum := sha256.Sum256([]byte(string(m) + data))
	return unit(float32(sum[0])+1, float32(sum[1]), float32(sum[2]))
}

// beside is two models' catalogues in one folder: writes go to the old one, and
// a Follower fills the new one.
type beside struct {
	t        testing.TB
	old, new *embedded.Index
	live     *embedded.Reader
	pictures *pictures.Store
	parts    indexer.Parts
	follower *indexer.Follower
}

const (
	oldModel hashModel = "old-model"
	newModel hashModel = "new-model"
)

func newBeside(t testing.TB) *beside {
	t.Helper()
	dir := t.TempDir()
	b := &beside{t: t}
	var states *features.Store
	var errs [5]error
	open := func(m hashModel) (*embedded.Index, error) {
		return embedded.Open(t.Context(), embedded.Options{Dir: filepath.Join(dir, string(m)), Dim: 3, Fingerprint: string(m)})
	}
	b.old, errs[0] = open(oldModel)
	b.new, errs[1] = open(newModel)
	b.live, errs[2] = embedded.OpenReader(t.Context(), filepath.Join(dir, string(oldModel)))
	b.pictures, errs[3] = pictures.Open(filepath.Join(dir, "pictures"))
	states, errs[4] = features.Open(filepath.Join(dir, "features"), string(newModel))
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.live.Close(), b.old.Close(), b.new.Close(), b.pictures.Close(), states.Close()); err != nil {
			t.Error(err)
		}
	})
	b.parts = indexer.Parts{Encoder: newModel, Index: b.new, Features: states, Pictures: b.pictures}
	b.follower = indexer.NewFollower(b.parts, indexer.Options{}, b.live)
	return b
}

// write puts an item with pictures of the given bytes into the live catalogue.
func (b *beside) write(it store.Item, shots ...string) {
	b.t.Helper()
	b.upsert(b.entry(it, shots...))
}

func (b *beside) upsert(entries ...store.Entry) {
	b.t.Helper()
	if err := b.old.Upsert(b.t.Context(), entries); err != nil {
		b.t.Fatal(err)
	}
}

func (b *beside) entry(it store.Item, shots ...string) store.Entry {
	b.t.Helper()
	e := store.Entry{Item: it}
	var keys []string
	for i, data := range shots {
		key, err := b.pictures.Put(b.t.Context(), []byte(data))
		if err != nil {
			b.t.Fatal(err)
		}
		keys = append(keys, key)
		if i == 0 {
			e.Picture, e.Embedding = key, oldModel.vector(data)
		} else {
			e.Views = append(e.Views, store.View{Picture: key, Embedding: oldModel.vector(data)})
		}
	}
	var err error
	if e.ContentHash, err = it.ContentHash(string(oldModel), keys...); err != nil {
		b.t.Fatal(err)
	}
	return e
}

func (b *beside) delete(ids ...string) {
	b.t.Helper()
	if n, err := b.old.Delete(b.t.Context(), ids); err != nil || n != len(ids) {
		b.t.Fatal(n, err)
	}
}

// pass holds a pass to what it should have done and the catalogues to being equal.
func (b *beside) pass(written, encoded, deleted int) {
	b.t.Helper()
	sum, err := b.follower.Pass(b.t.Context())
	if err != nil || sum.Written != written || sum.Encoded != encoded || sum.Deleted != deleted || sum.Failed+sum.Dropped > 0 {
		b.t.Fatalf("pass: %v, %d written, %d encoded, %d deleted; want %d, %d, %d\n%+v", err, sum.Written, sum.Encoded, sum.Deleted, written, encoded, deleted, sum)
	}
	b.equal()
}

// equal holds the new catalogue to the old one's items and pictures, and to the
// new model's embeddings and hashes.
func (b *beside) equal() {
	b.t.Helper()
	olds, news := entriesOf(b.t, b.old), entriesOf(b.t, b.new)
	if len(olds) != len(news) {
		b.t.Fatalf("%d items, want %d", len(news), len(olds))
	}
	for i, e := range olds {
		sameItem(b.t, e, news[i])
		again, err := b.pictures.Get(b.t.Context(), e.Picture)
		if err != nil || !reflect.DeepEqual(news[i].Embedding, newModel.vector(string(again))) {
			b.t.Errorf("%s: the embedding is not the new model's (%v)", e.Item.ID, err)
		}
	}
}

// sameItem compares what two models' catalogues hold of an item.
func sameItem(t testing.TB, old, other store.Entry) {
	t.Helper()
	keys := func(e store.Entry) []string {
		out := []string{e.Picture}
		for _, v := range e.Views {
			out = append(out, v.Picture)
		}
		return out
	}
	hash, err := old.Item.ContentHash(string(newModel), keys(old)...)
	if err != nil || !reflect.DeepEqual(old.Item, other.Item) || !reflect.DeepEqual(keys(old), keys(other)) || hash != other.ContentHash {
		t.Errorf("differs (%v):\n%+v\n%+v", err, old, other)
	}
}

func entriesOf(t testing.TB, x indexer.Scanner) []store.Entry {
	t.Helper()
	out, err := x.Scan(t.Context(), "", store.MaxWindow, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func itemOf(id, title string, version int64) store.Item {
	return store.Item{ID: id, Title: title, Version: version}
}
