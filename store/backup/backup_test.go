package backup_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sightline/store"
	"sightline/store/backup"
	"sightline/store/embedded"
	"sightline/store/pictures"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	fingerprint = "model-a"
	dim         = 4
)

// shop is an open data folder.
type shop struct {
	t     *testing.T
	dir   string
	index store.Index
	pics  *pictures.Store
}

func openShop(t *testing.T, dir string) *shop {
	t.Helper()
	cols, err := embedded.NewCollections(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t, dir: dir}
	if s.index, err = cols.Open(t.Context(), fingerprint, dim); err != nil {
		t.Fatal(err)
	}
	if s.pics, err = pictures.Open(filepath.Join(dir, "pictures")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.index.Close() })
	return s
}

func (s *shop) write(ids ...string) {
	s.t.Helper()
	for _, id := range ids {
		key, err := s.pics.Put(s.t.Context(), []byte("picture of "+id))
		if err != nil {
			s.t.Fatal(err)
		}
		e := store.Entry{Item: store.Item{ID: id, Title: "title of " + id}, Picture: key, Embedding: []float32{0.6, 0.8, 0, 0}, ContentHash: "h" + id}
		if err := s.index.Upsert(s.t.Context(), []store.Entry{e}); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *shop) entries() []store.Entry {
	s.t.Helper()
	entries, err := s.index.Scan(s.t.Context(), "", 1000, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return entries
}

func (s *shop) picturePath(id string) string {
	entries, err := s.index.Get(s.t.Context(), []string{id})
	if err != nil || len(entries) != 1 {
		s.t.Fatal(err)
	}
	return filepath.Join(s.dir, "pictures", pictures.Path(entries[0].Picture))
}

func ids(entries []store.Entry) string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Item.ID)
	}
	return strings.Join(all, " ")
}

