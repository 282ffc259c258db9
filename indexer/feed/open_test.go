package feed_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/indexer/feed"
)

// served is an Opener with one body.
type served struct {
	body   string
	err    error
	asked  string
	closed bool
}

func (s *served) Open(_ context.Context, address string) (io.ReadCloser, int64, error) {
	s.asked = address
	return s, int64(len(s.body)), s.err
}

func (s *served) Read(p []byte) (int, error) {
	if s.body == "" {
		return 0, io.EOF
	}
	n := copy(p, s.body)
	s.body = s.body[n:]
	return n, nil
}

func (s *served) Close() error { s.closed = true; return nil }

func TestFeedAtAnAddress(t *testing.T) {
	const address = "https://shop.example/feeds/all.csv?key=1"
	from := &served{body: "id,image,more images\na,pictures/a.jpg,/b.jpg\nb,https://cdn.example/b.jpg,\nc,\"data:image/png;base64,AAAA\",\n"}
	size := int64(len(from.body))
	f, err := feed.Open(t.Context(), address, feed.Options{Opener: from, Map: map[string]string{"more images": "images"}})
	if err != nil {
		t.Fatal(err)
	}
	rs, errs := records(f)
	if from.asked != address || !from.closed || len(rs) != 3 || errors.Join(errs...) != nil {
		t.Fatalf("asked %q, closed %v, %d records, %v", from.asked, from.closed, len(rs), errs)
	}
	if want := []string{"https://shop.example/feeds/pictures/a.jpg", "https://shop.example/b.jpg"}; !slices.Equal(rs[0].Images, want) || rs[0].Image != want[0] || rs[0].Item.Image != want[0] {
		t.Errorf("pictures %q, %q, item %q", rs[0].Images, rs[0].Image, rs[0].Item.Image)
	}
	if rs[1].Image != "https://cdn.example/b.jpg" || rs[2].Image != "data:image/png;base64,AAAA" || rs[2].Item.Image != "" {
		t.Errorf("pictures %q and %q, item %q", rs[1].Image, rs[2].Image, rs[2].Item.Image)
	}
	if last := rs[2]; last.At != size || last.Of != size || last.Root != "" {
		t.Errorf("at %d of %d, root %q; want %d", last.At, last.Of, last.Root, size)
	}
}

