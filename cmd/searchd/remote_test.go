package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
)

// importTo runs the real 'indexd import --server' and returns its exit code.
func (w writing) importTo(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	c := exec.CommandContext(t.Context(), indexd(t), append([]string{"import", "--server", w.url}, args...)...)
	c.Dir = t.TempDir() // there is neither data nor a model
	text, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(text), c.ProcessState.ExitCode()
}

// wantImport holds an import to its exit code and to words of its output.
func (w writing) wantImport(t *testing.T, code int, words string, args ...string) {
	t.Helper()
	if out, got := w.importTo(t, args...); got != code || !strings.Contains(out, words) {
		t.Errorf("import %v: exit code %d, want %d and %q:\n%s", args, got, code, words, out)
	}
}

// titles are those of all items, by id.
func (w writing) titles(t *testing.T) map[string]string {
	t.Helper()
	var list struct {
		Items []struct{ ID, Title string }
	}
	if code := w.get(t, "/v1/items?limit=1000", &list); code != http.StatusOK {
		t.Fatalf("list: %d", code)
	}
	all := map[string]string{}
	for _, item := range list.Items {
		all[item.ID] = item.Title
	}
	return all
}

// someOf writes a feed of the samples' lines that keep says.
func someOf(t *testing.T, keep func(i int, line string) string) string {
	t.Helper()
	folder, err := filepath.Abs(samples)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "feed.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i, line := range slices.Collect(strings.Lines(string(text))) {
		out.WriteString(keep(i, line))
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(folder, "pictures"), filepath.Join(dir, "pictures")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "copied"), os.DirFS(filepath.Join(folder, "pictures"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "feed.jsonl")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(out.String(), `"pictures/`, `"copied/`)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestImportThroughAServer: the feed ends as it does in an import into the data
// folder, rankings and all; a second one changes nothing; bad rows are told.
func TestImportThroughAServer(t *testing.T) {
	w := newWriting(t)
	feed := someOf(t, func(_ int, line string) string { return line })
	w.wantImport(t, cli.ExitOK, "240 written, 0 unchanged, 0 failed", feed)
	w.wantImport(t, cli.ExitOK, "0 written, 240 unchanged, 0 failed", feed)
	environ := clitest.Environ(t)
	local := serve(t, environ, "--data", data(t, environ, "auto"), "--model", model(t))
	query := map[string]any{"text": "a red mug", "limit": 20}
	got, want := w.search(t, query), local.search(t, query)
	for i := range want.Hits {
		if len(got.Hits) <= i || got.Hits[i].ID != want.Hits[i].ID || got.Hits[i].Score != want.Hits[i].Score {
			t.Fatalf("place %d: %+v, want %+v", i+1, got.Hits, want.Hits[i])
		}
	}
	report := filepath.Join(t.TempDir(), "rejected.jsonl")
	bad := someOf(t, func(i int, line string) string {
		switch {
		case i == 1:
			return "{\"id\":\"broken\"\n"
		case i == 2:
			return `{"id":"no-picture","image":"pictures/none.png"}` + "\n"
		case i > 4:
			return ""
		}
		return line
	})
	w.wantImport(t, cli.ExitSomeFailed, "0 written, 3 unchanged, 2 failed", bad, "--report", report)
	if text, err := os.ReadFile(report); err != nil || strings.Count(string(text), "\n") != 2 {
		t.Errorf("report: %v\n%s", err, text)
	}
}

// TestSyncThroughAServer: items that the feed does not name go, unless they are
// too many, and never those that came since.
func TestSyncThroughAServer(t *testing.T) {
	w := newWriting(t)
	upTo := func(n int) string {
		return someOf(t, func(i int, line string) string {
			if i >= n {
				return ""
			}
			return line
		})
	}
	w.wantImport(t, cli.ExitOK, "10 written", upTo(10))
	w.wantImport(t, cli.ExitFailed, "2 of 10 items are not in the feed", upTo(8), "--full-sync", "--max-vanish", "10")
	w.wantImport(t, cli.ExitOK, "8 unchanged, 0 failed, 2 deleted", upTo(8), "--full-sync")
	if n := len(w.titles(t)); n != 8 {
		t.Errorf("%d items", n)
	}
	w.wantImport(t, cli.ExitUsage, "--dry-run", upTo(8), "--dry-run")
	w.wantImport(t, cli.ExitFailed, "is searchd running there?", upTo(1), "--server", "http://127.0.0.1:1")
}

// TestFeedBesideWrites: a feed that began before a change of an item over REST
// does not undo it, and a later one does.
func TestFeedBesideWrites(t *testing.T) {
	w := newWriting(t)
	first := func(i int, line string) string {
		if i > 1 {
			return ""
		}
		return line
	}
	feed := someOf(t, first)
	w.wantImport(t, cli.ExitOK, "2 written", feed)
	var id string
	for id = range w.titles(t) {
		break
	}
	if code, r := w.send(t, http.MethodPatch, "/v1/items/"+id, `{"title":"by hand"}`); code != http.StatusOK {
		t.Fatalf("patch: %d %+v", code, r)
	}
	line, err := os.ReadFile(someOf(t, func(_ int, line string) string {
		if !strings.Contains(line, `"`+id+`"`) {
			return ""
		}
		return line
	}))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(line), `copied/`, w.shop+"/", 1)
	before := "/v1/items:batch?as_of=2026-11-01T00:00:00Z"
	if _, r := w.send(t, http.MethodPost, before, text, "Content-Type", "application/x-ndjson", "Prefer", "wait=30"); r.Accepted != 1 || r.State != "done" {
		t.Errorf("an older feed: %+v", r)
	}
	w.wantItem(t, id, map[string]any{"title": "by hand"})
	w.wantImport(t, cli.ExitOK, "1 written, 1 unchanged", feed)
	if w.titles(t)[id] == "by hand" {
		t.Error("a later feed was not taken over")
	}
}

// TestScheduledFeed: 'indexd serve --server' brings in a feed again and again.
func TestScheduledFeed(t *testing.T) {
	w := newWriting(t)
	feed := someOf(t, func(i int, line string) string {
		if i > 5 {
			return ""
		}
		return line
	})
	var log clitest.Buffer
	c := exec.CommandContext(t.Context(), indexd(t), "serve", "--server", w.url, "--feed", feed, "--every", "10s", "--full-sync", "--listen", "127.0.0.1:0", "--log-json")
	c.Dir, c.Stdout, c.Stderr = t.TempDir(), &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	runs := func() (lines []map[string]any) {
		for line := range strings.Lines(log.String()) {
			var entry map[string]any
			if json.Unmarshal([]byte(line), &entry) == nil && entry["msg"] == "scheduled feed" {
				lines = append(lines, entry)
			}
		}
		return lines
	}
	clitest.Eventually(t, "the feed to be in", func() bool { return len(runs()) == 1 })
	if got := runs()[0]; got["written"] != 6.0 || len(w.titles(t)) != 6 {
		t.Errorf("first run: %v", got)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("indexd serve: %v\n%s", err, log.String())
	}
	if !strings.HasPrefix(log.String(), "http://127.0.0.1:") {
		t.Errorf("no address: %s", log.String())
	}
}
