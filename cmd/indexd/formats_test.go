package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/store"
)

// demoShop renders a small shop with the demo's own program.
func demoShop(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	c := exec.CommandContext(t.Context(), "go", "run", "sightline/demo/render", "--n", "40", "--split", "demo", "--size", "96", "--out", dir)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("render: %v\n%s", err, out)
	}
	return dir
}

// asFolder writes what the JSONL feed says of each picture beside it.
func asFolder(t *testing.T, shop string) string {
	t.Helper()
	dir := t.TempDir()
	feed, err := os.Open(filepath.Join(shop, "feed.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	for lines := bufio.NewScanner(feed); lines.Scan(); {
		var row map[string]any
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		id := row["id"].(string)
		copyFile(t, filepath.Join(shop, row["image"].(string)), filepath.Join(dir, id+".png"))
		delete(row, "id")
		delete(row, "image")
		text, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, id+".json"), text)
	}
	return dir
}

// imported returns what an import of the feed puts into the index, without the
// source of the picture, which is another in each form.
func imported(t *testing.T, environ []string, model string, args ...string) []store.Entry {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	indexd(t, environ, append([]string{"import", "--data", data, "--model", model}, args...)...).says(t, cli.ExitOK, "40 written")
	entries, err := openData(t, data, model).Index.Scan(t.Context(), "", 100, nil)
	if err != nil || len(entries) != 40 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for i := range entries {
		entries[i].Item.Image, entries[i].ContentHash = "", ""
	}
	return entries
}

// TestFormatsGiveTheSameIndex imports one shop in every form that it is written
// in.
func TestFormatsGiveTheSameIndex(t *testing.T) {
	environ, model, shop := clitest.Environ(t), sampleModel(t), demoShop(t)
	want := imported(t, environ, model, filepath.Join(shop, "feed.jsonl"))
	for name, args := range map[string][]string{
		"csv":        {filepath.Join(shop, "feed.csv")},
		"google xml": {filepath.Join(shop, "feed.xml"), "--map", "parts=parts:list,products=products:number"},
		"folder":     {asFolder(t, shop)},
	} {
		got := imported(t, environ, model, args...)
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Errorf("%s, item %d:\n%+v\nJSONL:\n%+v", strings.ToUpper(name), i, got[i].Item, want[i].Item)
				break
			}
		}
	}
}