func mustBackup(t *testing.T, dir, to string) backup.Report {
	t.Helper()
	r, err := backup.Backup(t.Context(), dir, to, backup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustRestore(t *testing.T, from, dir string) backup.Report {
	t.Helper()
	r, err := backup.Restore(t.Context(), from, dir, backup.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A backup is taken beside a program that has the folder open, and comes back
// as it was, with a newer generation.
func TestBackupAndRestore(t *testing.T) {
	s := openShop(t, t.TempDir())
	s.write("a", "b", "c")
	to := filepath.Join(t.TempDir(), "backup")
	if r := mustBackup(t, s.dir, to); r.Copied != 3 || r.Failed != 0 || r.Manifest.Pictures != 3 || r.Manifest.Collections[0].Items != 3 {
		t.Errorf("report %+v", r)
	}
	want := s.entries()
	s.write("d")
	before, err := s.index.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	if r := mustRestore(t, to, dir); r.Copied != 3 || r.Failed != 0 {
		t.Errorf("report %+v", r)
	}
	got := openShop(t, dir)
	if !slices.EqualFunc(got.entries(), want, func(a, b store.Entry) bool {
		return fmt.Sprint(a) == fmt.Sprint(b)
	}) {
		t.Errorf("restored %+v\nwant %+v", got.entries(), want)
	}
	for _, e := range got.entries() {
		if _, err := got.pics.Get(t.Context(), e.Picture); err != nil {
			t.Error(err)
		}
	}
	if after, err := got.index.Stats(t.Context()); err != nil || after.Generation <= before.Generation {
		t.Errorf("generation %d of the restored catalogue, %d before; %v", after.Generation, before.Generation, err)
	}
}

func TestBackupAgainCopiesWhatIsNew(t *testing.T) {
	s := openShop(t, t.TempDir())
	s.write("a", "b")
	to := t.TempDir()
	mustBackup(t, s.dir, to)
	s.write("c")
	if r := mustBackup(t, s.dir, to); r.Copied != 1 {
		t.Errorf("%d pictures copied, want 1", r.Copied)
	}
	if files, err := filepath.Glob(filepath.Join(to, "*.db")); err != nil || len(files) != 1 {
		t.Errorf("catalogues %v, %v", files, err)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	mustRestore(t, to, dir)
	if got := ids(openShop(t, dir).entries()); got != "a b c" {
		t.Errorf("restored %s", got)
	}
}

// A backup that is stopped leaves the earlier one as it was.
func TestStoppedBackup(t *testing.T) {
	s := openShop(t, t.TempDir())
	s.write("a", "b")
	to := t.TempDir()
	mustBackup(t, s.dir, to)
	s.write("c", "d", "e")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := backup.Backup(ctx, s.dir, to, backup.Options{Progress: func(done, _ int) {
		if done == 4 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped backup: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	mustRestore(t, to, dir)
	if got := ids(openShop(t, dir).entries()); got != "a b" {
		t.Errorf("restored %s", got)
	}
}

// A restore that is stopped leaves a folder that nothing opens, and is gone on
// with.
func TestStoppedRestore(t *testing.T) {
	s := openShop(t, t.TempDir())
	s.write("a", "b", "c")
	to := t.TempDir()
	mustBackup(t, s.dir, to)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := backup.Restore(ctx, to, dir, backup.Options{Progress: func(done, _ int) {
		if done == 2 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped restore: %v", err)
	}
	if _, err := embedded.NewCollections(dir, nil); err == nil || !strings.Contains(err.Error(), "run the same 'indexd restore' again") {
		t.Errorf("open a half restored folder: %v", err)
	}
	mustRestore(t, to, dir)
	if got := ids(openShop(t, dir).entries()); got != "a b c" {
		t.Errorf("restored %s", got)
	}
}

func TestRestoreRefuses(t *testing.T) {
	s := openShop(t, t.TempDir())
	s.write("a")
	to := t.TempDir()
	m := mustBackup(t, s.dir, to).Manifest
	if _, err := backup.Restore(t.Context(), to, s.dir, backup.Options{}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("into a used folder: %v", err)
	}
	if _, err := backup.Restore(t.Context(), t.TempDir(), t.TempDir(), backup.Options{}); err == nil || !strings.Contains(err.Error(), "is no backup") {
		t.Errorf("from no backup: %v", err)
	}
	file := filepath.Join(to, m.Collections[0].File)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), to, t.TempDir(), backup.Options{}); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("a damaged catalogue: %v", err)
	}
	manifest := filepath.Join(to, "backup.json")
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	hostile := strings.ReplaceAll(string(text), `"fingerprint": "model-a"`, `"fingerprint": "../../x"`)
	data[len(data)/2] ^= 1
	if err := errors.Join(os.WriteFile(manifest, []byte(hostile), 0o600), os.WriteFile(file, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), to, t.TempDir(), backup.Options{}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a fingerprint that leaves the folder: %v", err)
	}
}

// A picture that cannot be copied is named, and the rest is saved.
func TestBackupOfDamage(t *testing.T) {
	s := openShop(t, t.TempDir())
	s.write("a", "b", "c")
	if err := errors.Join(os.Remove(s.picturePath("a")), os.WriteFile(s.picturePath("b"), []byte("other"), 0o600)); err != nil {
		t.Fatal(err)
	}
	r := mustBackup(t, s.dir, t.TempDir())
	if r.Failed != 2 || r.Copied != 1 || r.Problems[0].Item != "a" || r.Problems[1].Item != "b" {
		t.Errorf("report %+v", r)
	}
}

// fakeStates has states of some pictures.
type fakeStates map[string]error

func (f fakeStates) Check(_ context.Context, picture string, deep bool) error {
	if err := f[picture]; err != nil || deep {
		return err
	}
	return nil
}

func TestCheck(t *testing.T) {
	s := openShop(t, t.TempDir())
	s.write("a", "b", "c")
	states := fakeStates{}
	released := 0
	options := backup.CheckOptions{States: func(fp string) (backup.States, func() error, error) {
		return states, func() error { released++; return nil }, nil
	}}
	sound, err := backup.Check(t.Context(), s.dir, options)
	if err != nil || sound.Failed != 0 || sound.Items != 3 || sound.Pictures != 3 || sound.States != 3 || released != 1 {
		t.Fatalf("a sound folder: %+v, %v", sound, err)
	}
	states[s.entries()[2].Picture] = errors.New("no patch states")
	if err := errors.Join(os.Remove(s.picturePath("a")), os.WriteFile(s.picturePath("b"), []byte("other"), 0o600)); err != nil {
		t.Fatal(err)
	}
	quick, err := backup.Check(t.Context(), s.dir, options)
	if err != nil || quick.Failed != 2 || quick.Repairable != 1 {
		t.Errorf("quick check: %+v, %v", quick, err)
	}
	options.Deep = true
	if deep, err := backup.Check(t.Context(), s.dir, options); err != nil || deep.Failed != 3 || deep.Repairable != 1 {
		t.Errorf("deep check: %+v, %v", deep, err)
	}
	options.States = func(string) (backup.States, func() error, error) { return nil, nil, errors.New("in use") }
	if busy, err := backup.Check(t.Context(), s.dir, options); err != nil || len(busy.Skipped) != 1 || busy.States != 0 {
		t.Errorf("states in use: %+v, %v", busy, err)
	}
}

// Damage to the catalogue file itself is found, and is no error of Check.
func TestCheckFindsDamagedCatalogue(t *testing.T) {
	dir := t.TempDir()
	s := openShop(t, dir)
	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprintf("item-%03d", i))
	}
	s.write(many...)
	if err := s.index.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "models", fingerprint, embedded.CatalogueFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 5 * 4096; i < 6*4096; i++ { // a page in the middle
		data[i] = 0xa5
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := backup.Check(t.Context(), dir, backup.CheckOptions{})
	if err != nil || c.Failed == 0 {
		t.Errorf("damage was not found: %+v, %v", c, err)
	}
}

func TestNothingToBackUp(t *testing.T) {
	dir := t.TempDir()
	if _, err := backup.Backup(t.Context(), dir, t.TempDir(), backup.Options{}); err == nil || !strings.Contains(err.Error(), "holds no catalogue") {
		t.Errorf("backup of nothing: %v", err)
	}
	if _, err := embedded.OpenReader(t.Context(), dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read nothing: %v", err)
	}
}
