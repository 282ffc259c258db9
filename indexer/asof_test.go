package indexer_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"sightline/indexer"
)

// A time, and versions and dates around it.
var (
	noon   = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	before = noon.Add(-time.Hour)
	after  = noon.Add(time.Hour)
)

func TestAsOf(t *testing.T) {
	const late = "newer than the feed"
	tests := []struct {
		name            string
		stored          int64
		storedAt, rowAt time.Time
		own             int64  // version of the row
		title           string // of the row; "old" is that of the index
		state           indexer.State
		reason          string
		version         int64 // in the index afterwards
	}{
		{name: "nothing changed, the feed is newer", stored: before.UnixMicro(), title: "old", state: indexer.Unchanged, version: before.UnixMicro()},
		{name: "nothing changed, the item is newer", stored: after.UnixMicro(), title: "old", state: indexer.Unchanged, reason: late, version: after.UnixMicro()},
		{name: "changed", stored: before.UnixMicro(), title: "new", state: indexer.Written, version: noon.UnixMicro()},
		{name: "changed at the same time", stored: noon.UnixMicro(), title: "new", state: indexer.Written, version: noon.UnixMicro()},
		{name: "the item is newer", stored: after.UnixMicro(), title: "new", state: indexer.Unchanged, reason: late, version: after.UnixMicro()},
		{name: "a counted version", stored: 5, title: "new", state: indexer.Written, version: 5},
		{name: "no version", title: "new", state: indexer.Written},
		{name: "no version, an older date", storedAt: before, title: "new", state: indexer.Written},
		{name: "no version, a newer date", storedAt: after, title: "new", state: indexer.Unchanged, reason: late},
		{name: "dates of a clock that is ahead", storedAt: after, rowAt: after.Add(time.Minute), title: "new", state: indexer.Written},
		{name: "a version of the row's own", stored: 5, own: 7, title: "old", state: indexer.Written, version: 7},
		{name: "an older one of its own", stored: 8, own: 7, title: "new", state: indexer.Unchanged, reason: "version 7 is older than version 8", version: 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			first := shown("x", "a")
			first.Item.Title, first.Item.Version, first.Item.UpdatedAt = "old", tt.stored, tt.storedAt
			w.must(t, feedOf(first), indexer.Options{})
			r := shown("x", "a")
			r.Item.Title, r.Item.Version, r.Item.UpdatedAt = tt.title, tt.own, tt.rowAt
			for range 2 { // the second time nothing happens
				_, out, err := w.run(t.Context(), feedOf(r), indexer.Options{AsOf: noon})
				if err != nil || out[0].State != tt.state || !strings.Contains(out[0].Reason, tt.reason) || (out[0].Reason == "") != (tt.reason == "") {
					t.Fatalf("%+v, %v; want %s, %q", out, err, tt.state, tt.reason)
				}
				if e := w.entries["x"]; e.Item.Version != tt.version || (e.Item.Title == "new") != (tt.title == "new" && tt.reason == "") {
					t.Errorf("the index holds %+v, want version %d", e.Item, tt.version)
				}
				tt.state = indexer.Unchanged
			}
		})
	}
	w := newWorld(t)
	w.must(t, feedOf(shown("x", "a")), indexer.Options{AsOf: noon})
	if v := w.entries["x"].Item.Version; v != 0 {
		t.Errorf("a new item has version %d, want none", v)
	}
}

// What came after the feed was exported is neither deleted nor counted.
func TestFullSyncAsOf(t *testing.T) {
	w := newWorld(t)
	versioned := func(id string, version int64) indexer.Record {
		r := shown(id, id)
		r.Item.Version = version
		return r
	}
	w.must(t, feedOf(versioned("a", before.UnixMicro()), versioned("b", 5), versioned("c", after.UnixMicro()), versioned("d", after.UnixMicro()), versioned("e", after.UnixMicro())), indexer.Options{})
	feed := feedOf(shown("a", "a"))
	sum, _, err := w.run(t.Context(), feed, indexer.Options{FullSync: true, AsOf: noon, MaxVanish: 0.4})
	if !errors.Is(err, indexer.ErrNotDeleted) || !strings.Contains(err.Error(), "1 of 2 items") || sum.Deleted != 0 {
		t.Errorf("half of the older ones would vanish: %v, %+v", err, sum)
	}
	if sum := w.must(t, feed, indexer.Options{FullSync: true, AsOf: noon, MaxVanish: 0.5}); sum.Deleted != 1 || strings.Join(w.ids(), " ") != "a c d e" {
		t.Errorf("%+v, left %v", sum, w.ids())
	}
	if sum := w.must(t, feed, indexer.Options{FullSync: true, Force: true}); sum.Deleted != 3 {
		t.Errorf("without a version all are deleted: %+v", sum)
	}
}

