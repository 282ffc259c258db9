package clitest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// SlowFeed is a feed of the samples that comes as the test wants it: its first
// lines lie in a pipe, whose end is open.
type SlowFeed struct {
	Args  []string // of an import from the pipe
	Whole string   // all items, in a plain file beside the pictures
	Items int      // in Whole
	Pipe  *os.File
}

// NewSlowFeed writes the first lines. They are far less than a pipe holds.
func NewSlowFeed(t testing.TB, first int) SlowFeed {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(Samples)); err != nil {
		t.Fatal(err)
	}
	f := SlowFeed{Whole: filepath.Join(dir, "feed.jsonl")}
	data, err := os.ReadFile(f.Whole)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
	f.Items = len(lines)
	path := filepath.Join(dir, "slow")
	f.Args = []string{"import", path, "--format", "jsonl"}
	f.Pipe = Fifo(t, path)
	if _, err := f.Pipe.WriteString(strings.Join(lines[:first], "")); err != nil {
		t.Fatal(err)
	}
	return f
}

// Stored counts the pictures that an import has copied into the data folder.
func Stored(t testing.TB, data string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(data, "pictures", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}
