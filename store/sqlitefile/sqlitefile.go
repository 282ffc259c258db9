// Package sqlitefile opens the project's SQLite files: it keeps off files that
// something else made and brings the schema of ours up to date.
package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // registers the driver "sqlite": SQLite itself, translated to Go, so no cgo
)

// Kind is one kind of file.
type Kind struct {
	What string // for messages: "the catalogue"
	// ApplicationID marks files of this kind, so that no other program's SQLite
	// file is ever migrated by mistake.
	ApplicationID int32
	// Migrations holds migrations/*.sql; the n-th by name makes schema version n.
	Migrations fs.FS
	// Options of every connection, beside a busy timeout of 5 s and immediate
	// transactions: "_pragma=synchronous(FULL)". FULL makes every commit survive
	// a power cut in WAL mode; NORMAL does not.
	Options string
	// Explain gives an error of SQLite its words; nil leaves it as it is.
	Explain func(error) error
}

// Open opens or makes a file and brings its schema up to date. The pool has one
// connection, which serves all in turn.
func (k Kind) Open(ctx context.Context, path string) (*sql.DB, error) {
	db, err := k.Connect(path, "")
	if err != nil {
		return nil, err
	}
	if err := k.prepare(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return db, nil
}

// Connect opens a file as it is, with further options ("mode=rw").
func (k Kind) Connect(path, more string) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("locate data folder: %w", err)
	}
	var query strings.Builder
	query.WriteString("_pragma=busy_timeout(5000)&_txlock=immediate")
	for _, options := range []string{k.Options, more} {
		if options != "" {
			query.WriteString("&" + options)
		}
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: query.String()} // escapes: a folder named "50%?#" is legal
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

func (k Kind) explain(err error) error {
	if k.Explain == nil {
		return err
	}
	return k.Explain(err)
}

func (k Kind) prepare(ctx context.Context, db *sql.DB) error {
	version, scripts, err := k.Version(ctx, db)
	if err != nil {
		return err
	}
	if version > len(scripts) {
		return fmt.Errorf("%s has schema version %d and this program knows up to %d; use a newer Sightline", k.What, version, len(scripts))
	}
	// Only now is it certain that the file is ours to change.
	if _, err := db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return fmt.Errorf("switch to WAL: %w", k.explain(err))
	}
	for i := version; i < len(scripts); i++ {
		if err := k.migrate(ctx, db, scripts[i], i+1); err != nil {
			return fmt.Errorf("migrate %s: %w", filepath.Base(scripts[i]), k.explain(err))
		}
	}
	return nil
}

// Version returns the schema version of a file, 0 for a new one, and the scripts
// of all versions that this program knows. It refuses a file that something
// else made.
func (k Kind) Version(ctx context.Context, db *sql.DB) (version int, scripts []string, err error) {
	if scripts, err = fs.Glob(k.Migrations, "migrations/*.sql"); err != nil { // sorted by name
		return 0, nil, fmt.Errorf("list migrations: %w", err)
	}
	var owner, tables int
	for query, into := range map[string]*int{
		"PRAGMA application_id":              &owner,
		"PRAGMA user_version":                &version,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := db.QueryRowContext(ctx, query).Scan(into); err != nil {
			return 0, nil, fmt.Errorf("read database header: %w", k.explain(err))
		}
	}
	isNew := owner == 0 && version == 0 && tables == 0
	if owner != int(k.ApplicationID) && !isNew {
		return 0, nil, fmt.Errorf("this database is not %s of Sightline; choose another --data folder", k.What)
	}
	return version, scripts, nil
}

// migrate runs one script and records it in the same transaction.
func (k Kind) migrate(ctx context.Context, db *sql.DB, script string, version int) error {
	text, err := fs.ReadFile(k.Migrations, script)
	if err != nil {
		return fmt.Errorf("read script: %w", err)
	}
	return InTransaction(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
		// PRAGMA takes no parameters; both values are numbers of this program.
		marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", k.ApplicationID, version)
		for _, statements := range []string{string(text), marks} {
			if _, err := tx.ExecContext(ctx, statements); err != nil {
				return fmt.Errorf("run script: %w", err)
			}
		}
		return nil
	})
}

// InTransaction commits what change did, or nothing. The context that change
// gets for its statements ignores cancellation: a commit that reports
// "cancelled" after it took effect would leave memory behind the disk. Callers
// look at their own ctx between statements instead.
func InTransaction(ctx context.Context, db *sql.DB, change func(context.Context, *sql.Tx) error) error {
	held := context.WithoutCancel(ctx)
	tx, err := db.BeginTx(held, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if err := change(held, tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
