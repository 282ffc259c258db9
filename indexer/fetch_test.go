package indexer_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sightline/indexer"
	"sightline/indexer/feed"
	"sightline/store"
)

// one is a feed of a single record.
func one(r indexer.Record) indexer.Feed {
	return func(yield func(indexer.Record, error) bool) { yield(r, nil) }
}

func TestPictureSources(t *testing.T) {
	outside := files(t, map[string]string{"secret.png": string(pngOf("secret"))})
	dir := files(t, map[string]string{
		"a.png": string(pngOf("a")), "sub/b.png": string(pngOf("b")), "big.png": strings.Repeat("x", 5000),
	})
	link(t, filepath.Join(outside, "secret.png"), filepath.Join(dir, "out.png"))
	link(t, "../../"+filepath.Base(filepath.Dir(outside)), filepath.Join(dir, "outdir"))
	link(t, "sub/b.png", filepath.Join(dir, "in.png"))
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.png"), 0o600); err != nil {
		t.Fatal(err)
	}
	png := pngOf("a")
	base := base64.StdEncoding.EncodeToString(png)
	tests := []struct {
		image string
		fault string // "" when it is read
	}{
		{"a.png", ""},
		{"./sub/../a.png", ""},
		{"sub/b.png", ""},
		{"in.png", ""},
		{"data:image/png;base64," + base, ""},
		{"DATA:;BASE64," + strings.TrimRight(base, "="), ""},
		{"data:image/png;charset=x;base64," + base64.URLEncoding.EncodeToString(png), ""},
		{"data:image/png," + percent(png), ""},
		{"", "has no picture"},
		{"gone.png", "does not exist"},
		{"../" + filepath.Base(outside) + "/secret.png", "leaves the feed's folder"},
		{filepath.Join(outside, "secret.png"), "leaves the feed's folder"},
		{"sub/../../x.png", "leaves the feed's folder"},
		{"out.png", "links out of the feed's folder are refused"},
		{"outdir/secret.png", "cannot be read"},
		{"sub", "is not a file"},
		{"pipe.png", "is not a file"},
		{"big.png", "too large: 5000 bytes; the limit is 4096"},
		{"https://shop.example/a.png", "are not fetched from addresses here"},
		{"HTTP://127.0.0.1/a.png", "are not fetched from addresses here"},
		{"ftp://shop.example/a.png", "from ftp: addresses"},
		{"file:///etc/passwd", "from file: addresses"},
		{"data:image/png;base64", "no comma"},
		{"data:image/png;base64,!!!", "not base64"},
		{"data:image/png,%zz", "cannot be read"},
		{"data:image/png;base64," + strings.Repeat("AAAA", 2000), "too large"},
	}
	for _, tt := range tests {
		t.Run(tt.image[:min(len(tt.image), 30)], func(t *testing.T) {
			w := newWorld(t)
			record := indexer.Record{Row: 1, Item: store.Item{ID: "x"}, Image: tt.image, Root: dir}
			sum, out, err := w.run(t.Context(), one(record), indexer.Options{MaxBytes: 4096})
			if err != nil || len(out) != 1 {
				t.Fatalf("error %v, outcomes %v", err, out)
			}
			if tt.fault == "" && sum.Written != 1 {
				t.Errorf("outcome %+v, want written", out[0])
			}
			if tt.fault != "" && (out[0].State != indexer.Failed || out[0].Stage != indexer.StageFetch || !strings.Contains(out[0].Reason, tt.fault)) {
				t.Errorf("outcome %+v, want failed at fetch: %s", out[0], tt.fault)
			}
		})
	}
}

// percent escapes every byte.
func percent(data []byte) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range data {
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

func TestUnreadablePicture(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := files(t, map[string]string{"a.png": "x"})
	if err := os.Chmod(filepath.Join(dir, "a.png"), 0); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	_, out, err := w.run(t.Context(), feed.Folder(dir), indexer.Options{})
	if err != nil || len(out) != 1 || out[0].Stage != indexer.StageFetch {
		t.Errorf("error %v, outcomes %+v", err, out)
	}
}

// files writes a tree of files and returns its root.
func files(t *testing.T, tree map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range tree {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func link(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Fatal(err)
	}
}
