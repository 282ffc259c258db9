package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/indexer"
)

// mixedFolder has three good pictures, one of them with a sidecar file, and
// every kind of bad one.
func mixedFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	pictures := filepath.Join(parity, "pictures")
	copyFile(t, filepath.Join(pictures, "rgb.png"), filepath.Join(dir, "rgb.png"))
	writeFile(t, filepath.Join(dir, "rgb.json"), []byte(`{"title": "a red shoe", "price": 9.5, "currency": "EUR", "sole": "rubber"}`))
	copyFile(t, filepath.Join(pictures, "exif6.jpg"), filepath.Join(dir, "shoes", "side view.JPG"))
	copyFile(t, filepath.Join(pictures, "lossy.webp"), filepath.Join(dir, "shoes", "sole.webp"))

	jpeg, err := os.ReadFile(filepath.Join(pictures, "exif6.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "cut.jpg"), jpeg[:len(jpeg)/3])
	writeFile(t, filepath.Join(dir, "garbage.jpg"), bytes.Repeat([]byte{0xA7, 0x13, 0x00, 0xFE}, 500))
	writeFile(t, filepath.Join(dir, "empty.png"), nil)
	writeFile(t, filepath.Join(dir, "text.png"), []byte("This is a letter, whatever its name says.\n"))
	writeFile(t, filepath.Join(dir, "huge.png"), hugePNG())
	writeFile(t, filepath.Join(dir, "film.gif"), []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"))
	copyFile(t, filepath.Join(pictures, "tiny.png"), filepath.Join(dir, "sidecar.png"))
	writeFile(t, filepath.Join(dir, "sidecar.json"), []byte(`{"title": `))

	writeFile(t, filepath.Join(dir, "notes.txt"), []byte("no picture by its name"))
	writeFile(t, filepath.Join(dir, ".hidden.png"), []byte("not looked at"))
	return dir
}

// hugePNG has a valid header for 30,000×30,000 pixels, 3.6 GB once decoded, in
// under 100 bytes.
func hugePNG() []byte {
	b := bytes.NewBufferString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		body := append([]byte(kind), data...)
		_ = binary.Write(b, binary.BigEndian, uint32(len(data)))
		b.Write(body)
		_ = binary.Write(b, binary.BigEndian, crc32.ChecksumIEEE(body))
	}
	header := binary.BigEndian.AppendUint32(nil, 30_000)
	header = binary.BigEndian.AppendUint32(header, 30_000)
	chunk("IHDR", append(header, 8, 6, 0, 0, 0)) // 8 bits, RGBA
	chunk("IDAT", []byte{0x78, 0x9c, 0x63, 0, 0, 0, 1, 0, 1})
	chunk("IEND", nil)
	return b.Bytes()
}

// badPictures is what is wrong with each, in words that its owner can use.
var badPictures = map[string]string{
	"cut.jpg":     "JPEG",
	"garbage.jpg": "JPEG, PNG or WebP",
	"empty.png":   "empty",
	"text.png":    "JPEG, PNG or WebP",
	"huge.png":    "30000×30000",
	"film.gif":    "GIF",
	"sidecar.png": "sidecar.json",
}

func TestImportFolder(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	dir, data := mixedFolder(t), filepath.Join(t.TempDir(), "data")

	sum, r := importSummary(t, environ, dir, "--data", data, "--model", model)
	r.want(t, cli.ExitSomeFailed, fmt.Sprintf("some items failed: %d of %d", len(badPictures), len(badPictures)+3))
	if sum.Seen != len(badPictures)+3 || sum.Written != 3 || sum.Failed != len(badPictures) || sum.Unchanged+sum.Dropped != 0 || sum.Encoded != 3 {
		t.Errorf("summary %+v", sum)
	}
	checkFailures(t, sum)
	t.Run("index", func(t *testing.T) { checkFolderIndex(t, data, model) })

	again, r := importSummary(t, environ, dir, "--data", data, "--model", model)
	r.want(t, cli.ExitSomeFailed)
	if again.Written != 0 || again.Unchanged != 3 || again.Encoded != 0 || again.Failed != len(badPictures) {
		t.Errorf("second run: %+v", again)
	}
	checkText(t, indexd(t, environ, "import", dir, "--data", data, "--model", model))
}

func checkFailures(t *testing.T, sum indexer.Summary) {
	t.Helper()
	for _, f := range sum.Failures {
		want, ok := badPictures[f.Where]
		if !ok || !strings.Contains(f.Reason, want) || f.State != indexer.Failed || f.Stage == "" {
			t.Errorf("failure %+v, want %q in the reason", f, want)
		}
		t.Logf("%-12s %s: %s", f.Where, f.Stage, f.Reason)
	}
	if len(sum.Failures) != len(badPictures) {
		t.Errorf("%d failures listed", len(sum.Failures))
	}
}

func checkFolderIndex(t *testing.T, data, model string) {
	d := openData(t, data, model)
	entries, err := d.Index.Get(t.Context(), []string{"rgb", "shoes/side view", "shoes/sole", "cut", "huge"})
	if err != nil || len(entries) != 3 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	item := entries[0].Item
	if item.Title != "a red shoe" || item.Price == nil || *item.Price != 9.5 || item.Attributes["sole"] != "rubber" {
		t.Errorf("item with a sidecar file: %+v", item)
	}
	for _, e := range entries {
		if !d.Features.Has(e.Picture) {
			t.Errorf("%s has no patch states", e.Item.ID)
		}
		if _, err := d.Pictures.Get(t.Context(), e.Picture); err != nil {
			t.Errorf("picture of %s: %v", e.Item.ID, err)
		}
	}
}

// checkText: without --json every failure is a line with the file's name.
func checkText(t *testing.T, r result) {
	t.Helper()
	r.want(t, cli.ExitSomeFailed, "listed above")
	for name := range badPictures {
		if !strings.Contains(r.out, "failed  "+name) {
			t.Errorf("%s is not listed:\n%s", name, r.out)
		}
	}
	if want := fmt.Sprintf("0 written, 3 unchanged, %d failed\n", len(badPictures)); !strings.HasSuffix(r.out, want) {
		t.Errorf("output ends with %q, want %q", r.out, want)
	}
}

func TestImportFeed(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	dir, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	copyFile(t, filepath.Join(samples, "pictures", "p0000.png"), filepath.Join(dir, "p0000.png"))
	feed := filepath.Join(dir, "feed.jsonl")
	writeFile(t, feed, []byte(strings.Join([]string{
		`{"id":"a","title":"first","image":"p0000.png"}`,
		`{"id":"b","image":"absent.png"}`,
		`{"id":"c","image":"../outside.png"}`,
		`{"id":"d","image":"https://shop.example/d.png"}`,
		`{"id":"a","title":"the id again","image":"p0000.png"}`,
		`not JSON`,
	}, "\n")))
	sum, r := importSummary(t, environ, feed, "--data", data, "--model", model)
	r.want(t, cli.ExitSomeFailed)
	if sum.Written != 1 || sum.Failed != 5 {
		t.Errorf("summary %+v", sum)
	}
	for i, want := range []string{"absent.png", "leaves the feed's folder", "shop.example", "which is kept", "not a JSON object"} {
		if f := sum.Failures[i]; f.Row != i+2 || !strings.Contains(f.Reason, want) {
			t.Errorf("failure %+v, want row %d and %q", f, i+2, want)
		}
	}
	writeFile(t, feed, []byte(`{"id":"a","title":"another title","image":"p0000.png"}`))
	if sum, _ = importSummary(t, environ, feed, "--data", data, "--model", model); sum.Written != 1 || sum.Encoded != 0 {
		t.Errorf("a new title should be written without encoding the picture again: %+v", sum)
	}
	writeFile(t, feed, []byte("\n"))
	if sum, r = importSummary(t, environ, feed, "--data", data, "--model", model); r.code != cli.ExitOK || sum.Seen != 0 {
		t.Errorf("empty feed: %+v", sum)
	}
}

// TestImportFormats: the same catalogue in three formats is the same index, so
// that after the first import the others have nothing to do. What is rejected
// lies in the report, and the report, corrected, is a feed.
func TestImportFormats(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	dir, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	copyFile(t, filepath.Join(samples, "pictures", "p0000.png"), filepath.Join(dir, "a.png"))
	copyFile(t, filepath.Join(samples, "pictures", "p0001.png"), filepath.Join(dir, "b.png"))
	feeds := map[string]string{
		"f.jsonl": `{"id":"a","title":"Mug & cup","image":"a.png","price":9.5,"currency":"EUR","size":"S"}` + "\n" + `{"id":"b","image":"b.png","price":"free"}`,
		"f.csv":   "SKU;Titel;Bild;Price;Size\r\na;\"Mug &amp; cup\";a.png;9,50 EUR;S\r\nb;;b.png;free;\r\n",
		"f.xml":   `<rss><item><g:id>a</g:id><title>Mug &amp;amp; cup</title><g:image_link>a.png</g:image_link><g:price>9.50 EUR</g:price><g:size>S</g:size></item><item><g:id>b</g:id><g:image_link>b.png</g:image_link><g:price>free</g:price></item></rss>`,
	}
	args := []string{"--data", data, "--model", model}
	for i, name := range []string{"f.jsonl", "f.csv", "f.xml"} {
		path, rejected := filepath.Join(dir, name), filepath.Join(dir, name+".rejected.jsonl")
		writeFile(t, path, []byte(feeds[name]))
		more := []string{path, "--report", rejected}
		if name == "f.csv" {
			more = append(more, "--map", "Titel=title,Bild=image")
		}
		sum, r := importSummary(t, environ, append(more, args...)...)
		r.want(t, cli.ExitSomeFailed)
		if sum.Failed != 1 || sum.Written+sum.Unchanged != 1 || (sum.Written == 1) != (i == 0) {
			t.Errorf("%s: %+v", name, sum)
		}
		line, err := os.ReadFile(rejected)
		if err != nil || !strings.Contains(string(line), `"id":"b"`) || !strings.Contains(string(line), `"price":"free"`) {
			t.Errorf("%s: report %q, %v", name, line, err)
		}
		writeFile(t, rejected, []byte(strings.ReplaceAll(string(line), `"free"`, "0")))
		sum, r = importSummary(t, environ, append([]string{rejected}, args...)...)
		if r.ok(t); sum.Failed != 0 || (sum.Written == 1) != (i == 0) {
			t.Errorf("%s, corrected: %+v", name, sum)
		}
	}
}

// TestReportOfLaterStages: pictures that cannot be had are rejected rows too.
func TestReportOfLaterStages(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	dir := t.TempDir()
	path, rejected := filepath.Join(dir, "f.jsonl"), filepath.Join(dir, "rejected.jsonl")
	writeFile(t, path, []byte(`{"id":"a","image":"gone.png","size":4}`+"\n"+`{"image":"gone.png"}`))
	args := []string{"import", path, "--data", filepath.Join(dir, "data"), "--model", model, "--report"}
	indexd(t, environ, append(args, rejected)...).want(t, cli.ExitSomeFailed)
	text, err := os.ReadFile(rejected)
	if err != nil || strings.Count(string(text), "\n") != 2 || !strings.Contains(string(text), `"image":"gone.png"`) || !strings.Contains(string(text), "does not exist") {
		t.Errorf("report %q, %v", text, err)
	}
	indexd(t, environ, append(args, path)...).want(t, cli.ExitUsage, "is the feed itself")
	indexd(t, environ, append(args, filepath.Join(dir, "none", "x"))...).want(t, cli.ExitUsage, "--report")
}

func TestFeedFlags(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.csv")
	writeFile(t, path, []byte("id\na\n"))
	for _, tt := range []struct{ flag, value, want string }{
		{"--format", "xls", "use auto, jsonl, csv"},
		{"--map", "x", "THEIRS=OURS"},
		{"--encoding", "klingon", "windows-1252"},
		{"--currency", "euro", "three capital letters"},
	} {
		indexd(t, clitest.Environ(t), "import", path, tt.flag, tt.value).want(t, cli.ExitUsage, tt.want)
	}
}

// TestImportForms: how patch states are kept is the user's choice, and fp32 is
// what auto takes for a small model.
func TestImportForms(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	dir := t.TempDir()
	copyFile(t, filepath.Join(samples, "pictures", "p0000.png"), filepath.Join(dir, "a.png"))
	for states, exact := range map[string]bool{"auto": true, "fp32": true, "int8": false} {
		data := filepath.Join(t.TempDir(), "data")
		indexd(t, environ, "import", dir, "--data", data, "--model", model, "--states", states).ok(t)
		t.Run(states, func(t *testing.T) {
			d := openData(t, data, model)
			entries, err := d.Index.Get(t.Context(), []string{"a"})
			if err != nil || len(entries) != 1 {
				t.Fatalf("%v, %v", entries, err)
			}
			record, ok, err := d.Features.Get(t.Context(), entries[0].Picture)
			if err != nil || !ok || (record.Float != nil) != exact {
				t.Errorf("%d float32 and %d int8 values, %v, %v", len(record.Float), len(record.Int8), ok, err)
			}
		})
	}
}

// TestDataOfAnotherModel: the same checkpoint with other text cleaning is
// another model, whose embeddings must not be mixed in.
func TestDataOfAnotherModel(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	other := filepath.Join(t.TempDir(), "other")
	indexd(t, nil, "model", "convert", filepath.Join(samples, "model"), "--out", other, "--clean", "on").ok(t)
	dir, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	copyFile(t, filepath.Join(samples, "pictures", "p0000.png"), filepath.Join(dir, "a.png"))
	indexd(t, environ, "import", dir, "--data", data, "--model", model).ok(t)
	indexd(t, environ, "import", dir, "--data", data, "--model", other).
		want(t, cli.ExitFailed, data, "made with another model", "new --data folder")
	if sum, _ := importSummary(t, environ, dir, "--data", data, "--model", model); sum.Unchanged != 1 {
		t.Errorf("the refused import changed something: %+v", sum)
	}
}

func TestSummaryIsOneLineOfJSON(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	r := indexd(t, environ, "import", t.TempDir(), "--json", "--data", filepath.Join(t.TempDir(), "data"), "--model", model).ok(t)
	if strings.Count(r.out, "\n") != 1 || !json.Valid([]byte(r.out)) || !strings.Contains(r.out, `"failures":[]`) {
		t.Errorf("got %q", r.out)
	}
}
