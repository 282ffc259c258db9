package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/indexer/queue"
	"sightline/indexer/queue/sqlite"
	"sightline/store/change"
	"sightline/store/pictures"
)

// TestPrune deletes the pictures of items that are gone, and none that an item
// or a waiting change names.
func TestPrune(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	feed, data := shop(t, environ, model)
	if err := os.Remove(filepath.Join(feed, "p0001.png")); err != nil {
		t.Fatal(err)
	}
	indexd(t, environ, "import", feed, "--full-sync", "--force", "--data", data, "--model", model).ok(t)
	uploaded := upload(t, data)
	before := clitest.Stored(t, data)
	indexd(t, environ, "prune", "--data", data).says(t, cli.ExitOK, " 0 deleted") // all are young
	indexd(t, environ, "prune", "--data", data, "--older", "0s", "--dry-run").says(t, cli.ExitOK, "1 would be deleted")
	if n := clitest.Stored(t, data); n != before {
		t.Errorf("a dry run deleted %d pictures", before-n)
	}
	indexd(t, environ, "prune", "--data", data, "--older", "0s").says(t, cli.ExitOK, "1 deleted")
	if n := clitest.Stored(t, data); n != before-1 || !isThere(data, uploaded) {
		t.Errorf("%d pictures of %d, that of the waiting change among them: %v", n, before, isThere(data, uploaded))
	}
	indexd(t, environ, "check", "--deep", "--data", data).ok(t)
	openData(t, data, model)
	indexd(t, environ, "prune", "--data", data).says(t, cli.ExitFailed, "has this data folder open; stop that program first")
}

// upload queues a change with a picture of its own and returns its key.
func upload(t *testing.T, data string) string {
	t.Helper()
	p, err := pictures.Open(filepath.Join(data, "pictures"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := p.Put(t.Context(), []byte("uploaded"))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := change.Change{Op: change.Patch, ID: "x", Patch: []byte(`{}`), Images: []string{change.Stored(key)}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: data})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Enqueue(t.Context(), queue.Job{Kind: change.Kind, Key: change.Key("x"), Payload: payload, NotBefore: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	return key
}

func isThere(data, key string) bool {
	_, err := os.Stat(filepath.Join(data, "pictures", pictures.Path(key)))
	return err == nil
}
