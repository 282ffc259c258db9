package folder_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sightline/store/internal/folder"
)

func TestAcquireKeepsOthersOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there yet")
	first, err := folder.Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = folder.Acquire(dir)
	for _, want := range []string{dir, "pid " + strconv.Itoa(os.Getpid()), "stop that program"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("second Acquire: got %v, want %q in it", err, want)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := folder.Acquire(dir)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAcquireReportsBadFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Acquire(file); err == nil || !strings.Contains(err.Error(), "create data folder") {
		t.Errorf("got %v", err)
	}
}

func TestWriteFileReplacesAndLeavesNoScraps(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	for _, content := range []string{"first", "second"} {
		if err := folder.WriteFile(dir, path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if err := folder.WriteFile(dir, filepath.Join(dir, "no", "x"), []byte("lost")); err == nil {
		t.Error("a missing target folder must be an error")
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}
