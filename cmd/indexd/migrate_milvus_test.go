package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/store/milvus/milvustest"
)

// TestMigrateMilvus goes to another model and back while nobody writes. It waits
// twice for some seconds of quiet, and so is not run every time.
func TestMigrateMilvus(t *testing.T) {
	if os.Getenv("SIGHTLINE_TEST_LONG") == "" {
		t.Skip("takes 30 s; SIGHTLINE_TEST_LONG=1 runs it")
	}
	environ := clitest.Environ(t)
	model, other := twoModels(t)
	lite := milvustest.Own(t)
	feed := t.TempDir()
	for _, name := range []string{"p0000", "p0001", "p0002", "p0003"} {
		copyFile(t, filepath.Join(samples, "pictures", name+".png"), filepath.Join(feed, name+".png"))
	}
	data := filepath.Join(t.TempDir(), "data")
	with := func(model string, args ...string) []string {
		return append(args, "--data", data, "--store", "milvus", "--milvus-addr", lite.Address(), "--model", model)
	}
	indexd(t, environ, with(model, "import", feed)...).ok(t)
	indexd(t, environ, with(other, "migrate", "--estimate")...).says(t, cli.ExitOK, "4 to embed", "catalogue 0 KB")
	indexd(t, environ, with(other, "migrate", "--switch")...).says(t, cli.ExitOK, "4 written", "stop what writes", "is the current collection now")
	if err := os.Remove(filepath.Join(feed, "p0000.png")); err != nil {
		t.Fatal(err)
	}
	indexd(t, environ, with(other, "import", feed, "--full-sync", "--force")...).says(t, cli.ExitOK, "1 deleted")
	indexd(t, environ, with(model, "migrate", "--switch")...).says(t, cli.ExitOK, "3 items up to date, 0 to embed", "1 to remove", "1 deleted", "is the current collection now")
	listed := indexd(t, environ, "collection", "list", "--data", data, "--store", "milvus", "--milvus-addr", lite.Address()).ok(t).out
	if !strings.HasPrefix(listed, "* "+fingerprint(t, model)) || strings.Count(listed, "3 items") != 2 {
		t.Errorf("listed:\n%s", listed)
	}
}
