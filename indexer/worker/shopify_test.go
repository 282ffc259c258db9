package worker_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sightline/indexer"
	"sightline/indexer/queue"
	"sightline/indexer/shopify"
	"sightline/store"
)

// catalogue is the model of package shopify's own tests: what docs/shopify.md
// asks of a worker, with an index without vectors.
type catalogue struct {
	items   map[string]store.Item
	deleted map[string]int64
}

func (c *catalogue) upsert(item store.Item) {
	if old, ok := c.items[item.ID]; ok && item.Version < old.Version || item.Version < c.deleted[item.ID] {
		return
	}
	delete(c.deleted, item.ID)
	c.items[item.ID] = item
}

func (c *catalogue) apply(t testing.TB, payload []byte) {
	t.Helper()
	job, err := shopify.DecodeJob(payload)
	if err != nil {
		t.Fatal(err)
	}
	if job.Op == shopify.Reject {
		return
	}
	for _, item := range job.Items {
		if job.KeepAttributes {
			kept := maps.Clone(c.items[item.Item.ID].Attributes)
			if kept == nil {
				kept = map[string]any{}
			}
			maps.Copy(kept, item.Item.Attributes)
			item.Item.Attributes = kept
		}
		c.upsert(item.Item)
	}
	where, err := job.Where()
	if err != nil {
		t.Fatal(err)
	}
	for id, item := range c.items {
		if item.Matches(where) {
			delete(c.items, id)
			c.deleted[id] = item.Version
		}
	}
}

const (
	goldenFolder  = "../shopify/testdata/golden"
	goldenVersion = "1795537811250000" // of all golden jobs
)

// golden are the payloads that package shopify makes of its golden webhooks, by
// file: of products as one item and as one of each variant.
func golden(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(goldenFolder, "*.job"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d golden jobs: %v", len(files), err)
	}
	out := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(file), ".job")] = string(data)
	}
	return out
}

func delivery(payload string) queue.Job {
	return queue.Job{Kind: shopify.Kind, Payload: []byte(payload), Attempt: 1}
}

func only(entries map[string]store.Entry) map[string]store.Item {
	items := map[string]store.Item{}
	for id, e := range entries {
		items[id] = e.Item
	}
	return items
}

// sameItems compares by JSON, which a payload has been through.
func sameItems(t testing.TB, got, want map[string]store.Item) {
	t.Helper()
	a, err := json.Marshal(got)
	b, failed := json.Marshal(want)
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	if string(a) != string(b) {
		t.Errorf("got  %s\nwant %s", a, b)
	}
}

// TestGolden does each golden job after an import of the same items without
// versions, twice.
func TestGolden(t *testing.T) {
	for name, payload := range golden(t) {
		t.Run(name, func(t *testing.T) {
			j, err := shopify.DecodeJob([]byte(payload))
			if err != nil {
				t.Fatal(err)
			}
			s, model := newShop(), &catalogue{items: map[string]store.Item{}, deleted: map[string]int64{}}
			s.bare = true
			for _, id := range []string{"basic-tee", "gift-mug", "draft-vase"} {
				item := store.Item{ID: id, URL: "/products/" + id, Attributes: map[string]any{"material": "of the feed"}}
				s.upsert(store.Entry{Item: item})
				model.upsert(item)
			}
			model.apply(t, []byte(payload))
			for i := range 2 {
				outcome, problem := handle(t, s.worker(), delivery(payload))
				switch {
				case j.Op == shopify.Reject:
					if !strings.HasPrefix(problem, "dead shopify: ") || !strings.Contains(problem, j.Problem) {
						t.Errorf("rejected as %q", problem)
					}
				case problem != "":
					t.Error(problem)
				case j.Op == shopify.Replace && outcome != []string{"written", "unchanged"}[i]:
					t.Errorf("attempt %d: %q", i+1, outcome)
				case j.Op == shopify.Delete && outcome != "deleted" && outcome != "missing":
					t.Errorf("attempt %d: %q", i+1, outcome)
				}
				sameItems(t, only(s.items()), model.items)
			}
		})
	}
}

// TestDeliveries does golden jobs with drawn versions in any order, some of
// them again, and compares with the model after each.
func TestDeliveries(t *testing.T) {
	files := golden(t)
	rapid.Check(t, func(r *rapid.T) {
		variants := rapid.SampledFrom([]string{"", ".variants"}).Draw(r, "variants")
		s, model := newShop(), &catalogue{items: map[string]store.Item{}, deleted: map[string]int64{}}
		s.bare = true
		w := s.worker()
		for range rapid.IntRange(1, 10).Draw(r, "jobs") {
			name := rapid.SampledFrom([]string{"tee", "mug", "boot", "draft", "archived", "delete", "unpublished", "scarf-bad-price"}).Draw(r, "file")
			version := rapid.StringMatching("[1-9]").Draw(r, "version")
			payload := strings.ReplaceAll(files[name+variants], goldenVersion, version)
			for range rapid.IntRange(1, 2).Draw(r, "times") {
				handle(t, w, delivery(payload))
				model.apply(t, []byte(payload))
			}
			if got := only(s.items()); !reflect.DeepEqual(got, model.items) {
				r.Fatalf("%s of version %s:\ngot  %v\nwant %v", name, version, got, model.items)
			}
		}
	})
}

