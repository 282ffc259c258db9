package feed_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	utf16 "golang.org/x/text/encoding/unicode"

	"sightline/indexer/feed"
)

// told is a feed in short: "row:id" or "row:!part of the fault", and at last
// "end:…" when an error ended it.
func told(f feed.Feed) string {
	var out []string
	for r, err := range f {
		var fault *feed.Fault
		switch {
		case err == nil:
			out = append(out, fmt.Sprintf("%d:%s", r.Row, r.Item.ID))
		case errors.As(err, &fault):
			out = append(out, fmt.Sprintf("%d:!%s", r.Row, err))
		default:
			out = append(out, "end:"+err.Error())
		}
	}
	return strings.Join(out, " | ")
}

// matches holds what was told to patterns of the same form, whose messages may
// be parts.
func matches(t *testing.T, got string, want ...string) {
	t.Helper()
	parts := strings.Split(got, " | ")
	if got == "" {
		parts = nil
	}
	if len(parts) != len(want) {
		t.Fatalf("got %d parts, want %d:\n%s", len(parts), len(want), strings.Join(parts, "\n"))
	}
	for i, w := range want {
		head, message, isMessage := strings.Cut(w, "!")
		if strings.HasPrefix(w, "end:") {
			head, message, isMessage = "end:", w[4:], true
		}
		if !strings.HasPrefix(parts[i], head) || !strings.Contains(parts[i], message) || !isMessage && parts[i] != w {
			t.Errorf("part %d: got %q, want %q", i, parts[i], w)
		}
	}
}

func TestUglyTables(t *testing.T) {
	var wide strings.Builder
	wide.WriteString("id")
	for i := range 9999 {
		fmt.Fprintf(&wide, ",c%d", i)
	}
	cells := strings.Repeat(",", 9999)
	for _, tt := range []struct {
		name, feed string
		want       []string
	}{
		{"byte order mark and CRLF", "\xef\xbb\xbfid,title\r\na,A\r\nb,B\r\n", []string{"2:a", "3:b"}},
		{"CR alone", "id,title\ra,A\rb,B\r", []string{"2:a", "3:b"}},
		{"semicolons", "id;title\na;A, b\n", []string{"2:a"}},
		{"bars", "id|title\na|A\n", []string{"2:a"}},
		{"tabs in .csv", "id\ttitle\na\tA\n", []string{"2:a"}},
		{"one column", "sku\na\nb\n", []string{"2:a", "3:b"}},
		{"blank lines count", "\n\nid,title\n\na,A\n,\nb,B", []string{"5:a", "7:b"}},
		{"header only", "id,title\n", nil},
		{"header only, no line end", "id,title", nil},
		{"empty", "", []string{"end:is empty"}},
		{"blank", "\n \n", []string{"end:is empty"}},
		{"no header", "a,A shoe,9.99\nb,B shoe,8.99\n", []string{"end:no column is the id"}},
		{"column twice", "id,title,Title\na,A,B\n", []string{`end:columns 2 and 3 are both called "Title"`}},
		{"id twice by other names is one id", "sku,id\nx,a\n", []string{"2:a"}},
		{"unnamed columns", "id,,\na,1,2\n", []string{"2:a"}},
		{"short row", "id,title,price\na,A\nb,B,1\n", []string{"2:!has 2 cells, the header has 3", "3:b"}},
		{"long row", "id,title\na,A,1\nb,B\n", []string{"2:!has 3 cells, the header has 2", "3:b"}},
		{"empty cells at the end", "id,title\na,A,,\nb,B\n", []string{"2:a", "3:b"}},
		{"10,000 columns", wide.String() + "\na" + cells + "\nb" + cells + "\n", []string{"2:a", "3:b"}},
		{"too many columns", "id" + strings.Repeat(",", 1<<14) + "\n", []string{"end:the limit is 16384"}},
		{"zero bytes", "id,title\na,A\x00\nb,B\n", []string{"2:!zero byte at byte 4", "3:b"}},
		{"quote never closed", "id,title\na,\"A\nb,B\nc,C\n", []string{"2:!never closed", "3:b", "4:c"}},
		{"text behind a quote", "id,title\na,\"A\"x\nb,B\n", []string{"2:!behind a closing quote", "3:b"}},
		{"open quote closed rows on", "id,title\na,\"A\nb,\"B\"\nc,C\n", []string{"2:!behind a closing quote", "3:b", "4:c"}},
		{"quoted line ends", "id,title\r\na,\"A\r\n\r\nA\"\r\nb,B\r\n", []string{"2:a", "3:b"}},
		{"broken UTF-8", "id,title\na,caf\xc3\xa9\nb,caf\xc3\nc,C\n", []string{"2:a", "3:!not UTF-8 text at byte 6", "4:c"}},
		{"stray byte in ASCII", "id,title\na,\xff\nb,B\n", []string{"2:!not UTF-8 text at byte 3", "3:b"}},
		{"prices", "id,price\na,cheap\nb,-1\nc,NaN\n", []string{"2:!the price is \"cheap\"", "3:b", "4:!the price"}},
		{"missing id is for Validate", "id,title\n,A\n", []string{"2:"}},
		{"Excel", "PK\x03\x04abc", []string{"end:save the sheet as CSV"}},
		{"web page", "<!DOCTYPE html><html>", []string{"end:a web page"}},
		{"JSON array", "[{\"id\":1}]", []string{"end:one JSON array"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			matches(t, told(feed.Read(strings.NewReader(tt.feed), feed.Options{})), tt.want...)
		})
	}
}

