package feed_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/indexer/feed"
	"sightline/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

// seen is a record as golden files have it.
type seen struct {
	Row    int        `json:"row"`
	Where  string     `json:"where"`
	Fault  string     `json:"fault,omitempty"`
	Item   store.Item `json:"item"`
	Images []string   `json:"images,omitempty"`
}

// TestGolden reads feeds as shops write them, each with rows that are wrong.
func TestGolden(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options feed.Options
	}{
		{"shop.csv", feed.Options{Map: map[string]string{"Internal": "-"}}},
		{"latin1.csv", feed.Options{}},
		{"google.tsv", feed.Options{}},
		{"google-rss.xml", feed.Options{}},
		{"google-atom.xml", feed.Options{}},
		{"shopify.csv", feed.Options{Currency: "EUR"}},
		{"shopify-variants.csv", feed.Options{Currency: "EUR", Variants: true, Unpublished: true}},
		{"shopify-2025.csv", feed.Options{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			source := strings.Replace(tt.name, "-variants", "", 1)
			f, err := feed.Open(t.Context(), filepath.Join("testdata", "golden", source), tt.options)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			enc := json.NewEncoder(&got)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", " ")
			for r, err := range f {
				s := seen{Row: r.Row, Where: r.Where, Item: r.Item, Images: r.Images}
				if err != nil {
					s.Fault = err.Error()
				}
				if err := enc.Encode(s); err != nil {
					t.Fatal(err)
				}
				if len(r.Images) > 0 && r.Image != r.Images[0] {
					t.Errorf("%s: image %q, images %q", r.Where, r.Image, r.Images)
				}
			}
			compareGolden(t, filepath.Join("testdata", "golden", tt.name+".json"), got.Bytes())
		})
	}
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s (-update writes it anew):\n%s", path, got)
	}
}
