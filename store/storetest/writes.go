package storetest

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"sightline/store"
)

func checkEmpty(t *testing.T, x store.Index) {
	if got := mustStats(t, x); got.Items != 0 || got.Dim != Dim || got.Fingerprint != Fingerprint {
		t.Errorf("stats of an empty index: %+v", got)
	}
	wantIDs(t, mustSearch(t, x, store.Query{Embedding: axis(0), K: 10}))
	if got := mustGet(t, x, "nothing"); len(got) != 0 {
		t.Errorf("get: %v", got)
	}
	mustDelete(t, x, 0, "nothing")
	mustUpsert(t, x)
}

func checkUpsertGet(t *testing.T, x store.Index) {
	want := fullEntry("p'1")
	mustUpsert(t, x, entry("a", 1, axis(0)), want, entry("b", 0, axis(1)))
	got := mustGet(t, x, "b", "missing", "p'1", "a")
	if len(got) != 3 || got[0].Item.ID != "b" || got[2].Item.ID != "a" {
		t.Fatalf("get keeps the order asked for and leaves out the unknown: %v", got)
	}
	if !reflect.DeepEqual(got[1], want) {
		t.Errorf("got  %+v\nwant %+v", got[1], want)
	}
	hits := mustSearch(t, x, store.Query{Embedding: want.Embedding, K: 1})
	if len(hits) != 1 || !reflect.DeepEqual(hits[0].Item, want.Item) || hits[0].Picture != want.Picture {
		t.Errorf("hit %+v\nwant %+v", hits, want)
	}
	if len(hits) == 1 && math.Abs(hits[0].ITC-1) > 1e-5 {
		t.Errorf("cosine of a vector with itself: %g", hits[0].ITC)
	}
}

func checkUpsertAgain(t *testing.T, x store.Index) {
	for range 3 {
		mustUpsert(t, x, entry("a", 1, axis(0)))
	}
	mustUpsert(t, x, entry("a", 1, axis(1))) // equal version: the last write counts
	if got := mustStats(t, x).Items; got != 1 {
		t.Errorf("%d items, want 1", got)
	}
	hits := mustSearch(t, x, store.Query{Embedding: axis(1), K: 5})
	wantIDs(t, hits, "a")
	if hits[0].ITC < 0.99 {
		t.Errorf("the old vector is still searched: cosine %g", hits[0].ITC)
	}
}

func checkVersions(t *testing.T, x store.Index) {
	mustUpsert(t, x, entry("a", 5, axis(0)), entry("b", 5, axis(1)))
	mustUpsert(t, x, entry("a", 4, axis(2)), entry("b", 6, axis(1)), entry("c", 0, axis(3)))
	wantVersions(t, x, map[string]int64{"a": 5, "b": 6, "c": 0})
	if hits := mustSearch(t, x, store.Query{Embedding: axis(2), K: 1}); hits[0].ITC > 0.5 {
		t.Errorf("an older vector was written: %+v", hits[0])
	}
}

func checkBatchVersions(t *testing.T, x store.Index) {
	mustUpsert(t, x, entry("a", 3, axis(0)), entry("b", 1, axis(1)), entry("a", 2, axis(2)), entry("b", 1, axis(3)))
	wantVersions(t, x, map[string]int64{"a": 3, "b": 1})
	if got := mustStats(t, x).Items; got != 2 {
		t.Errorf("%d items, want 2", got)
	}
	if got := mustGet(t, x, "b")[0].Embedding; !reflect.DeepEqual(got, axis(3)) {
		t.Errorf("of two equal versions the last must win: %v", got)
	}
}

func checkDelete(t *testing.T, x store.Index) {
	mustUpsert(t, x, entry("a", 1, axis(0)), entry("b", 1, axis(0)), entry("c", 1, axis(0)))
	mustDelete(t, x, 2, "a", "missing", "c", "a")
	mustDelete(t, x, 0, "a", "c")
	mustDelete(t, x, 0)
	wantVersions(t, x, map[string]int64{"a": -1, "b": 1, "c": -1})
	wantIDs(t, mustSearch(t, x, store.Query{Embedding: axis(0), K: 5}), "b")
}

func checkTombstones(t *testing.T, x store.Index) {
	mustUpsert(t, x, entry("late", 5, axis(0)), entry("same", 5, axis(1)), entry("newer", 5, axis(2)), entry("plain", 0, axis(3)))
	mustDelete(t, x, 4, "late", "same", "newer", "plain")
	mustUpsert(t, x, entry("late", 4, axis(0)), entry("same", 5, axis(1)), entry("newer", 6, axis(2)), entry("plain", 0, axis(3)))
	wantVersions(t, x, map[string]int64{"late": -1, "same": 5, "newer": 6, "plain": 0})
	mustDelete(t, x, 1, "newer")
	mustUpsert(t, x, entry("newer", 5, axis(2)))
	wantVersions(t, x, map[string]int64{"newer": -1})
}

