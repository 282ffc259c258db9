package feed_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sightline/indexer/feed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// records drains a feed; the two slices run in step.
func records(f feed.Feed) (rs []feed.Record, errs []error) {
	for r, err := range f {
		rs, errs = append(rs, r), append(errs, err)
	}
	return rs, errs
}

func jsonl(r io.Reader, dir string) feed.Feed {
	return feed.Read(r, feed.Options{Format: feed.JSONL, Root: dir})
}

// parse reads a feed that must have no fault.
func parse(t *testing.T, text string, o feed.Options) []feed.Record {
	t.Helper()
	rs, errs := records(feed.Read(strings.NewReader(text), o))
	for i, err := range errs {
		if err != nil {
			t.Errorf("%s: %v", rs[i].Where, err)
		}
	}
	return rs
}

// open is Open for tests.
func open(t *testing.T, path string) feed.Feed {
	t.Helper()
	f, err := feed.Open(t.Context(), path, feed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
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
