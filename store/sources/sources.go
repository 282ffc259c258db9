// Package sources remembers where a catalogue's pictures came from, so that an
// address that was fetched is not fetched again. Losing it costs fetches, never
// data.
package sources

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"sightline/store"
)

// Source is what was found at one address.
type Source struct {
	Picture      string // key of the stored picture, sha256 hex
	ETag         string
	LastModified string
	Checked      time.Time // when the address was last asked; whole milliseconds
}

// Store keeps a Source for each address in one SQLite file. All methods may be
// called at the same time, by several programs too.
type Store struct{ db *sql.DB }

// applicationID marks the file as this package's ("SgSr").
const applicationID = 0x53675372

// schema is that of version 1. Nothing here is worth an fsync: after a power
// cut the last addresses are fetched once more.
const schema = `
CREATE TABLE IF NOT EXISTS sources (
    address       TEXT NOT NULL PRIMARY KEY,
    picture       TEXT NOT NULL,
    etag          TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    checked_at    INTEGER NOT NULL -- Unix milliseconds
) STRICT, WITHOUT ROWID`

// Open opens or makes the file.
func Open(ctx context.Context, path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("open sources: %w", err)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open sources: %w", err)
	}
	name := url.URL{Scheme: "file", Path: absolute, RawQuery: "_pragma=busy_timeout(5000)&_pragma=synchronous(NORMAL)&_pragma=journal_mode(WAL)&_txlock=immediate"}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, fmt.Errorf("open sources: %w", err)
	}
	db.SetMaxOpenConns(1)
	s := &Store{db: db}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open sources in %s: %w", path, err), db.Close())
	}
	return s, nil
}

func (s *Store) prepare(ctx context.Context) error {
	var owner, tables int
	if err := s.db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&owner); err != nil {
		return err
	}
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if owner != applicationID && (owner != 0 || tables > 0) {
		return errors.New("the file was not made by Sightline; move it away")
	}
	_, err := s.db.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = 1", schema, applicationID))
	return err
}

// Get returns what is known of an address.
func (s *Store) Get(ctx context.Context, address string) (Source, bool, error) {
	var found Source
	var checked int64
	err := s.db.QueryRowContext(ctx, "SELECT picture, etag, last_modified, checked_at FROM sources WHERE address = ?", address).
		Scan(&found.Picture, &found.ETag, &found.LastModified, &checked)
	if errors.Is(err, sql.ErrNoRows) {
		return Source{}, false, nil
	}
	if err != nil {
		return Source{}, false, fmt.Errorf("look up source: %w", closed(err))
	}
	found.Checked = time.UnixMilli(checked)
	return found, true, nil
}

// Put notes what was found at an address, in place of what was known.
func (s *Store) Put(ctx context.Context, address string, found Source) error {
	_, err := s.db.ExecContext(ctx, "INSERT OR REPLACE INTO sources (address, picture, etag, last_modified, checked_at) VALUES (?, ?, ?, ?, ?)",
		address, found.Picture, found.ETag, found.LastModified, found.Checked.UnixMilli())
	if err != nil {
		return fmt.Errorf("note source: %w", closed(err))
	}
	return nil
}

// closed gives the error of a closed database the name that callers know.
func closed(err error) error {
	if err.Error() == "sql: database is closed" {
		return store.ErrClosed
	}
	return err
}

// Close closes the file.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close sources: %w", err)
	}
	return nil
}
