package embedded

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sightline/store"
)

const testDim = 4

func options(dir string) Options {
	return Options{Dir: dir, Dim: testDim, Fingerprint: "m", chunkSlots: testSlots}
}

func mustOpen(t *testing.T, dir string) *Index {
	t.Helper()
	x, err := Open(t.Context(), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

func plain(id string, version int64) store.Entry {
	return store.Entry{Item: store.Item{ID: id, Version: version}, Embedding: []float32{0, 1, 0, 0}}
}

// onFile runs SQL on a closed catalogue behind the index's back.
func onFile(t *testing.T, dir, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "catalogue.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}

func wantOpenError(t *testing.T, dir, want string) {
	t.Helper()
	x, err := Open(t.Context(), options(dir))
	if err == nil {
		t.Fatal(errors.Join(errors.New("opened"), x.Close()))
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got %q, want %q in it", err, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct{ statements, want string }{
		"a newer schema":        {"PRAGMA user_version = 99", "use a newer Sightline"},
		"another program's":     {"PRAGMA application_id = 7", "not a catalogue of Sightline"},
		"a short vector":        {"UPDATE items SET embedding = x'00'", "restore a backup"},
		"views in pieces":       {"UPDATE items SET views = x'00'", "restore a backup"},
		"too many views":        {"UPDATE items SET views = zeroblob(20 * 48)", "restore a backup"},
		"a broken item":         {"UPDATE items SET item = '{'", "restore a backup"},
		"a wrongly named item":  {"UPDATE items SET id = 'b'", "restore a backup"},
		"other vector length":   {"UPDATE catalogue SET dim = 5", "made with another model"},
		"another fingerprint":   {"UPDATE catalogue SET fingerprint = 'n'", "import again into a new --data folder"},
		"a catalogue in pieces": {"DROP TABLE tombstones", "read tombstones"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			x := mustOpen(t, dir)
			if err := errors.Join(x.Upsert(t.Context(), []store.Entry{plain("a", 1)}), x.Close()); err != nil {
				t.Fatal(err)
			}
			onFile(t, dir, c.statements)
			wantOpenError(t, dir, c.want)
			wantOpenError(t, dir, c.want) // and the refusal left no lock behind
		})
	}
}

func TestOpenLeavesForeignFilesAlone(t *testing.T) {
	dir := t.TempDir()
	onFile(t, dir, "CREATE TABLE other (x)")
	path := filepath.Join(dir, "catalogue.db")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wantOpenError(t, dir, "not a catalogue of Sightline")
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a foreign database was changed (%v)", err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	wantOpenError(t, dir, "not a database")
}

func TestOpenChecksOptions(t *testing.T) {
	good := options(t.TempDir())
	for _, change := range []func(*Options){
		func(o *Options) { o.Dir = "" }, func(o *Options) { o.Dim = 0 }, func(o *Options) { o.Fingerprint = "" },
	} {
		o := good
		change(&o)
		if _, err := Open(t.Context(), o); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%+v: got %v", o, err)
		}
	}
}

func TestOddFolderNames(t *testing.T) {
	for _, name := range []string{"50% off?", "a#b", "größe 日本", "semi;colon&amp='x'"} {
		dir := filepath.Join(t.TempDir(), name)
		x := mustOpen(t, dir)
		if err := errors.Join(x.Upsert(t.Context(), []store.Entry{plain("a", 1)}), x.Close()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "catalogue.db")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := mustOpen(t, dir).matrix.current.Load().items(); got != 1 {
			t.Errorf("%s: %d items after reopening", name, got)
		}
	}
}

func TestDurabilitySettings(t *testing.T) {
	x := mustOpen(t, t.TempDir())
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000", "user_version": "2", "application_id": fmt.Sprint(catalogue().ApplicationID),
	} {
		var got string
		if err := x.db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %s, %v; want %s", pragma, got, err, want)
		}
	}
}

func TestForgetDeleted(t *testing.T) {
	dir := t.TempDir()
	x := mustOpen(t, dir)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(x.Upsert(t.Context(), []store.Entry{plain("a", 5), plain("b", 5), plain("c", 5)}))
	_, err := x.Delete(t.Context(), []string{"a", "b", "c"})
	must(err)
	must(x.Upsert(t.Context(), []store.Entry{plain("c", 6)})) // lifts its tombstone, on disk too
	must(x.Close())
	x = mustOpen(t, dir)
	for _, step := range []struct {
		before time.Time
		want   int
	}{{time.Now().Add(-time.Hour), 0}, {time.Now().Add(time.Hour), 2}, {time.Now().Add(time.Hour), 0}} {
		if got, err := x.ForgetDeleted(t.Context(), step.before); err != nil || got != step.want {
			t.Errorf("forgot %d, %v; want %d", got, err, step.want)
		}
	}
	must(x.Close())
	x = mustOpen(t, dir)
	must(x.Upsert(t.Context(), []store.Entry{plain("a", 1)}))
	if got := mustGet(t, x, "a"); len(got) != 1 {
		t.Error("a forgotten tombstone still holds")
	}
	must(x.Close())
	if _, err := x.ForgetDeleted(t.Context(), time.Now()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
