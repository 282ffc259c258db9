package storetest

import (
	"fmt"
	"sync"
	"testing"

	"sightline/store"
)

// The models of RunCollections.
const (
	oldModel = "storetest-old"
	newModel = "storetest-new"
)

// RunCollections checks every rule of store.Collections. open returns a new
// empty place.
func RunCollections(t *testing.T, open func(t *testing.T) store.Collections) {
	t.Helper()
	for _, rule := range []struct {
		name  string
		check func(t *testing.T, c store.Collections)
	}{
		{"empty place", checkNoCollections},
		{"first is current", checkFirstIsCurrent},
		{"apart", checkApart},
		{"switch and back", checkSwitch},
		{"switch at one moment", checkSwitchWhileReading},
		{"drop", checkDrop},
		{"refused fingerprints", checkFingerprints},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.check(t, open(t)) })
	}
}

func wantCurrent(t *testing.T, c store.Collections, want string) {
	t.Helper()
	if got, err := c.Current(t.Context()); err != nil || got != want {
		t.Errorf("current: got %q, %v; want %q", got, err, want)
	}
}

func wantList(t *testing.T, c store.Collections, want ...store.Collection) {
	t.Helper()
	got, err := c.List(t.Context())
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("list: got %v, %v; want %v", got, err, want)
	}
}

// fill opens a collection, writes ids and closes it.
func fill(t *testing.T, c store.Collections, fingerprint string, ids ...string) {
	t.Helper()
	x, err := c.Open(t.Context(), fingerprint, Dim)
	if err != nil {
		t.Fatalf("open %s: %v", fingerprint, err)
	}
	for _, id := range ids {
		mustUpsert(t, x, entry(id, 1, axis(0)))
	}
	if err := x.Close(); err != nil {
		t.Errorf("close %s: %v", fingerprint, err)
	}
}

func mustSwitch(t *testing.T, c store.Collections, fingerprint string) {
	t.Helper()
	if err := c.Switch(t.Context(), fingerprint); err != nil {
		t.Fatalf("switch to %s: %v", fingerprint, err)
	}
}

func checkNoCollections(t *testing.T, c store.Collections) {
	wantCurrent(t, c, "")
	wantList(t, c)
	wantError(t, "switch to nothing", c.Switch(t.Context(), newModel), store.ErrInvalid)
	wantError(t, "drop nothing", c.Drop(t.Context(), newModel), store.ErrInvalid)
}

func checkFirstIsCurrent(t *testing.T, c store.Collections) {
	fill(t, c, oldModel, "a", "b")
	wantCurrent(t, c, oldModel)
	fill(t, c, newModel, "a")
	wantCurrent(t, c, oldModel)
	wantList(t, c,
		store.Collection{Fingerprint: oldModel, Dim: Dim, Items: 2, Current: true},
		store.Collection{Fingerprint: newModel, Dim: Dim, Items: 1})
}

// checkApart: what is written for one model is not seen by another, and is
// there when its collection is opened again.
func checkApart(t *testing.T, c store.Collections) {
	fill(t, c, oldModel, "a", "b")
	x, err := c.Open(t.Context(), newModel, Dim)
	if err != nil {
		t.Fatal(err)
	}
	if got := mustStats(t, x); got.Items != 0 || got.Fingerprint != newModel || got.Dim != Dim {
		t.Errorf("stats of the new collection: %+v", got)
	}
	mustUpsert(t, x, entry("c", 1, axis(0)))
	wantIDs(t, mustSearch(t, x, store.Query{Embedding: axis(0), K: 10}), "c")
	if err := x.Close(); err != nil {
		t.Error(err)
	}
	y, err := c.Open(t.Context(), oldModel, Dim)
	if err != nil {
		t.Fatal(err)
	}
	wantIDs(t, mustSearch(t, y, store.Query{Embedding: axis(0), K: 10}), "a", "b")
	if err := y.Close(); err != nil {
		t.Error(err)
	}
}

func checkSwitch(t *testing.T, c store.Collections) {
	fill(t, c, oldModel, "a")
	fill(t, c, newModel, "a", "b")
	mustSwitch(t, c, newModel)
	wantCurrent(t, c, newModel)
	wantList(t, c,
		store.Collection{Fingerprint: newModel, Dim: Dim, Items: 2, Current: true},
		store.Collection{Fingerprint: oldModel, Dim: Dim, Items: 1})
	wantError(t, "switch to one that is not there", c.Switch(t.Context(), "storetest-none"), store.ErrInvalid)
	wantCurrent(t, c, newModel)
	mustSwitch(t, c, oldModel)
	mustSwitch(t, c, oldModel) // again is harmless
	wantCurrent(t, c, oldModel)
}

// checkSwitchWhileReading: at every moment one of the two is current.
func checkSwitchWhileReading(t *testing.T, c store.Collections) {
	fill(t, c, oldModel, "a")
	fill(t, c, newModel, "a")
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got, err := c.Current(t.Context()); err != nil || got != oldModel && got != newModel {
					t.Errorf("current while switching: %q, %v", got, err)
					return
				}
			}
		})
	}
	for range 10 {
		mustSwitch(t, c, newModel)
		mustSwitch(t, c, oldModel)
	}
	close(done)
	wg.Wait()
}

func checkDrop(t *testing.T, c store.Collections) {
	fill(t, c, oldModel, "a")
	fill(t, c, newModel, "a", "b")
	wantError(t, "drop the current one", c.Drop(t.Context(), oldModel), store.ErrInvalid)
	mustSwitch(t, c, newModel)
	if err := c.Drop(t.Context(), oldModel); err != nil {
		t.Fatalf("drop: %v", err)
	}
	wantList(t, c, store.Collection{Fingerprint: newModel, Dim: Dim, Items: 2, Current: true})
	wantError(t, "switch to a dropped one", c.Switch(t.Context(), oldModel), store.ErrInvalid)
	fill(t, c, oldModel) // made anew: empty
	wantList(t, c,
		store.Collection{Fingerprint: newModel, Dim: Dim, Items: 2, Current: true},
		store.Collection{Fingerprint: oldModel, Dim: Dim})
}

func checkFingerprints(t *testing.T, c store.Collections) {
	for _, fingerprint := range []string{"", "..", "../x", "a/b", "a b", `a"b`, "a\nb", "a\x00b"} {
		x, err := c.Open(t.Context(), fingerprint, Dim)
		wantError(t, fmt.Sprintf("open %q", fingerprint), err, store.ErrInvalid)
		if err == nil {
			_ = x.Close()
		}
		wantError(t, fmt.Sprintf("switch to %q", fingerprint), c.Switch(t.Context(), fingerprint), store.ErrInvalid)
	}
	fill(t, c, oldModel, "a")
	x, err := c.Open(t.Context(), oldModel, Dim+1)
	wantError(t, "open with other dimensions", err, store.ErrFingerprint)
	if err == nil {
		_ = x.Close()
	}
}
