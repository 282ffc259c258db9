package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
)

// shop is a data folder with three pictures imported.
func shop(t *testing.T, environ []string, model string) (feed, data string) {
	t.Helper()
	feed, data = t.TempDir(), filepath.Join(t.TempDir(), "data")
	for _, name := range []string{"p0000", "p0001", "p0002"} {
		copyFile(t, filepath.Join(samples, "pictures", name+".png"), filepath.Join(feed, name+".png"))
	}
	indexd(t, environ, "import", feed, "--data", data, "--model", model).ok(t)
	return feed, data
}

// TestBackupRestoreRepair goes the whole way round: what comes back is what was
// there, patch states included.
func TestBackupRestoreRepair(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	_, data := shop(t, environ, model)
	backup, restored := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	indexd(t, environ, "check", "--deep", "--data", data).says(t, cli.ExitOK, "3 items, 3 pictures and 3 patch states", "0 problems")
	indexd(t, environ, "backup", backup, "--data", data).says(t, cli.ExitOK, "3 items", "3 pictures copied")
	indexd(t, environ, "backup", backup, "--data", data).says(t, cli.ExitOK, "0 pictures copied, 3 were there")
	indexd(t, environ, "restore", backup, "--data", restored).says(t, cli.ExitOK, "3 pictures copied")
	indexd(t, environ, "restore", backup, "--data", restored).says(t, cli.ExitFailed, "is not empty")
	indexd(t, environ, "check", "--data", restored).says(t, cli.ExitSomeFailed, "has no patch states", "'indexd repair' puts 3 of them right")
	indexd(t, environ, "repair", "--data", restored, "--model", model).says(t, cli.ExitOK, "3 written")
	indexd(t, environ, "repair", "--data", restored, "--model", model).says(t, cli.ExitOK, "3 unchanged")
	indexd(t, environ, "check", "--deep", "--data", restored).says(t, cli.ExitOK, "0 problems")
}

func TestRepairOfDamagedStates(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	_, data := shop(t, environ, model)
	segments, err := filepath.Glob(filepath.Join(data, "models", "*", "features", "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	bytes, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	bytes[len(bytes)/2] ^= 1
	if err := os.WriteFile(segments[0], bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	indexd(t, environ, "check", "--data", data).says(t, cli.ExitOK, "0 problems") // not that closely looked at
	indexd(t, environ, "check", "--deep", "--data", data).says(t, cli.ExitSomeFailed, "damaged", "puts 1 of them right")
	indexd(t, environ, "repair", "--deep", "--data", data, "--model", model).says(t, cli.ExitOK, "1 written, 2 unchanged")
	indexd(t, environ, "check", "--deep", "--data", data).says(t, cli.ExitOK, "0 problems")
}

func TestCheckFindsMissingPictures(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	_, data := shop(t, environ, model)
	files, err := filepath.Glob(filepath.Join(data, "pictures", "??", "*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("pictures %v, %v", files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	indexd(t, environ, "check", "--data", data).says(t, cli.ExitSomeFailed, "picture not found", "1 problems")
	indexd(t, environ, "backup", t.TempDir(), "--data", data).says(t, cli.ExitSomeFailed, "picture not found", "2 pictures copied")
}

// TestCollections moves a catalogue to another model and back, beside a program
// that has the old collection open.
func TestCollections(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	other := filepath.Join(t.TempDir(), "other")
	indexd(t, nil, "model", "convert", filepath.Join(samples, "model"), "--out", other, "--clean", "on").ok(t)
	feed, data := shop(t, environ, model)

	serving := openData(t, data, model)
	indexd(t, environ, "collection", "build", "--data", data, "--model", other).says(t, cli.ExitOK, "3 written", "collection switch")
	if err := os.Remove(filepath.Join(feed, "p0002.png")); err != nil {
		t.Fatal(err)
	}
	if n, err := serving.Index.Delete(t.Context(), []string{"p0002"}); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	indexd(t, environ, "collection", "build", "--data", data, "--model", other, "--json").says(t, cli.ExitOK, `"unchanged":2`)

	listed := indexd(t, environ, "collection", "list", "--data", data).ok(t).out
	if lines := strings.Split(strings.TrimSpace(listed), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[0], "* ") || strings.Count(listed, "  2 items") != 2 {
		t.Errorf("list:\n%s", listed)
	}
	indexd(t, environ, "import", feed, "--data", data, "--model", other).says(t, cli.ExitFailed, "made with another model", "indexd collection build")
	indexd(t, environ, "collection", "switch", "--data", data, "--model", other).ok(t)
	if sum, _ := importSummary(t, environ, feed, "--data", data, "--model", other); sum.Unchanged != 2 {
		t.Errorf("after the switch: %+v", sum)
	}
	indexd(t, environ, "collection", "switch", "--data", data, "--model", model).ok(t)
	m, err := serving.Index.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	indexd(t, environ, "collection", "drop", m.Fingerprint, "--data", data).says(t, cli.ExitFailed, "is the current one")
	indexd(t, environ, "collection", "switch", "no-such-model", "--data", data).says(t, cli.ExitFailed, "there is none of model no-such-model")
	indexd(t, environ, "collection", "build", "--data", data, "--model", model).says(t, cli.ExitUsage, "is the model of the current collection already")
}

func TestBuildSwitchAndDrop(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	other := filepath.Join(t.TempDir(), "other")
	indexd(t, nil, "model", "convert", filepath.Join(samples, "model"), "--out", other, "--clean", "on").ok(t)
	_, data := shop(t, environ, model)
	indexd(t, environ, "collection", "build", "--switch", "--data", data, "--model", other).ok(t)
	listed := strings.Fields(indexd(t, environ, "collection", "list", "--data", data).ok(t).out)
	old := listed[5] // "* NEW 3 items, 64-d OLD 3 items, 64-d"
	indexd(t, environ, "collection", "drop", old, "--data", data).ok(t)
	if left := indexd(t, environ, "collection", "list", "--data", data).ok(t).out; strings.Contains(left, old) {
		t.Errorf("still listed:\n%s", left)
	}
	indexd(t, environ, "collection", "build", "--data", filepath.Join(t.TempDir(), "none"), "--model", other).says(t, cli.ExitUsage, "holds no catalogue yet")
}
