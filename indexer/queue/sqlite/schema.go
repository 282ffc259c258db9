package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the file as a queue of Sightline's ("SgLq"), so that no
// other program's SQLite file is ever migrated by mistake.
const applicationID = 0x53674c71

// openDatabase opens or creates the file and brings its schema up to date. Its
// one connection keeps the file locked until it is closed or its process ends,
// so a second process is refused.
func openDatabase(ctx context.Context, path string) (*database, error) {
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
	return newDatabase(ctx, db)
}

// dataSourceName escapes the path: a folder named "50%?#" is legal. A restarted
// process waits for the lock of the one that is ending.
func dataSourceName(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("locate data folder: %w", err)
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(5000)&_pragma=locking_mode(EXCLUSIVE)&_pragma=synchronous(FULL)&_txlock=immediate"}
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
		return fmt.Errorf("the queue has schema version %d and this program knows up to %d; use a newer Sightline", version, len(scripts))
	}
	// Only now is it certain that the file is ours to change.
	if _, err := db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return fmt.Errorf("switch to WAL: %w", explain(err))
	}
	for i := version; i < len(scripts); i++ {
		if err := migrate(ctx, db, scripts[i], i+1); err != nil {
			return fmt.Errorf("migrate %s: %w", filepath.Base(scripts[i]), explain(err))
		}
	}
	return nil
}

// readVersion returns the schema version, 0 for a new file, and refuses a
// database that something else made or that another process uses.
func readVersion(ctx context.Context, db *sql.DB) (version int, err error) {
	var owner, tables int
	for query, into := range map[string]*int{
		"PRAGMA application_id":              &owner,
		"PRAGMA user_version":                &version,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := db.QueryRowContext(ctx, query).Scan(into); err != nil {
			return 0, fmt.Errorf("read database header: %w", explain(err))
		}
	}
	isNew := owner == 0 && version == 0 && tables == 0
	if owner != applicationID && !isNew {
		return 0, errors.New("this database is not a queue of Sightline; choose another --data folder")
	}
	return version, nil
}

// migrate runs one script and records it in the same transaction.
func migrate(ctx context.Context, db *sql.DB, script string, version int) error {
	text, err := migrations.ReadFile(script)
	if err != nil {
		return fmt.Errorf("read script: %w", err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	// PRAGMA takes no parameters; both values are numbers of this program.
	marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version)
	for _, statements := range []string{string(text), marks} {
		if _, err := tx.ExecContext(ctx, statements); err != nil {
			return errors.Join(fmt.Errorf("run script: %w", err), tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
