package feed_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"sightline/indexer/feed"
)

// sound holds a feed to what is true of every input: faults say something,
// rows and places only grow, texts are UTF-8, pictures are few and each once,
// and the report of every row can be imported again.
func sound(t *testing.T, data []byte, o feed.Options) {
	t.Helper()
	var rejected bytes.Buffer
	report := feed.NewReport(&rejected)
	row, at, n, ended := 0, int64(0), 0, false
	for r, err := range feed.Read(bytes.NewReader(data), o) {
		var fault *feed.Fault
		switch {
		case ended:
			t.Fatalf("row %d after the end", r.Row)
		case errors.As(err, &fault):
			if fault.Error() == "" || fault.Stage != feed.StageFeed || r.Where == "" {
				t.Fatalf("row %d: fault %+v", r.Row, fault)
			}
		case err != nil:
			ended = true
			continue
		}
		if r.Row < row || r.Row == row && !o.Variants || r.At < at {
			t.Fatalf("row %d at %d after row %d at %d", r.Row, r.At, row, at)
		}
		row, at = r.Row, r.At
		checkTexts(t, r, err)
		if err := report.Write(r, errors.New("x")); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if at > int64(len(data)) {
		t.Fatalf("at %d of %d bytes", at, len(data))
	}
	lines := bytes.SplitAfter(rejected.Bytes(), []byte("\n"))
	if len(lines)-1 != n {
		t.Fatalf("report of %d lines, want %d", len(lines)-1, n)
	}
	for _, line := range lines[:n] {
		var fields map[string]json.RawMessage // not any: 1e999 is JSON, too
		if err := json.Unmarshal(line, &fields); err != nil || string(fields["_error"]) != `"x"` {
			t.Fatalf("report line %q: %v", line, err)
		}
	}
}

func checkTexts(t *testing.T, r feed.Record, err error) {
	t.Helper()
	text, marshalErr := json.Marshal(r.Item)
	if marshalErr != nil {
		t.Fatalf("row %d: %v", r.Row, marshalErr)
	}
	for name, value := range r.Item.Fields() {
		if !utf8.ValidString(name) || !utf8.ValidString(value.Text) {
			t.Fatalf("row %d: %q is %q in %s", r.Row, name, value.Text, text)
		}
	}
	seen := map[string]bool{}
	for _, image := range r.Images {
		if seen[image] || image == "" {
			t.Fatalf("row %d: pictures %q", r.Row, r.Images)
		}
		seen[image] = true
	}
	for _, source := range append([]string{r.Item.Image}, r.Item.Images...) {
		if len(source) >= 5 && strings.EqualFold(source[:5], "data:") || source != "" && !seen[source] && err == nil {
			t.Fatalf("row %d: source %q of pictures %q", r.Row, source, r.Images)
		}
	}
	if len(r.Images) > feed.MaxImages || len(r.Images) > 0 && r.Images[0] != r.Image || err == nil && r.Where == "" {
		t.Fatalf("row %d: image %q of %q, %v", r.Row, r.Image, r.Images, err)
	}
}

// golden adds the golden files as seeds.
func golden(f *testing.F, names ...string) {
	f.Helper()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join("testdata", "golden", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

// FuzzJSONL: whatever the bytes are, every row is an item or a fault with a
// line number that exists.
func FuzzJSONL(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbf{\"id\":\"a\",\"image\":\"a.jpg\"}\r\n\n{\"id\":"))
	f.Add([]byte(`{"id":"a","additional_image_link":["b.jpg"],"_error":"x","images":"c, d"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		sound(t, data, feed.Options{Format: feed.JSONL, Map: map[string]string{"x": "y"}})
		row := 0
		for r := range jsonl(bytes.NewReader(data), "dir") {
			row = r.Row
		}
		if lines := bytes.Count(data, []byte("\n")) + 1; row > lines && !bytes.HasPrefix(data, []byte("\xff\xfe")) && !bytes.HasPrefix(data, []byte("\xfe\xff")) && !bytes.HasPrefix(data, []byte("\x1f\x8b")) {
			t.Fatalf("row %d of %d lines", row, lines)
		}
	})
}

func FuzzTable(f *testing.F) {
	golden(f, "shop.csv", "latin1.csv", "google.tsv")
	f.Add([]byte("id,title\na,\"open\nb,B\n"))
	f.Add([]byte("id\r\"a\"\"b\"\r\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		sound(t, data, feed.Options{Format: feed.CSV})
		sound(t, data, feed.Options{Format: feed.TSV})
	})
}

func FuzzXML(f *testing.F) {
	golden(f, "google-rss.xml", "google-atom.xml")
	f.Add([]byte("<rss><item><g:id>a\xff</g:id><x>&nbsp;</x></item>"))
	f.Add([]byte("<?xml version='1.0' encoding='latin1'?><feed><entry><id>\xe9</id></entry></feed>"))
	f.Fuzz(func(t *testing.T, data []byte) { sound(t, data, feed.Options{Format: feed.GoogleXML}) })
}

func FuzzShopify(f *testing.F) {
	golden(f, "shopify.csv", "shopify-2025.csv")
	f.Add([]byte("Handle,Variant Price,Image Src\na,1,x\na,,y\n,z,\nb"))
	f.Fuzz(func(t *testing.T, data []byte) {
		sound(t, data, feed.Options{Format: feed.ShopifyCSV, Unpublished: true})
		sound(t, data, feed.Options{Format: feed.ShopifyCSV, Variants: true})
	})
}

// FuzzAuto: what is not said is found out, by gzip and all.
func FuzzAuto(f *testing.F) {
	golden(f, "shop.csv", "google.tsv", "google-atom.xml", "shopify-2025.csv")
	f.Add([]byte(zipped(f, "id,title\na,A\n")))
	f.Add([]byte("\xff\xfei\x00d\x00\n\x00a\x00"))
	f.Fuzz(func(t *testing.T, data []byte) { sound(t, data, feed.Options{MaxBytes: 1 << 20}) })
}
