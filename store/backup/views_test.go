package backup_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sightline/store"
	"sightline/store/backup"
	"sightline/store/pictures"
)

// writeViewed writes an item of one picture and two views, of which one is that
// of every such item.
func (s *shop) writeViewed(id string) []string {
	s.t.Helper()
	var keys []string
	for _, text := range []string{"picture of " + id, "back of " + id, "size chart"} {
		key, err := s.pics.Put(s.t.Context(), []byte(text))
		if err != nil {
			s.t.Fatal(err)
		}
		keys = append(keys, key)
	}
	e := store.Entry{Item: store.Item{ID: id}, Picture: keys[0], Embedding: []float32{0.6, 0.8, 0, 0}, ContentHash: "h" + id, Views: []store.View{
		{Picture: keys[1], Embedding: []float32{0, 1, 0, 0}}, {Picture: keys[2], Embedding: []float32{0, 0, 1, 0}},
	}}
	if err := s.index.Upsert(s.t.Context(), []store.Entry{e}); err != nil {
		s.t.Fatal(err)
	}
	return keys
}

// Views are backed up and restored with their pictures, each once.
func TestBackupOfViews(t *testing.T) {
	s := openShop(t, t.TempDir())
	s.write("a")
	s.writeViewed("b")
	s.writeViewed("c")
	to := filepath.Join(t.TempDir(), "backup")
	if r := mustBackup(t, s.dir, to); r.Copied != 6 || r.Failed != 0 || r.Manifest.Pictures != 6 || r.Manifest.Collections[0].Items != 3 {
		t.Errorf("report %+v", r)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	if r := mustRestore(t, to, dir); r.Copied != 6 || r.Failed != 0 {
		t.Errorf("report %+v", r)
	}
	got := openShop(t, dir)
	if fmt.Sprint(got.entries()) != fmt.Sprint(s.entries()) {
		t.Errorf("restored %+v\nwant %+v", got.entries(), s.entries())
	}
	for _, e := range got.entries() {
		for _, v := range e.Views {
			if _, err := got.pics.Get(t.Context(), v.Picture); err != nil {
				t.Error(err)
			}
		}
	}
}

// A missing picture and missing patch states of a view are named with its item.
func TestCheckOfViews(t *testing.T) {
	s := openShop(t, t.TempDir())
	keys := s.writeViewed("a")
	states := fakeStates{}
	options := backup.CheckOptions{States: func(string) (backup.States, func() error, error) {
		return states, func() error { return nil }, nil
	}}
	sound, err := backup.Check(t.Context(), s.dir, options)
	if err != nil || sound.Failed != 0 || sound.Items != 1 || sound.Pictures != 3 || sound.States != 3 {
		t.Fatalf("a sound folder: %+v, %v", sound, err)
	}
	states[keys[2]] = errors.New("no patch states")
	if err := os.Remove(filepath.Join(s.dir, "pictures", pictures.Path(keys[1]))); err != nil {
		t.Fatal(err)
	}
	if c, err := backup.Check(t.Context(), s.dir, options); err != nil || c.Failed != 2 || c.Repairable != 1 || c.Problems[0].Item != "a" {
		t.Errorf("a damaged folder: %+v, %v", c, err)
	}
	if r := mustBackup(t, s.dir, t.TempDir()); r.Failed != 1 || r.Copied != 2 || r.Problems[0].Item != "a" {
		t.Errorf("backup of a damaged folder: %+v", r)
	}
}
