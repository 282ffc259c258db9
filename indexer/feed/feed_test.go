package feed_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"sightline/indexer/feed"
	"sightline/store"
)

func TestJSONL(t *testing.T) {
	price := 19.5
	good := store.Item{ID: "a", Title: "Mug", Image: "a.jpg", Price: &price, Attributes: map[string]any{"material": "steel", "tags": []string{"x"}}}
	goodLine := `{"id":"a","title":"Mug","image":"a.jpg","price":19.5,"material":"steel","tags":["x"]}`
	long := `{"id":"long","title":"` + strings.Repeat("x", 10<<20) + `"}`
	tests := []struct {
		name, feed string
		row        int // of the only record
		want       store.Item
		fault      string // part of the message; "" for a good row
	}{
		{"plain", goodLine + "\n", 1, good, ""},
		{"no newline at the end", goodLine, 1, good, ""},
		{"CRLF, byte order mark", "\xef\xbb\xbf" + goodLine + "\r\n", 1, good, ""},
		{"blank lines keep the count", "\n  \r\n\n" + goodLine + "\n\n", 4, good, ""},
		{"not JSON", "{\"id\": \n", 1, store.Item{}, "cannot be read as an item"},
		{"two values", `{"id":"a"} {"id":"b"}`, 1, store.Item{}, "cannot be read as an item"},
		{"array", `[{"id":"a"}]`, 1, store.Item{}, "one item a line"},
		{"null", "null", 1, store.Item{}, "one item a line"},
		{"wrong type names field and id", `{"id":"a","price":"cheap"}`, 1, store.Item{ID: "a"}, `"price" must be a number`},
		{"not UTF-8", "{\"id\":\"caf\xe9\"}", 1, store.Item{}, "UTF-8"},
		{"UTF-16", "\xff\xfe{\x00", 1, store.Item{}, "cannot be read as an item"},
		{"too long", long, 1, store.Item{}, "longer than 10 MB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rs, errs := records(jsonl(strings.NewReader(tt.feed), "dir"))
			if len(rs) != 1 {
				t.Fatalf("%d records, want 1", len(rs))
			}
			if r := rs[0]; r.Row != tt.row || r.Where != fmt.Sprintf("line %d", tt.row) || r.Root != "dir" {
				t.Errorf("record at row %d, %q, root %q; want row %d", r.Row, r.Where, r.Root, tt.row)
			}
			checkFault(t, errs[0], tt.fault)
			if tt.fault == "" && rs[0].Image != "a.jpg" {
				t.Errorf("image %q", rs[0].Image)
			}
			if !reflect.DeepEqual(rs[0].Item, tt.want) {
				t.Errorf("item %+v, want %+v", rs[0].Item, tt.want)
			}
		})
	}
}

func checkFault(t *testing.T, err error, want string) {
	t.Helper()
	var fault *feed.Fault
	switch {
	case want == "" && err != nil:
		t.Errorf("error %v", err)
	case want != "" && (!errors.As(err, &fault) || !strings.Contains(fault.Error(), want)):
		t.Errorf("error %v, want a fault with %q", err, want)
	}
}

func TestJSONLGoesOnAfterBrokenLines(t *testing.T) {
	feed := `{"id":"a"}` + "\n" + strings.Repeat("z", 11<<20) + "\n{broken\n" + `{"id":"b"}`
	rs, errs := records(jsonl(strings.NewReader(feed), ""))
	if len(rs) != 4 || errs[0] != nil || errs[1] == nil || errs[2] == nil || errs[3] != nil {
		t.Fatalf("%d records, errors %v", len(rs), errs)
	}
	if rs[3].Item.ID != "b" || rs[3].Row != 4 || rs[3].At != int64(len(feed)) {
		t.Errorf("last record %+v, want b in row 4 at byte %d", rs[3], len(feed))
	}
}

func TestJSONLReadError(t *testing.T) {
	broken := errors.New("disk gone")
	r := io.MultiReader(strings.NewReader("{\"id\":\"a\"}\n{\"id\":"), iotest.ErrReader(broken))
	rs, errs := records(jsonl(r, ""))
	var fault *feed.Fault
	if len(rs) != 2 || errs[0] != nil || !errors.Is(errs[1], broken) || errors.As(errs[1], &fault) {
		t.Errorf("errors %v, want none and then %v, which is no row's fault", errs, broken)
	}
}

