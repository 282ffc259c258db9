package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/store/backup"
)

// turned is a feed of the first n samples in which every item has the picture
// of the one that is shift places on.
func turned(t *testing.T, dir string, n, shift int) string {
	t.Helper()
	var feed bytes.Buffer
	for i := range n {
		fmt.Fprintf(&feed, "{\"id\":\"item-%03d\",\"title\":\"turned by %d\",\"image\":\"p%04d.png\"}\n", i, shift, (i+shift)%n)
	}
	path := filepath.Join(dir, fmt.Sprintf("feed-%d.jsonl", shift))
	writeFile(t, path, feed.Bytes())
	return path
}

// TestImportKilled kills imports at random moments. After each, every item of
// the catalogue has its picture and patch states, whole, and none that was there
// is lost.
func TestImportKilled(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	const items = 60
	dir, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	for i := range items {
		name := fmt.Sprintf("p%04d.png", i)
		copyFile(t, filepath.Join(samples, "pictures", name), filepath.Join(dir, name))
	}
	feeds := []string{turned(t, dir, items, 0), turned(t, dir, items, 7)}
	kills := 8
	if os.Getenv("SIGHTLINE_TEST_LONG") != "" {
		kills = 200
	}
	last, killed, soon := 0, 0, sooner{within: 1200 * time.Millisecond}
	for round := 0; killed < kills && round < 10*kills; round++ {
		var log clitest.Buffer
		c := start(t, environ, &log, "import", feeds[round%2], "--data", data, "--model", model, "--batch", "2")
		if soon.kill(t, c, &log) {
			killed++
		}
		last = sound(t, environ, data, last)
	}
	if killed < kills {
		t.Errorf("only %d imports were still running when they were to be killed", killed)
	}
	indexd(t, environ, "import", feeds[0], "--data", data, "--model", model).ok(t)
	if n := sound(t, environ, data, last); n != items {
		t.Errorf("%d items at the end, want %d", n, items)
	}
}

// sound holds 'indexd check --deep' to no problems and at least so many items.
func sound(t *testing.T, environ []string, data string, least int) int {
	t.Helper()
	r := indexd(t, environ, "check", "--deep", "--json", "--data", data)
	var found backup.Checked
	if err := json.Unmarshal([]byte(r.out), &found); err != nil {
		t.Fatalf("check: %v\n%s%s", err, r.out, r.errs)
	}
	if r.code != cli.ExitOK || found.Items < least || found.States != found.Items || len(found.Skipped) > 0 {
		t.Fatalf("exit code %d, %d items after %d: %+v", r.code, found.Items, least, found)
	}
	return found.Items
}
