// Package sources remembers where a catalogue's pictures came from, so that an
// address that was fetched is not fetched again. Losing it costs fetches, never
// data.
package sources

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sightline/store"
	"sightline/store/sqlitefile"
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

//go:embed migrations/*.sql
var migrations embed.FS

// Open opens or makes the file ("SgSr"). Nothing in it is worth an fsync: after
// a power cut the last addresses are fetched once more.
func Open(ctx context.Context, path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("open sources: %w", err)
	}
	kind := sqlitefile.Kind{What: "a list of sources", ApplicationID: 0x53675372, Migrations: migrations, Options: "_pragma=synchronous(NORMAL)"}
	db, err := kind.Open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open sources: %w", err)
	}
	return &Store{db: db}, nil
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