func TestJSONLKeepsDataURLOutOfTheItem(t *testing.T) {
	url := "data:image/png;base64,iVBORw0KGgo="
	rs, _ := records(jsonl(strings.NewReader(fmt.Sprintf(`{"id":"a","image":%q}`, url)), ""))
	if rs[0].Image != url || rs[0].Item.Image != "" {
		t.Errorf("record's image %.30q, item's image %.30q", rs[0].Image, rs[0].Item.Image)
	}
}

func TestFolder(t *testing.T) {
	outside := files(t, map[string]string{"secret.jpg": "s", "sub/x.jpg": "x"})
	dir := files(t, map[string]string{
		"b.jpg": "b", "b.json": "\xef\xbb\xbf" + `{"id":"other","title":"Bee","image":"elsewhere.jpg","size":4}`,
		"a/deep/z.WEBP": "z", "a/one.png": "1", "a/one.json": "{", "a.jpg": "a",
		"c.gif": "c", "dup.jpeg": "1", "dup.png": "2", "notes.txt": "n", ".hidden.jpg": "h", ".git/x.jpg": "h",
		"real.jpg": "r", "empty/readme.md": "",
	})
	link(t, "real.jpg", filepath.Join(dir, "same.jpg"))
	link(t, filepath.Join(outside, "secret.jpg"), filepath.Join(dir, "stolen.jpg"))
	link(t, filepath.Join(outside, "sub"), filepath.Join(dir, "sub"))
	link(t, filepath.Join(outside, "secret.jpg"), filepath.Join(dir, "sidecar.json"))
	if err := os.WriteFile(filepath.Join(dir, "sidecar.jpg"), []byte("s"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := []struct{ where, id, title, fault string }{
		{"a/deep/z.WEBP", "a/deep/z", "", ""},
		{"a/one.png", "a/one", "", "one.json: cannot be read as an item"},
		{"a.jpg", "a", "", ""},
		{"b.jpg", "b", "Bee", ""},
		{"c.gif", "c", "", ""},
		{"dup.jpeg", "dup", "", ""},
		{"dup.png", "", "", "dup.jpeg"},
		{"real.jpg", "real", "", ""},
		{"same.jpg", "same", "", ""},
		{"sidecar.jpg", "sidecar", "", "sidecar.json: cannot be read"},
		{"stolen.jpg", "stolen", "", ""}, // refused when read: TestPictureSources
		{"sub", "", "", "link to a folder"},
	}
	rs, errs := records(feed.Folder(dir))
	if len(rs) != len(want) {
		t.Fatalf("%d records, want %d: %+v", len(rs), len(want), rs)
	}
	for i, w := range want {
		r := rs[i]
		if r.Where != w.where || r.Item.ID != w.id || r.Item.Title != w.title || r.Image != w.where {
			t.Errorf("record %d: %+v, want %+v", i, r, w)
		}
		if r.Row != i+1 || r.At != int64(i+1) || r.Of != int64(len(want)) {
			t.Errorf("record %d: row %d, at %d of %d", i, r.Row, r.At, r.Of)
		}
		checkFault(t, errs[i], w.fault)
	}
	if b := rs[3].Item; b.Image != "b.jpg" || b.Attributes["size"] != 4.0 {
		t.Errorf("item of b.jpg %+v", b)
	}
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}

func TestFolderThroughALink(t *testing.T) {
	dir := files(t, map[string]string{"a.jpg": "a"})
	name := filepath.Join(t.TempDir(), "link")
	link(t, dir, name)
	if rs, errs := records(open(t, name)); len(rs) != 1 || errs[0] != nil {
		t.Errorf("records %v, errors %v", rs, errs)
	}
}

func TestFolderThatVanishesIsAFault(t *testing.T) {
	dir := files(t, map[string]string{"a.jpg": "a", "b/x.jpg": "x", "c.jpg": "c"})
	var got []string
	for r, err := range feed.Folder(dir) {
		got = append(got, r.Where)
		if r.Where == "b" {
			checkFault(t, err, "the folder cannot be read")
		}
		if err := os.RemoveAll(filepath.Join(dir, "b")); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"a.jpg", "b", "c.jpg"}; !slices.Equal(got, want) {
		t.Errorf("records %v, want %v", got, want)
	}
}

func TestFeedsEndWhenTheConsumerDoes(t *testing.T) {
	dir := files(t, map[string]string{"a/a.jpg": "a", "a/b.jpg": "b", "c.jpg": "c", "f.jsonl": "{\"id\":\"a\"}\n{\"id\":\"b\"}"})
	for _, path := range []string{dir, filepath.Join(dir, "f.jsonl")} {
		n := 0
		for range open(t, path) {
			n++
			break
		}
		if n != 1 {
			t.Errorf("%s: %d records", path, n)
		}
	}
}

func TestFolderGone(t *testing.T) {
	_, errs := records(feed.Folder(filepath.Join(t.TempDir(), "gone")))
	if len(errs) != 1 || !errors.Is(errs[0], os.ErrNotExist) {
		t.Errorf("errors %v", errs)
	}
}

func TestOpen(t *testing.T) {
	dir := files(t, map[string]string{"f.jsonl": `{"id":"a"}`, "f.csv": "id\n", "f.dat": `{"id":"a"}`, "page.csv": "<html>", "data.csv": "a shoe,9.99\n", "twice.csv": "Handle,Title,title\n"})
	tests := []struct {
		source string
		format feed.Format
		want   string
	}{
		{dir, "auto", ""},
		{dir, "folder", ""},
		{dir + "/f.jsonl", "", ""},
		{dir + "/f.dat", "jsonl", ""},
		{dir + "/f.jsonl", "folder", "is a file"},
		{dir, "jsonl", "is a folder"},
		{dir + "/f.csv", "auto", ""},
		{dir + "/f.csv", "xls", "use auto, jsonl, csv"},
		{dir + "/gone.jsonl", "auto", "no such file"},
		{dir + "/page.csv", "", "page.csv: the feed is a web page"},
		{dir + "/data.csv", "", "no column is the id"},
		{dir + "/twice.csv", "shopify-csv", "columns 2 and 3 are both called"},
		{dir + "/f.csv", "shopify-csv", "no column \"Handle\""},
		{"-", "auto", "no standard input"},
		{"http://shop.example/feed", "auto", "not fetched from addresses here"},
	}
	for _, tt := range tests {
		_, err := feed.Open(t.Context(), tt.source, feed.Options{Format: tt.format})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Open(%q, %q): %v, want %q", tt.source, tt.format, err, tt.want)
		}
	}
}

func TestOpenJSONLKnowsItsSize(t *testing.T) {
	dir := files(t, map[string]string{"f.jsonl": "{\"id\":\"a\"}\n{\"id\":\"b\"}\n"})
	rs, _ := records(open(t, filepath.Join(dir, "f.jsonl")))
	if len(rs) != 2 || rs[0].At != 11 || rs[1].At != 22 || rs[1].Of != 22 || rs[0].Root != dir {
		t.Errorf("records %+v", rs)
	}
}

// Item.Image and Item.Images say where pictures came from; data: URLs are no
// place, and must not fill the catalogue.
func TestSourcesOfPictures(t *testing.T) {
	const data = "data:image/png;base64,AAAA"
	for _, tt := range []struct {
		line   string
		images []string
		image  string
		more   []string
	}{
		{`{"id":"a","image":"a.jpg"}`, []string{"a.jpg"}, "a.jpg", nil},
		{`{"id":"a","image":"a.jpg","images":["b.jpg","` + data + `","https://x/c.jpg"]}`, []string{"a.jpg", "b.jpg", data, "https://x/c.jpg"}, "a.jpg", []string{"b.jpg", "https://x/c.jpg"}},
		{`{"id":"a","image":"` + data + `","images":["b.jpg","b.jpg"]}`, []string{data, "b.jpg"}, "", []string{"b.jpg"}},
		{`{"id":"a","images":["a.jpg","b.jpg"]}`, []string{"a.jpg", "b.jpg"}, "a.jpg", []string{"b.jpg"}},
		{`{"id":"a"}`, nil, "", nil},
	} {
		r := parse(t, tt.line, feed.Options{Format: feed.JSONL})[0]
		if !slices.Equal(r.Images, tt.images) || r.Item.Image != tt.image || !slices.Equal(r.Item.Images, tt.more) {
			t.Errorf("%s: pictures %q, item %q and %q", tt.line, r.Images, r.Item.Image, r.Item.Images)
		}
	}
}

type passing struct{ error }

func (passing) Temporary() bool { return true }

func TestTemporaryFault(t *testing.T) {
	for err, want := range map[error]bool{
		errors.New("is not JSON"):                       false,
		passing{io.EOF}:                                 true,
		fmt.Errorf("picture file: %w", passing{io.EOF}): true,
	} {
		if f := (&feed.Fault{Stage: "fetch", Err: err}); f.Temporary() != want {
			t.Errorf("%v: temporary %v", err, f.Temporary())
		}
	}
}
