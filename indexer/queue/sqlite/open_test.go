package sqlite_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// TestFirstVersion opens a file of the first schema, whose jobs have no trace
// context, and does the job that waits in it.
func TestFirstVersion(t *testing.T) {
	dir := t.TempDir()
	schema, err := os.ReadFile("migrations/0001_queue.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "queue.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(string(schema) + `;
		INSERT INTO jobs (id, kind, key, grp, dedupe, version, not_before, max_attempts, state, created, changed, ready)
			VALUES ('01K0000000000000000000000A', 'change', '', '', '', 0, 0, 10, 'waiting', 1, 1, 1);
		INSERT INTO payloads VALUES (1, CAST('what to do' AS BLOB));
		PRAGMA application_id = 1399278705; PRAGMA user_version = 1`)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	leases, err := q.Lease(t.Context(), queue.LeaseOptions{Max: 2, For: time.Minute, NoWait: true})
	if err != nil || len(leases) != 1 || string(leases[0].Job.Payload) != "what to do" || leases[0].Job.TraceParent != "" {
		t.Fatalf("leases %+v, %v", leases, err)
	}
	if err := q.Done(t.Context(), leases[0], "written"); err != nil {
		t.Error(err)
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