// product is a payload of so many variants, which replaces all that the
// product had of lower versions.
func product(t testing.TB, version int64, images func(id string) []string, ids ...string) string {
	t.Helper()
	j := shopify.Job{Format: 1, Op: shopify.Replace, Shop: "x", ProductID: "7", Version: version, Filter: `attributes.shopify_id = "7"`}
	for _, id := range ids {
		j.Items = append(j.Items, shopify.Item{
			Item:   store.Item{ID: id, Version: version, Attributes: map[string]any{shopify.AttributeID: "7"}},
			Images: images(id),
		})
		j.Filter += ` AND id != "` + id + `"`
	}
	data, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func pictureOf(id string) []string { return []string{"https://x/" + id + ".jpg"} }

// TestPartlyFailed: the items that can be written are, nothing is deleted while
// one is missing, and one that may go in later keeps the job alive.
func TestPartlyFailed(t *testing.T) {
	for name, c := range map[string]struct {
		outcomes map[string]indexer.Outcome
		want     []string
	}{
		"for good": {
			map[string]indexer.Outcome{"b": failed(indexer.StageDecode, "is no picture"), "c": failed(indexer.StageFetch, "404")},
			[]string{"dead decode: 2 of 3 items were not written", `"b": decode: is no picture`, `"c": fetch: 404`},
		},
		"for now": {
			map[string]indexer.Outcome{"a": failed(indexer.StageDecode, "is no picture"), "b": temporary(indexer.StageFetch, "503")},
			[]string{"again decode: 2 of 3", `"b": fetch: 503`},
		},
		"for now and for good": {
			map[string]indexer.Outcome{"a": temporary(indexer.StageFetch, "503"), "b": failed(indexer.StageDecode, "is no picture")},
			[]string{"again fetch: 2 of 3", `"b": decode: is no picture`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop()
			w := s.worker()
			want(t, w, delivery(product(t, 1, pictureOf, "old", "a", "b", "c")), "written")
			s.onDo = func(r indexer.Record) (indexer.Outcome, error) { return c.outcomes[r.Item.ID], nil }
			payload := product(t, 2, pictureOf, "a", "b", "c")
			for range 2 {
				want(t, w, delivery(payload), "", c.want...)
				for id, e := range s.items() {
					_, fails := c.outcomes[id]
					if written := e.Item.Version == 2; written == (fails || id == "old") {
						t.Errorf("%s has version %d", id, e.Item.Version)
					}
				}
				if len(s.items()) != 4 {
					t.Errorf("items were deleted: %v", only(s.items()))
				}
			}
			s.onDo = nil
			want(t, w, delivery(payload), "written")
			want(t, w, delivery(payload), "unchanged")
			if _, there := s.items()["old"]; there || len(s.items()) != 3 {
				t.Errorf("%v", only(s.items()))
			}
		})
	}
}

func TestProductWithoutPictures(t *testing.T) {
	s := newShop()
	none := func(string) []string { return nil }
	want(t, s.worker(), delivery(product(t, 1, none, "a")), "", "dead fetch: has no picture")
	some := func(id string) []string { return map[string][]string{"a": {"https://x/a"}}[id] }
	want(t, s.worker(), delivery(product(t, 1, some, "a", "b")), "", "dead fetch: 1 of 2", `"b"`)
}

func TestProductOutcomes(t *testing.T) {
	s := newShop()
	w := s.worker()
	want(t, w, delivery(product(t, 2, pictureOf, "a", "b")), "written")
	want(t, w, delivery(product(t, 2, pictureOf, "a")), "deleted")
	want(t, w, delivery(product(t, 2, pictureOf, "a")), "unchanged")
	s.fetched = nil
	want(t, w, delivery(product(t, 1, pictureOf, "a")), "unchanged: version 1 is older than version 2 in the index")
	if len(s.fetched) > 0 {
		t.Errorf("pictures of an older version were fetched: %v", s.fetched)
	}
	s.onDo = func(r indexer.Record) (indexer.Outcome, error) { return indexer.Outcome{}, errors.New("broken") }
	want(t, w, delivery(product(t, 3, pictureOf, "a")), "", "again dependency: ")
	s.onDo, s.onDelete = nil, func() error { return store.ErrInvalid }
	want(t, w, delivery(product(t, 3, pictureOf, "a")), "", "dead delete: ")
}

// TestKeepAttributes: a webhook without metafields leaves those of the feed and
// replaces what it has.
func TestKeepAttributes(t *testing.T) {
	for name, c := range map[string]struct {
		keep     string
		material any
	}{"kept": {`"keep_attributes":true,`, "clay"}, "all of them come": {"", nil}} {
		s := newShop()
		want(t, s.worker(), job(t, put(store.Item{
			ID: "a", Image: "https://x/a.jpg", Attributes: map[string]any{"material": "clay", shopify.AttributeID: "6"},
		})), "created")
		keeping := strings.Replace(product(t, 1, pictureOf, "a"), `"op":`, c.keep+`"op":`, 1)
		want(t, s.worker(), delivery(keeping), "written")
		got := s.items()["a"].Item.Attributes
		if got["material"] != c.material || got[shopify.AttributeID] != "7" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAttributesAtOnce: a webhook that keeps attributes comes, under another key
// of the queue, between a patch's look at the item and its write.
func TestAttributesAtOnce(t *testing.T) {
	s := newShop()
	w := s.worker()
	want(t, w, delivery(product(t, 1, pictureOf, "a")), "written")
	keeping := strings.Replace(product(t, 1, pictureOf, "a"), `"op":`, `"keep_attributes":true,"op":`, 1)
	ended, looked := make(chan error, 1), make(chan struct{})
	s.onWrite = func() {
		s.onWrite = nil
		s.onGet = sync.OnceValue(func() error { close(looked); return nil })
		go func() {
			_, err := w.Handle(t.Context(), delivery(keeping))
			ended <- err
		}()
		select {
		case <-looked: // at what the patch is about to change: the test fails below
		case <-time.After(50 * time.Millisecond):
		}
	}
	want(t, w, job(t, patch("a", `{"wool":true}`)), "written")
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := s.items()["a"].Item.Attributes; got["wool"] != true {
		t.Errorf("the patch is lost: %v", got)
	}
}
