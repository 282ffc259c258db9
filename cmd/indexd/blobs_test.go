package main

import (
	"os"
	"path/filepath"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
)

// TestBlobs takes the copies of pictures away from a data folder whose bucket
// has them all: nothing is missing to any command.
func TestBlobs(t *testing.T) {
	environ, model, bucket := clitest.Environ(t), sampleModel(t), "file://"+filepath.Join(t.TempDir(), "bucket")
	feed, data := t.TempDir(), filepath.Join(t.TempDir(), "data")
	for _, name := range []string{"p0000", "p0001", "p0002"} {
		copyFile(t, filepath.Join(samples, "pictures", name+".png"), filepath.Join(feed, name+".png"))
	}
	shared := []string{"--data", data, "--blobs", bucket}
	do := func(args ...string) result { return indexd(t, environ, append(args, shared...)...) }
	emptyFolder := func() {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(data, "pictures")); err != nil {
			t.Fatal(err)
		}
	}
	do("import", feed, "--model", model).ok(t)
	emptyFolder()
	indexd(t, environ, "check", "--data", data).says(t, cli.ExitSomeFailed, "picture not found")
	do("check", "--deep").says(t, cli.ExitOK, "3 pictures", "0 problems", "not checked", "indexd repair")

	emptyFolder()
	backup, restored := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	do("backup", backup).says(t, cli.ExitOK, "3 pictures copied")
	elsewhere := []string{"--data", restored, "--blobs", "file://" + filepath.Join(t.TempDir(), "another")}
	indexd(t, environ, append([]string{"restore", backup}, elsewhere...)...).says(t, cli.ExitOK, "3 pictures copied")
	if err := os.RemoveAll(filepath.Join(restored, "pictures")); err != nil {
		t.Fatal(err)
	}
	indexd(t, environ, append([]string{"repair", "--model", model}, elsewhere...)...).says(t, cli.ExitOK, "3 written")

	emptyFolder()
	other := filepath.Join(t.TempDir(), "other")
	indexd(t, nil, "model", "convert", filepath.Join(samples, "model"), "--out", other, "--clean", "on").ok(t)
	do("collection", "build", "--model", other).says(t, cli.ExitOK, "3 written")
}

func TestPicturesBudgetNeedsABucket(t *testing.T) {
	indexd(t, nil, "check", "--pictures-budget-mb", "5").says(t, cli.ExitUsage, "needs --blobs", "only copy")
	indexd(t, nil, "check", "--pictures-budget-mb", "-1").says(t, cli.ExitUsage, "--pictures-budget-mb -1")
	indexd(t, nil, "check", "--blobs", "ftp://x").says(t, cli.ExitUsage, "--blobs", "ftp://")
}