// A webhook that comes between the comparison and the deletion wins.
func TestFullSyncAsOfSparesWhatComesMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.must(t, feedOf(shown("a", "a"), shown("b", "b"), shown("c", "c")), indexer.Options{})
	gets := 0
	w.onGet = func() error {
		if gets++; gets == 2 { // the first is that of the row
			e := w.entries["b"]
			e.Item.Version = after.UnixMicro()
			w.entries["b"] = e
		}
		return nil
	}
	sum := w.must(t, feedOf(shown("a", "a")), indexer.Options{FullSync: true, AsOf: noon, Force: true})
	if sum.Deleted != 1 || strings.Join(w.ids(), " ") != "a b" {
		t.Errorf("%+v, left %v", sum, w.ids())
	}
}

// forgetful notes which tombstones were dropped.
type forgetful struct {
	*fakeIndex

	before time.Time
}

func (f *forgetful) ForgetDeleted(_ context.Context, before time.Time) (int, error) {
	f.before = before
	return 0, nil
}

func TestTombstonesAreKeptBesideWebhooks(t *testing.T) {
	for asOf, want := range map[time.Time]time.Duration{{}: 0, noon: 48 * time.Hour} {
		w := newWorld(t)
		x := &forgetful{fakeIndex: (*fakeIndex)(w)}
		parts := w.parts()
		parts.Index = x
		begin := time.Now()
		if _, err := indexer.New(parts, indexer.Options{FullSync: true, AsOf: asOf}).Run(t.Context(), feedOf(shown("a", "a"))); err != nil {
			t.Fatal(err)
		}
		if d := begin.Sub(x.before) - want; d > 0 || d < -time.Minute {
			t.Errorf("as of %v: tombstones of before %v are dropped, want %v before the run", asOf, x.before, want)
		}
	}
}

func TestKeep(t *testing.T) {
	stored := map[string]any{"shopify_id": "123", "material": "wool"}
	tests := []struct {
		name  string
		keep  []string
		row   map[string]any
		state indexer.State
		want  map[string]any
	}{
		{"nothing to keep", nil, map[string]any{"material": "wool"}, indexer.Written, map[string]any{"material": "wool"}},
		{"kept", []string{"shopify_id"}, map[string]any{"material": "wool"}, indexer.Unchanged, stored},
		{"kept beside what changed", []string{"shopify_id"}, map[string]any{"material": "silk"}, indexer.Written, map[string]any{"shopify_id": "123", "material": "silk"}},
		{"kept where there are none", []string{"shopify_id", "material"}, nil, indexer.Unchanged, stored},
		{"given", []string{"shopify_id"}, map[string]any{"shopify_id": "4", "material": "wool"}, indexer.Written, map[string]any{"shopify_id": "4", "material": "wool"}},
		{"not stored either", []string{"gtin"}, map[string]any{"material": "wool"}, indexer.Written, map[string]any{"material": "wool"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			first := shown("x", "a")
			first.Item.Attributes = stored
			w.must(t, feedOf(first), indexer.Options{})
			r := shown("x", "a")
			r.Item.Attributes = tt.row
			given := len(tt.row)
			_, out, err := w.run(t.Context(), feedOf(r), indexer.Options{Keep: tt.keep})
			if err != nil || out[0].State != tt.state {
				t.Fatalf("%+v, %v; want %s", out, err, tt.state)
			}
			if got := w.entries["x"].Item.Attributes; !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if len(tt.row) != given {
				t.Error("the row's own attributes were changed")
			}
		})
	}
}

// Attributes that are kept count towards an item's limits.
func TestKeepTooMany(t *testing.T) {
	w := newWorld(t)
	first := shown("x", "a")
	first.Item.Attributes = map[string]any{"shopify_id": "123"}
	w.must(t, feedOf(first), indexer.Options{})
	r := shown("x", "a")
	r.Item.Attributes = map[string]any{}
	for i := range 128 {
		r.Item.Attributes[strings.Repeat("n", i+1)] = "v"
	}
	if _, out, err := w.run(t.Context(), feedOf(r), indexer.Options{Keep: []string{"shopify_id"}}); err != nil || out[0].Stage != indexer.StageFeed {
		t.Errorf("%+v, %v", out, err)
	}
	if w.entries["x"].Item.Attributes["shopify_id"] != "123" {
		t.Error("the stored item was changed")
	}
}