func TestUglyXML(t *testing.T) {
	rss := func(items string) string {
		return `<rss xmlns:g="http://base.google.com/ns/1.0"><channel>` + items + `</channel></rss>`
	}
	good := func(id string) string { return "<item><g:id>" + id + "</g:id></item>" }
	bomb := `<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol1 "&lol;&lol;">]>` + rss("<item><g:id>&lol1;</g:id></item>")
	for _, tt := range []struct {
		name, feed string
		want       []string
	}{
		{"two", rss(good("a") + good("b")), []string{"1:a", "2:b"}},
		{"byte order mark", "\xef\xbb\xbf" + rss(good("a")), []string{"1:a"}},
		{"prefix without a name space", "<rss><channel><item><g:id>a</g:id></item></channel></rss>", []string{"1:a"}},
		{"empty", "", []string{"end:is empty"}},
		{"empty rss", rss(""), nil},
		{"entities of the feed", bomb, []string{"end:broken at line 1, column"}},
		{"cut off", strings.TrimSuffix(rss(good("a")+good("b")), "</g:id></item></channel></rss>"), []string{"1:a", "end:unexpected EOF"}},
		{"wrong end tag", rss(good("a") + "\n<item><g:id>b</id></item>"), []string{"1:a", "end:broken at line 2, column 19"}},
		{"broken UTF-8", rss(good("a") + "<item><g:id>b</g:id><title>caf\xc3 x</title></item>" + good("c")), []string{"1:a", `2:!title has, after "caf", a character that is not UTF-8`, "3:c"}},
		{"control character", rss("<item><g:id>a\x0b</g:id></item>" + good("b")), []string{"1:!not allowed in XML", "2:b"}},
		{"sitemap", "<urlset><url/></urlset>", []string{"end:the XML is <urlset>, not a Google Merchant feed"}},
		{"nested deep", rss("<item>" + strings.Repeat("<x>", 70)), []string{"end:nested more than 64 deep"}},
		{"too many elements", rss("<item><g:id>a</g:id>" + strings.Repeat("<x/>", 2001) + "</item>" + good("b")), []string{"1:!more than 2000 elements", "2:b"}},
		{"comments and instructions", rss("<!-- x --><?y z?>" + good("a")), []string{"1:a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			matches(t, told(feed.Read(strings.NewReader(tt.feed), feed.Options{Format: feed.GoogleXML})), tt.want...)
		})
	}
}

func TestEncodings(t *testing.T) {
	const table = "id,title,image\na,Größe – 5 €,a.jpg\n"
	const xml = `<rss><channel><item><id>a</id><title>Größe – 5 €</title></item></channel></rss>`
	encode := func(text string, e interface{ String(string) (string, error) }) string {
		out, err := e.String(text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	latin := charmap.Windows1252.NewEncoder()
	little := utf16.UTF16(utf16.LittleEndian, utf16.UseBOM).NewEncoder()
	big := utf16.UTF16(utf16.BigEndian, utf16.UseBOM).NewEncoder()
	plain := utf16.UTF16(utf16.LittleEndian, utf16.IgnoreBOM).NewEncoder()
	late := "id,title,image\n" + strings.Repeat("x,plain,x.jpg\n", 20_000) + "a,Größe – 5 €,a.jpg\n"
	for _, tt := range []struct {
		name, feed string
		options    feed.Options
	}{
		{"UTF-8", table, feed.Options{}},
		{"UTF-16 LE", encode(table, little), feed.Options{}},
		{"UTF-16 BE", encode(table, big), feed.Options{}},
		{"UTF-16 without a mark", encode(table, plain), feed.Options{Encoding: "utf-16le"}},
		{"Windows-1252", encode(table, latin), feed.Options{}},
		{"Windows-1252 said", encode(table, latin), feed.Options{Encoding: "latin1"}},
		{"Windows-1252, far in", encode(late, latin), feed.Options{}},
		{"XML declares Windows-1252", `<?xml version="1.0" encoding="windows-1252"?>` + encode(xml, latin), feed.Options{}},
		{"XML declares nothing", `<?xml version="1.0"?>` + encode(xml, latin), feed.Options{}},
		{"XML declares UTF-8", `<?xml version="1.0" encoding="UTF-8"?>` + xml, feed.Options{}},
		{"XML in UTF-16", encode(`<?xml version="1.0" encoding="UTF-16"?>`+xml, little), feed.Options{}},
		{"JSONL in UTF-16", encode(`{"id":"a","title":"Größe – 5 €"}`, little), feed.Options{}},
		{"JSONL in Windows-1252", encode(`{"id":"a","title":"Größe – 5 €"}`, latin), feed.Options{Encoding: "windows-1252"}},
	} {
		for _, packed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, gzip %v", tt.name, packed), func(t *testing.T) {
				text := tt.feed
				if packed {
					text = zipped(t, text)
				}
				rs := parse(t, text, tt.options)
				if len(rs) == 0 {
					t.Fatal("no records")
				}
				if last := rs[len(rs)-1].Item; last.ID != "a" || last.Title != "Größe – 5 €" {
					t.Errorf("item %q, title %q", last.ID, last.Title)
				}
			})
		}
	}
}

func zipped(t testing.TB, text string) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestUnknownEncodings(t *testing.T) {
	for text, want := range map[string]string{
		`<?xml version="1.0" encoding="klingon"?><rss/>`: `encoding "klingon" is not known`,
		zipped(t, "id\na\n")[:20]:                        "unexpected EOF",
	} {
		if got := told(feed.Read(strings.NewReader(text), feed.Options{})); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
