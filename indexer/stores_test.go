package indexer_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/indexer"
	"sightline/store"
	"sightline/store/embedded"
	"sightline/store/features"
	"sightline/store/pictures"
)

// data is a data folder on disk with its three stores.
type data struct {
	index    *embedded.Index
	features *features.Store
	pictures *pictures.Store
}

func openData(t testing.TB, dir string) *data {
	t.Helper()
	var d data
	var errs [3]error
	d.index, errs[0] = embedded.Open(t.Context(), embedded.Options{Dir: dir, Dim: 3, Fingerprint: "model-1"})
	d.features, errs[1] = features.Open(filepath.Join(dir, "features"), "model-1")
	d.pictures, errs[2] = pictures.Open(filepath.Join(dir, "pictures"))
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return &d
}

func (d *data) close(t testing.TB) {
	t.Helper()
	for _, c := range []interface{ Close() error }{d.index, d.features, d.pictures} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRealStores imports a JSONL feed and a folder of the same pictures into
// stores on disk, closes and opens them, and imports again.
func TestRealStores(t *testing.T) {
	tree := map[string]string{}
	var feed strings.Builder
	for i := range 30 {
		name := fmt.Sprintf("shoes/%02d", i)
		tree[name+".png"] = string(pngOf(name))
		tree[name+".json"] = fmt.Sprintf(`{"title":"shoe %d","size":%d}`, i, 30+i)
		fmt.Fprintf(&feed, `{"id":%q,"image":%q,"title":"shoe %d","size":%d}`+"\n", name, name+".png", i, 30+i)
	}
	tree["feed.jsonl"] = feed.String()
	source, dir := files(t, tree), t.TempDir()
	w := newWorld(t)

	importAll := func(path string) indexer.Summary {
		d := openData(t, dir)
		defer d.close(t)
		parts := indexer.Parts{Encoder: (*fakeEncoder)(w), Index: d.index, Features: d.features, Pictures: d.pictures}
		sum, err := indexer.New(parts, indexer.Options{}).Run(t.Context(), open(t, path))
		if err != nil || sum.Failed != 0 {
			t.Fatalf("import %s: %+v, %v", path, sum, err)
		}
		return sum
	}
	if sum := importAll(filepath.Join(source, "feed.jsonl")); sum.Written != 30 || sum.Encoded != 30 {
		t.Errorf("first import: %+v", sum)
	}
	for _, path := range []string{filepath.Join(source, "feed.jsonl"), source} {
		if sum := importAll(path); sum.Unchanged != 30 || sum.Encoded != 0 {
			t.Errorf("import of the same again from %s: %+v", path, sum)
		}
	}
	d := openData(t, dir)
	defer d.close(t)
	checkStored(t, d, w, "shoes/07")
}

// checkStored compares everything kept for an item with what was made for it.
func checkStored(t *testing.T, d *data, w *world, id string) {
	t.Helper()
	found, err := d.index.Get(t.Context(), []string{id})
	if err != nil || len(found) != 1 || found[0].Item.Title != "shoe 7" || found[0].Item.Attributes["size"] != 37.0 {
		t.Fatalf("entry %+v, %v", found, err)
	}
	picture, err := d.pictures.Get(t.Context(), found[0].Picture)
	if err != nil || !bytes.Equal(picture, pngOf(id)) {
		t.Errorf("stored picture differs: %v", err)
	}
	pixels, err := (*fakeEncoder)(w).Pixels(picture)
	if err != nil {
		t.Fatal(err)
	}
	made, err := (*fakeEncoder)(w).Images(t.Context(), []encoder.Pixels{pixels})
	if err != nil || !slices.Equal(made[0].Embedding, found[0].Embedding) {
		t.Errorf("embedding %v, want %v (%v)", found[0].Embedding, made[0].Embedding, err)
	}
	record, ok, err := d.features.Get(t.Context(), found[0].Picture)
	if want := features.Record(made[0].States.Quantize()); err != nil || !ok || !reflect.DeepEqual(record, want) {
		t.Errorf("patch states %+v, %v, %v; want %+v", record, ok, err, want)
	}
	hits, err := d.index.Search(t.Context(), store.Query{Embedding: made[0].Embedding, K: 1})
	if err != nil || len(hits) != 1 || hits[0].ITC < 0.9999 {
		t.Errorf("nearest to its own embedding: %+v, %v", hits, err)
	}
}