func checkGeneration(t *testing.T, x store.Index) {
	last := mustStats(t, x).Generation
	for _, step := range []struct {
		name  string
		grows bool
		do    func()
	}{
		{"insert", true, func() { mustUpsert(t, x, entry("a", 2, axis(0))) }},
		{"replace", true, func() { mustUpsert(t, x, entry("a", 3, axis(0))) }},
		{"older version", false, func() { mustUpsert(t, x, entry("a", 1, axis(0))) }},
		{"search", false, func() { mustSearch(t, x, store.Query{Embedding: axis(0), K: 1}) }},
		{"delete nothing", false, func() { mustDelete(t, x, 0, "b") }},
		{"delete", true, func() { mustDelete(t, x, 1, "a") }},
	} {
		step.do()
		now := mustStats(t, x).Generation
		if now < last || (now > last) != step.grows {
			t.Errorf("%s: generation %d after %d", step.name, now, last)
		}
		last = now
	}
}

// badEntries are entries that an index of Dim dimensions must refuse.
func badEntries() map[string]store.Entry {
	nan, inf, short := axis(0), axis(0), axis(0)[:Dim-1]
	nan[1], inf[1] = float32(math.NaN()), float32(math.Inf(1))
	long := axis(0)
	long[0] = 1.1
	bad := map[string]store.Entry{
		"short":     entry("x", 1, short),
		"no vector": entry("x", 1, nil),
		"NaN":       entry("x", 1, nan),
		"Inf":       entry("x", 1, inf),
		"not unit":  entry("x", 1, long),
		"zero":      entry("x", 1, make([]float32, Dim)),
		"no id":     entry("", 1, axis(0)),
		"long id":   entry(strings.Repeat("x", 129), 1, axis(0)),
	}
	nested, path := entry("x", 1, axis(0)), entry("x", 1, axis(0))
	nested.Item.Attributes = map[string]any{"deep": map[string]any{"a": 1}}
	path.Picture = "../../etc/passwd"
	bad["nested attribute"], bad["picture key"] = nested, path
	addBadViews(bad)
	return bad
}

func addBadViews(bad map[string]store.Entry) {
	one := store.View{Picture: pictureKey("x", 1), Embedding: axis(0)}
	for name, spoil := range map[string]func(*store.Entry){
		"short view":              func(e *store.Entry) { e.Views[0].Embedding = axis(0)[:Dim-1] },
		"view without vector":     func(e *store.Entry) { e.Views[0].Embedding = nil },
		"view not unit":           func(e *store.Entry) { e.Views[0].Embedding = make([]float32, Dim) },
		"view without picture":    func(e *store.Entry) { e.Views[0].Picture = "" },
		"view with a path":        func(e *store.Entry) { e.Views[0].Picture = "../../etc/passwd" },
		"view twice":              func(e *store.Entry) { e.Views = append(e.Views, one) },
		"view of the own picture": func(e *store.Entry) { e.Views[0].Picture = e.Picture },
		"views without a picture": func(e *store.Entry) { e.Picture = "" },
		"too many views": func(e *store.Entry) {
			for n := range store.MaxViews {
				e.Views = append(e.Views, store.View{Picture: pictureKey("x", n+2), Embedding: axis(0)})
			}
		},
	} {
		e := entry("x", 1, axis(0))
		e.Views = []store.View{one}
		spoil(&e)
		bad[name] = e
	}
}

func checkRefusedEntries(t *testing.T, x store.Index) {
	for name, bad := range badEntries() {
		wantError(t, name, x.Upsert(t.Context(), []store.Entry{bad}), store.ErrInvalid)
	}
	if got := mustStats(t, x).Items; got != 0 {
		t.Errorf("%d refused entries were stored", got)
	}
}

func checkAllOrNothing(t *testing.T, x store.Index) {
	mustUpsert(t, x, entry("a", 1, axis(0)))
	before := mustStats(t, x)
	for name, bad := range badEntries() {
		batch := []store.Entry{entry("a", 2, axis(1)), entry("new", 1, axis(2)), bad, entry("later", 1, axis(3))}
		wantError(t, name, x.Upsert(t.Context(), batch), store.ErrInvalid)
	}
	wantVersions(t, x, map[string]int64{"a": 1, "new": -1, "later": -1})
	if after := mustStats(t, x); after != before {
		t.Errorf("stats %+v after refused batches, %+v before", after, before)
	}
}

func checkOwnership(t *testing.T, x store.Index) {
	spoil := func(it *store.Item, v []float32) {
		*it.Price = -1
		it.Attributes["pattern"] = "spoiled"
		it.Attributes["tags"].([]string)[0] = "spoiled"
		it.Images[0] = "spoiled"
		clear(v)
	}
	in, want := fullEntry("a"), fullEntry("a")
	mustUpsert(t, x, in)
	spoil(&in.Item, in.Embedding)
	got := mustGet(t, x, "a")[0]
	spoil(&got.Item, got.Embedding)
	hit := mustSearch(t, x, store.Query{Embedding: want.Embedding, K: 1})[0]
	spoil(&hit.Item, nil)
	if got := mustGet(t, x, "a")[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("a caller's change reached the index:\ngot  %+v\nwant %+v", got, want)
	}
}
