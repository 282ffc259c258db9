package sqlite_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/indexer/queue"
	"sightline/indexer/queue/sqlite"
)

func TestReopened(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "50%?# new")
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Enqueue(t.Context(), queue.Job{Kind: "k", Key: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); !errors.Is(err, queue.ErrUnavailable) || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	for range 2 {
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	again, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if c, err := again.Counts(t.Context(), ""); err != nil || c.Waiting != 1 {
		t.Errorf("counts: %+v, %v", c, err)
	}
}

// TestForeign leaves files alone that are not a queue of this version.
func TestForeign(t *testing.T) {
	for want, statement := range map[string]string{
		"not a queue of Sightline": "CREATE TABLE theirs (a)",
		"use a newer Sightline":    "PRAGMA application_id = 1399278705; PRAGMA user_version = 99",
	} {
		dir := t.TempDir()
		db, err := sql.Open("sqlite", filepath.Join(dir, "queue.db"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
		db.Close()
		before, err := os.ReadFile(filepath.Join(dir, "queue.db"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if after, err := os.ReadFile(filepath.Join(dir, "queue.db")); err != nil || string(after) != string(before) {
			t.Errorf("%s: the file was changed (%v)", want, err)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "queue.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir}); err == nil {
		t.Error("a file that is no database")
	}
}
