package shopify_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/indexer/feed"
	"sightline/indexer/shopify"
	"sightline/store"
)

//nolint:gochecknoglobals // a flag of the test program
var rewrite = flag.Bool("update", false, "write the golden jobs anew")

// TestGolden holds each body's job to the one in the file beside it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		topic := update
		if name == "delete" {
			topic = remove
		}
		for _, variants := range []bool{false, true} {
			want := name + ".job"
			if variants {
				want = name + ".variants.job"
			}
			t.Run(want, func(t *testing.T) {
				job, queued := jobOf(t, shopify.Options{Variants: variants},
					delivery{topic: topic, id: "w1", triggered: "2026-11-24T16:30:11.25Z", body: golden(t, name+".json")})
				if queued.Kind != shopify.Kind || queued.Key != "shopify/"+shop+"/"+job.ProductID || queued.Version != job.Version ||
					queued.DedupeID != "shopify/"+shop+"/w1" {
					t.Errorf("queued as %+v", queued)
				}
				got, err := json.MarshalIndent(job, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				check(t, want, append(got, '\n'))
			})
		}
	}
}

func check(t *testing.T, name string, got []byte) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(filepath.Join("testdata", "golden", name), got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if want := golden(t, name); !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestSameAsExport compares the items of webhooks with those that Shopify's
// own export of the same products becomes: the golden feed of package feed,
// whose rows nobody here has written.
func TestSameAsExport(t *testing.T) {
	for _, variants := range []bool{false, true} {
		exported := exportOf(t, variants)
		for _, name := range []string{"tee", "mug"} {
			job, _ := jobOf(t, shopify.Options{Variants: variants}, delivery{topic: update, body: golden(t, name+".json")})
			if job.Op != shopify.Replace || len(job.Items) == 0 {
				t.Fatalf("%s: %+v", name, job)
			}
			for _, item := range job.Items {
				want, ok := exported[item.Item.ID]
				if !ok {
					t.Fatalf("the export has no item %q", item.Item.ID)
				}
				if !slices.Equal(item.Images, want.Images) {
					t.Errorf("%s: images %q, want %q", item.Item.ID, item.Images, want.Images)
				}
				got := item.Item
				if got.Version != job.Version || got.Version == 0 || got.UpdatedAt.IsZero() || got.Attributes[shopify.AttributeID] != job.ProductID {
					t.Errorf("%s is not marked: %+v", got.ID, got)
				}
				delete(got.Attributes, shopify.AttributeID)
				if a, b := hash(t, got), hash(t, want.Item); a != b {
					t.Errorf("%s:\ngot  %+v\nwant %+v", got.ID, got, want.Item)
				}
			}
		}
	}
}

func exportOf(t *testing.T, variants bool) map[string]feed.Record {
	t.Helper()
	out := map[string]feed.Record{}
	o := feed.Options{Format: feed.ShopifyCSV, Variants: variants, Currency: "EUR"}
	for r, err := range feed.Read(bytes.NewReader(goldenFeed(t)), o) {
		if err == nil {
			out[r.Item.ID] = r
		}
	}
	return out
}

func goldenFeed(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("../feed/testdata/golden/shopify.csv")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// hash is what decides whether an import has anything to do.
func hash(t *testing.T, item store.Item) string {
	t.Helper()
	h, err := item.ContentHash("")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestDecodeJobRefuses(t *testing.T) {
	for name, payload := range map[string]string{
		"no JSON":      `{`,
		"newer format": `{"format":2,"op":"delete","filter":"id = \"a\""}`,
		"no format":    `{"op":"delete","filter":"id = \"a\""}`,
		"unknown op":   `{"format":1,"op":"drop"}`,
		"no filter":    `{"format":1,"op":"delete"}`,
		"blank filter": `{"format":1,"op":"replace","filter":"  "}`,
		"bad filter":   `{"format":1,"op":"delete","filter":"id ="}`,
	} {
		if j, err := shopify.DecodeJob([]byte(payload)); err == nil {
			t.Errorf("%s: %+v is taken", name, j)
		}
	}
}
