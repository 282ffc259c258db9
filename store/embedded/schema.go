package embedded

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // registers the driver "sqlite": SQLite itself, translated to Go, so no cgo
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the database file as Sightline's ("SgLt"), so that no
// other program's SQLite file is ever migrated by mistake.
const applicationID = 0x53674c74

// openDatabase opens or creates the file and brings its schema up to date.
// One connection serves all writes in turn; searches do not use it.
func openDatabase(ctx context.Context, path string) (*sql.DB, error) {
	name, err := dataSourceName(path)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	if err := prepareSchema(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return db, nil
}

// dataSourceName escapes the path: a folder named "50%?#" is legal. FULL makes
// every commit survive a power cut in WAL mode; NORMAL would not.
func dataSourceName(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("locate data folder: %w", err)
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)&_txlock=immediate"}
	return u.String(), nil
}

func prepareSchema(ctx context.Context, db *sql.DB) error {
	version, err := readVersion(ctx, db)
	if err != nil {
		return err
	}
	scripts, err := fs.Glob(migrations, "migrations/*.sql") // sorted by name
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	if version > len(scripts) {
		return fmt.Errorf("the catalogue has schema version %d and this program knows up to %d; use a newer Sightline", version, len(scripts))
	}
	// Only now is it certain that the file is ours to change.
	if _, err := db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return fmt.Errorf("switch to WAL: %w", err)
	}
	for i := version; i < len(scripts); i++ {
		if err := migrate(ctx, db, scripts[i], i+1); err != nil {
			return fmt.Errorf("migrate %s: %w", filepath.Base(scripts[i]), err)
		}
	}
	return nil
}

// readVersion returns the schema version, 0 for a new file, and refuses a
// database that something else made.
func readVersion(ctx context.Context, db *sql.DB) (version int, err error) {
	var owner, tables int
	for query, into := range map[string]*int{
		"PRAGMA application_id":              &owner,
		"PRAGMA user_version":                &version,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := db.QueryRowContext(ctx, query).Scan(into); err != nil {
			return 0, fmt.Errorf("read database header: %w", err)
		}
	}
	isNew := owner == 0 && version == 0 && tables == 0
	if owner != applicationID && !isNew {
		return 0, errors.New("this database was not made by Sightline; choose another --data folder")
	}
	return version, nil
}

// migrate runs one script and records it in the same transaction.
func migrate(ctx context.Context, db *sql.DB, script string, version int) error {
	text, err := migrations.ReadFile(script)
	if err != nil {
		return fmt.Errorf("read script: %w", err)
	}
	return inTransaction(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
		// PRAGMA takes no parameters; both values are numbers of this program.
		marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version)
		for _, statements := range []string{string(text), marks} {
			if _, err := tx.ExecContext(ctx, statements); err != nil {
				return fmt.Errorf("run script: %w", err)
			}
		}
		return nil
	})
}

// inTransaction commits what change did, or nothing. The context that change
// gets for its statements ignores cancellation: a commit that reports
// "cancelled" after it took effect would leave memory behind the disk. Callers
// look at their own ctx between statements instead.
func inTransaction(ctx context.Context, db *sql.DB, change func(context.Context, *sql.Tx) error) error {
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
