package feed_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"sightline/indexer/feed"
)

// rejects reads a feed and returns its good rows and the report of the others.
func rejects(t *testing.T, text string, o feed.Options) ([]feed.Record, string) {
	t.Helper()
	var out bytes.Buffer
	report := feed.NewReport(&out)
	var good []feed.Record
	for r, err := range feed.Read(strings.NewReader(text), o) {
		if err == nil {
			good = append(good, r)
			continue
		}
		if err := report.Write(r, err); err != nil {
			t.Fatal(err)
		}
	}
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	return good, out.String()
}

func TestReportLines(t *testing.T) {
	for _, tt := range []struct {
		name, feed string
		want       string // of the line, in the order that JSON maps have
	}{
		{
			"JSONL, wrong type", `{"id":"a","price":"cheap","image":"a.jpg"}`,
			`{"_error":"cannot be read as an item: item \"a\": \"price\" must be a number","_row":1,"_where":"line 1","id":"a","image":"a.jpg","price":"cheap"}`,
		},
		{
			"JSONL, a report again", `{"_error":"x","_raw":"y","_row":3,"_where":"z","id":7}`,
			`{"_error":"cannot be read as an item: item \"\": \"id\" must be text in quotes","_row":1,"_where":"line 1","id":7}`,
		},
		{
			"JSONL, broken", `{"id": <b>`,
			`{"_error":"cannot be read as an item: invalid character '<' looking for beginning of value","_raw":"{\"id\": <b>","_row":1,"_where":"line 1"}`,
		},
		{
			"JSONL, not UTF-8", "{\"id\":\"caf\xe9\"}",
			`{"_error":"is not UTF-8 text at byte 11; save the feed as UTF-8, or give its encoding","_row":1,"_where":"line 1","id":"café"}`,
		},
		{
			"CSV, wrong values", "id,price,image,additional images,size,soft:bool\na,cheap,a.jpg,\"b.jpg,c.jpg\",XL,maybe\n",
			`{"_error":"the price is \"cheap\", which cannot be read; write it as 19.99 EUR; soft is \"maybe\"; write true or false","_row":2,"_where":"row 2","additional_image_link":["b.jpg","c.jpg"],"attributes":{"size":"XL"},"id":"a","image":"a.jpg","price":"cheap","soft":"maybe"}`,
		},
		{
			"CSV, ragged", "id,title,price\na,A\n",
			`{"_error":"has 2 cells, the header has 3 columns; put quotes around cells with line ends in them, and write empty cells too","_raw":"a,A","_row":2,"_where":"row 2"}`,
		},
		{
			"XML", `<rss><channel><item><id>a</id><title>A</title><link>/a</link><g:price>x</g:price></item></channel></rss>`,
			`{"_error":"the price is \"x\", which cannot be read; write it as 19.99 EUR","_row":1,"_where":"item 1, line 1","id":"a","price":"x","title":"A","url":"/a"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, got := rejects(t, tt.feed, feed.Options{}); got != tt.want+"\n" {
				t.Errorf("got  %swant %s", got, tt.want)
			}
		})
	}
}

// TestReportIsAFeed: a row that failed later (a picture that is gone) comes
// back as it was, data: URL and all.
func TestReportIsAFeed(t *testing.T) {
	products := demoProducts(t, 50)
	products[3].Image = "data:image/png;base64,iVBORw0KGgo="
	before := parse(t, asJSONL(t, products), feed.Options{})
	var out bytes.Buffer
	report := feed.NewReport(&out)
	for _, r := range before {
		if err := report.Write(r, errors.New("the picture is gone")); err != nil {
			t.Fatal(err)
		}
	}
	after := parse(t, out.String(), feed.Options{})
	if len(after) != len(before) {
		t.Fatalf("%d records, want %d", len(after), len(before))
	}
	for i := range after {
		a, b := after[i], before[i]
		if !reflect.DeepEqual(a.Item, b.Item) || a.Image != b.Image || !reflect.DeepEqual(a.Images, b.Images) {
			t.Fatalf("got %+v\nwant %+v", a, b)
		}
	}
}

// TestRejectsCorrected: what was wrong is put right in the report, and the rows
// are then what they would have been in the feed.
func TestRejectsCorrected(t *testing.T) {
	const header = "id,title,image link,price,brand,size,weight:number\n"
	bad := header + "a,A,a.jpg,19.9O EUR,Tillow,XL,0.5\nb,B,b.jpg,5 EUR,Tillow,S,light\n"
	right := header + "a,A,a.jpg,19.90 EUR,Tillow,XL,0.5\nb,B,b.jpg,5 EUR,Tillow,S,0.1\n"
	good, text := rejects(t, bad, feed.Options{})
	if len(good) != 0 {
		t.Fatalf("%d good rows", len(good))
	}
	text = strings.NewReplacer(`"price":"19.9O EUR"`, `"price":19.90,"currency":"EUR"`, `"weight":"light"`, `"weight":0.1`).Replace(text)
	want := parse(t, right, feed.Options{})
	got := parse(t, text, feed.Options{})
	for i := range want {
		if !reflect.DeepEqual(got[i].Item, want[i].Item) || got[i].Image != want[i].Image {
			t.Errorf("got  %+v\nwant %+v", got[i].Item, want[i].Item)
		}
	}
}

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestReportKeepsItsError(t *testing.T) {
	report := feed.NewReport(&full{left: 1})
	for i, want := range []string{"", "disk full", "disk full"} {
		err := report.Write(feed.Record{Row: i}, errors.New("x"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("write %d: %v, want %q", i, err, want)
		}
	}
	if err := report.Err(); err == nil || !strings.Contains(err.Error(), "report of rejected rows: disk full") {
		t.Errorf("error %v", err)
	}
}

// TestReportOfShopify: a product that is rejected whole has its rows in it.
func TestReportOfShopify(t *testing.T) {
	_, text := rejects(t, "Handle,Title,Variant Price\na,A,x\nb,B,1,2,3\n", feed.Options{Format: feed.ShopifyCSV})
	var lines []map[string]any
	for line := range strings.Lines(text) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fields)
	}
	if len(lines) != 2 || lines[0]["id"] != "a" || lines[0]["title"] != "A" || lines[1]["_raw"] != "b,B,1,2,3" {
		t.Errorf("report %v", lines)
	}
}