func TestAddressThatFails(t *testing.T) {
	gone := errors.New("404")
	f, err := feed.Open(t.Context(), "HTTPS://user:secret@shop.example/x", feed.Options{Opener: &served{err: gone}})
	if err != nil {
		t.Fatal(err)
	}
	_, errs := records(f)
	if len(errs) != 1 || !errors.Is(errs[0], gone) || strings.Contains(errs[0].Error(), "secret") {
		t.Errorf("errors %v", errs)
	}
	big := &served{body: "id\n" + strings.Repeat("a\n", 1000)}
	f, err = feed.Open(t.Context(), "https://shop.example/x", feed.Options{Opener: big, MaxBytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	if got := told(f); !strings.Contains(got, "larger than 100 bytes") {
		t.Errorf("got …%s", got[max(0, len(got)-200):])
	}
}

func TestStdin(t *testing.T) {
	f, err := feed.Open(t.Context(), "-", feed.Options{Stdin: strings.NewReader(zipped(t, `{"id":"a","image":"a.jpg"}`))})
	if err != nil {
		t.Fatal(err)
	}
	rs, errs := records(f)
	if len(rs) != 1 || errs[0] != nil || rs[0].Root != "." || rs[0].Item.ID != "a" {
		t.Errorf("records %+v, %v", rs, errs)
	}
}

// TestPipeIsReadAsItComes: an item that is there is handed on before more of
// the feed is sent, whatever the format.
func TestPipeIsReadAsItComes(t *testing.T) {
	for format, begin := range map[feed.Format]string{
		feed.JSONL:     "{\"id\":\"a\"}\n",
		feed.CSV:       "id,title\na,A\n",
		feed.GoogleXML: "<rss>\n<channel><item><id>a</id></item>\n",
		feed.Auto:      "id\ttitle\na\tA\n",
	} {
		t.Run(string(format), func(t *testing.T) {
			r, w := io.Pipe()
			go func() { _, _ = w.Write([]byte(begin)) }() // and never closes it
			for record, err := range feed.Read(r, feed.Options{Format: format}) {
				if err != nil || record.Item.ID != "a" {
					t.Errorf("%+v, %v", record, err)
				}
				break
			}
			_ = r.Close()
		})
	}
}

func TestSniffing(t *testing.T) {
	for text, want := range map[string]string{
		"\n {\"id\":\"a\"}":             "jsonl",
		"<?xml version=\"1.0\"?><rss/>": "google-xml",
		"id,a\n":                        "csv",
		"id;a;b,c\n":                    "csv",
		"id\ta\n":                       "tsv",
		"Handle,Title,Body (HTML)\n":    "shopify-csv",
		"Title,URL handle,Product image URL,Type\n": "shopify-csv",
		"Handle,Title,id\n":                         "csv",
	} {
		var log bytes.Buffer
		o := feed.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		for range feed.Read(strings.NewReader(text), o) {
		}
		if !strings.Contains(log.String(), "format="+want+"\n") {
			t.Errorf("%q: want %s, log %s", text, want, log.String())
		}
	}
}

func TestJSONLByNameOnly(t *testing.T) {
	dir := files(t, map[string]string{"f.jsonl": "broken\n{\"id\":\"a\"}\n", "g.ndjson.gz": zipped(t, "broken\n{\"id\":\"a\"}\n"), "empty.jsonl": "\n"})
	for _, name := range []string{"f.jsonl", "g.ndjson.gz"} {
		matches(t, told(open(t, filepath.Join(dir, name))), "1:!not a JSON object", "2:a")
	}
	matches(t, told(open(t, filepath.Join(dir, "empty.jsonl"))))
}

func TestJSONLMapAndImages(t *testing.T) {
	o := feed.Options{Map: map[string]string{"Bild": "image", "weg": "-", "dicke": "thickness:number"}}
	rs := parse(t, `{"id":"a","Bild":" a.jpg","weg":[1,{}],"dicke":2,"images":["b.jpg","a.jpg"],"additional_image_link":"c.jpg, d.jpg"}`+"\n", o)
	if want := []string{" a.jpg", "b.jpg", "a.jpg", "c.jpg", "d.jpg"}; !slices.Equal(rs[0].Images, want) {
		t.Errorf("images %q, want %q", rs[0].Images, want)
	}
	if a := rs[0].Item.Attributes; len(a) != 1 || a["thickness"] != 2.0 {
		t.Errorf("attributes %v", a)
	}
	matches(t, told(feed.Read(strings.NewReader(`{"id":"a","Bild":"a.jpg","image":"b.jpg"}`), o)), `1:!"image" is given twice`)
	many := parse(t, `{"id":"a","images":["`+strings.Join(strings.Split(strings.Repeat("x", 30), ""), `1","y`)+`"]}`, feed.Options{})
	if len(many[0].Images) > feed.MaxImages {
		t.Errorf("%d pictures", len(many[0].Images))
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		options feed.Options
		want    string
	}{
		{feed.Options{Encoding: "klingon"}, `encoding "klingon"`},
		{feed.Options{Currency: "euro"}, `currency "euro"`},
		{feed.Options{Map: map[string]string{"x": "price:number"}}, "whose type is fixed"},
		{feed.Options{Map: map[string]string{"x": ":list"}}, "give the name"},
		{feed.Options{Map: map[string]string{"a b": "x", "A_b": "y"}}, "given twice"},
		{feed.Options{Format: feed.Pictures}, "cannot be read from a stream"},
	} {
		if got := told(feed.Read(strings.NewReader(""), tt.options)); !strings.HasPrefix(got, "end:") || !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.options, got, tt.want)
		}
	}
	matches(t, told(feed.Read(strings.NewReader("id\na\n"), feed.Options{Map: map[string]string{"Bild": "image"}})), `end:a column that is not there ("bild"); the columns are "id"`)
}

func TestParseMap(t *testing.T) {
	got, err := feed.ParseMap(`Bild=image, Preis = price,"Größe, cm=size",a=b=c:number`)
	if err != nil || len(got) != 4 || got["Bild"] != "image" || got["Preis"] != "price" || got["Größe, cm"] != "size" || got["a=b"] != "c:number" {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"x", "=y", "x=", `"x`, "a=b,a=c", "a=price:list"} {
		if got, err := feed.ParseMap(text); err == nil {
			t.Errorf("ParseMap(%q) = %v", text, got)
		}
	}
	if got, err := feed.ParseMap(" "); got != nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
