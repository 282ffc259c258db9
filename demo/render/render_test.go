package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// render runs the command and returns its folder.
func render(t *testing.T, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "shop")
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), append(args, "--out", out), &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	return out
}

// sums hashes every file of a folder.
func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOneSeedOneFolderWhateverTheCores(t *testing.T) {
	args := []string{"--n", "70", "--seed", "4", "--split", "test", "--packed", "--png"}
	many := sums(t, render(t, args...))
	old := runtime.GOMAXPROCS(1)
	one := sums(t, render(t, args...))
	runtime.GOMAXPROCS(old)
	if len(many) < 70 || len(one) != len(many) {
		t.Fatalf("%d and %d files", len(one), len(many))
	}
	for name, sum := range one {
		if many[name] != sum {
			t.Errorf("%s differs", name)
		}
	}
}

func readLines[T any](t *testing.T, path string) []T {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []T
	for d := json.NewDecoder(bytes.NewReader(data)); d.More(); {
		var v T
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out = append(out, v)
	}
	return out
}

func TestTrainingFolder(t *testing.T) {
	const n, size = 60, 80
	dir := render(t, "--n", "60", "--size", "80", "--split", "train", "--packed")
	pix, err := os.ReadFile(filepath.Join(dir, "pictures.u8"))
	if err != nil || len(pix) != n*size*size*3 {
		t.Fatalf("pictures.u8 has %d bytes: %v", len(pix), err)
	}
	for _, absent := range []string{"pictures", "feed.jsonl", "queries.jsonl"} {
		if _, err := os.Stat(filepath.Join(dir, absent)); err == nil {
			t.Errorf("%s was written for training", absent)
		}
	}
	type caption struct {
		ID       string
		Captions []said
	}
	for i, c := range readLines[caption](t, filepath.Join(dir, "captions.jsonl")) {
		if len(c.Captions) < 4 {
			t.Errorf("%s (%d) has %d captions", c.ID, i, len(c.Captions))
		}
		for _, s := range c.Captions {
			if s.Text != "" || len(s.IDs) == 0 || len(s.Spec.Groups) == 0 {
				t.Errorf("%s: caption %+v", c.ID, s)
			}
		}
	}
}

// Packed pictures and PNG files are the same pixels, in the order of records.
func TestPackedIsThePNGs(t *testing.T) {
	dir := render(t, "--n", "8", "--split", "val", "--packed", "--png")
	packed, err := os.ReadFile(filepath.Join(dir, "pictures.u8"))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range readLines[struct{ ID string }](t, filepath.Join(dir, "records.jsonl")) {
		f, err := os.Open(filepath.Join(dir, "pictures", r.ID+".png"))
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		for p := range 96 * 96 {
			red, green, blue, _ := img.At(p%96, p/96).RGBA()
			at := 3 * (i*96*96 + p)
			if want := []byte{byte(red >> 8), byte(green >> 8), byte(blue >> 8)}; !bytes.Equal(packed[at:at+3], want) {
				t.Fatalf("%s differs at pixel %d", r.ID, p)
			}
		}
	}
}

func TestFeedsSayTheSame(t *testing.T) {
	dir := render(t, "--n", "40", "--split", "demo")
	type item struct {
		ID, Title, Image, Currency, Color, Brand, Category string
		Price                                              float64
	}
	items := readLines[item](t, filepath.Join(dir, "feed.jsonl"))
	data, err := os.ReadFile(filepath.Join(dir, "feed.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile(filepath.Join(dir, "feed.xml")); err != nil {
		t.Fatal(err)
	}
	var feed struct {
		Channel struct {
			Items []struct {
				ID    string `xml:"http://base.google.com/ns/1.0 id"`
				Price string `xml:"http://base.google.com/ns/1.0 price"`
				Image string `xml:"http://base.google.com/ns/1.0 image_link"`
			} `xml:"item"`
		} `xml:"channel"`
	}
	if err := xml.Unmarshal(data, &feed); err != nil {
		t.Fatal(err)
	}
	if len(items) != 40 || len(rows) != 41 || len(feed.Channel.Items) != 40 {
		t.Fatalf("%d, %d and %d items", len(items), len(rows)-1, len(feed.Channel.Items))
	}
	for i, it := range items {
		if row := rows[i+1]; row[0] != it.ID || row[1] != it.Title || row[4] != amount(it.Price) {
			t.Errorf("feed.csv: %v for %+v", row, it)
		}
		if g := feed.Channel.Items[i]; g.ID != it.ID || g.Price != amount(it.Price)+" "+it.Currency || g.Image != it.Image {
			t.Errorf("feed.xml: %+v for %+v", g, it)
		}
		if _, err := os.Stat(filepath.Join(dir, it.Image)); err != nil || it.Brand == "" || it.Category == "" || it.Color == "" || it.Price <= 0 {
			t.Errorf("%+v: %v", it, err)
		}
	}
}

func TestStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	out := filepath.Join(t.TempDir(), "shop")
	err := run(ctx, []string{"--n", "2000", "--split", "demo", "--out", out}, os.Stdout, os.Stderr)
	if err == nil || !strings.Contains(err.Error(), "not complete") {
		t.Errorf("a stopped run says %v", err)
	}
	if _, err := os.Stat(filepath.Join(out, "manifest.json")); err == nil {
		t.Error("a stopped run leaves a manifest")
	}
}

func TestRefusals(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no folder":   {[]string{"--n", "5"}, "--out DIR is missing"},
		"full folder": {[]string{"--out", full}, "is not empty"},
		"no pictures": {[]string{"--n", "0", "--out", "x"}, "--n is 1 to"},
		"split":       {[]string{"--split", "dev", "--out", "x"}, "choose train, val, demo or test"},
		"size":        {[]string{"--size", "32", "--out", "x"}, "--size is 64 to 256"},
		"captions":    {[]string{"--captions", "100", "--out", "x"}, "--captions is at most"},
		"argument":    {[]string{"x"}, "flags only"},
		"flag":        {[]string{"--colour"}, "unknown flag"},
	} {
		var stderr bytes.Buffer
		err := run(t.Context(), c.args, &stderr, &stderr)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
