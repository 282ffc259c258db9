package storetest

import (
	"reflect"
	"strings"
	"testing"

	"sightline/store"
)

// OpenDir opens or creates the index kept in dir for a model of Dim dimensions.
type OpenDir func(t *testing.T, dir, fingerprint string) (store.Index, error)

// RunDurable checks what must outlive the process. Only for implementations
// that keep their data in a folder.
func RunDurable(t *testing.T, open OpenDir) {
	t.Helper()
	t.Run("reopen", func(t *testing.T) { checkReopen(t, open) })
	t.Run("other model", func(t *testing.T) { checkOtherModel(t, open) })
	t.Run("one program at a time", func(t *testing.T) { checkOneOwner(t, open) })
}

func mustOpen(t *testing.T, open OpenDir, dir string) store.Index {
	t.Helper()
	x, err := open(t, dir, Fingerprint)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return x
}

func mustClose(t *testing.T, x store.Index) {
	t.Helper()
	if err := x.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func checkReopen(t *testing.T, open OpenDir) {
	dir := t.TempDir()
	x := mustOpen(t, open, dir)
	want := fullEntry("full")
	want.Views = viewed("full", 7, axis(0), axis(5), between(0.2)).Views
	mustUpsert(t, x, want, viewed("a", 5, axis(0), axis(6), axis(7)), viewed("gone", 5, axis(1), axis(7)))
	mustUpsert(t, x, entry("a", 6, axis(2)))
	x = reopened(t, open, dir, x)
	mustDelete(t, x, 1, "gone")
	x = reopened(t, open, dir, x)
	defer mustClose(t, x)

	got := mustGet(t, x, "full")
	if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	wantIDs(t, mustSearch(t, x, store.Query{Embedding: axis(2), K: 1}), "a")
	if hit := mustSearch(t, x, store.Query{Embedding: axis(5), K: 1})[0]; hit.View != 1 || hit.Picture != want.Views[0].Picture {
		t.Errorf("hit %+v, want view 1 of the item full", hit)
	}
	for _, query := range []int{6, 7} { // views that a later write or a deletion took away
		if hit := mustSearch(t, x, store.Query{Embedding: axis(query), K: 1})[0]; hit.ITC > 0.99 {
			t.Errorf("found %+v after reopening", hit)
		}
	}
	mustUpsert(t, x, entry("a", 5, axis(0)), entry("gone", 4, axis(1)))
	wantVersions(t, x, map[string]int64{"a": 6, "gone": -1})
	before := mustStats(t, x).Generation
	mustUpsert(t, x, entry("b", 1, axis(3)))
	if now := mustStats(t, x).Generation; now <= before {
		t.Errorf("generation %d after %d", now, before)
	}
}

// reopened closes x and opens it again; nothing may look different.
func reopened(t *testing.T, open OpenDir, dir string, x store.Index) store.Index {
	t.Helper()
	before := mustStats(t, x)
	mustClose(t, x)
	x = mustOpen(t, open, dir)
	if after := mustStats(t, x); after != before {
		t.Errorf("stats %+v after reopening, %+v before", after, before)
	}
	return x
}

func checkOtherModel(t *testing.T, open OpenDir) {
	dir := t.TempDir()
	x := mustOpen(t, open, dir)
	mustUpsert(t, x, entry("a", 1, axis(0)))
	mustClose(t, x)
	_, err := open(t, dir, "another-model")
	wantError(t, "open with another model", err, store.ErrFingerprint)
	if err != nil && !strings.Contains(err.Error(), "import again into a new --data folder") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	x = mustOpen(t, open, dir)
	wantVersions(t, x, map[string]int64{"a": 1})
	mustClose(t, x)
}

func checkOneOwner(t *testing.T, open OpenDir) {
	dir := t.TempDir()
	x := mustOpen(t, open, dir)
	_, err := open(t, dir, Fingerprint)
	if err == nil || !strings.Contains(err.Error(), "has this data folder open") {
		t.Errorf("second open: got %v, want a refusal that says why", err)
	}
	mustUpsert(t, x, entry("a", 1, axis(0)))
	mustClose(t, x)
	x = mustOpen(t, open, dir)
	wantVersions(t, x, map[string]int64{"a": 1})
	mustClose(t, x)
}
