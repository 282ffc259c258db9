package keys

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

// DatabaseFile is the name of the Database in a data folder.
const DatabaseFile = "keys.db"

const (
	// MaxKeys bounds a Database and a File: a server holds all keys in memory.
	MaxKeys = 10_000
	// forgetAfter is how long a key stays listed that is revoked or has expired.
	forgetAfter = 365 * 24 * time.Hour
)

// ErrFull refuses one more key.
var ErrFull = fmt.Errorf("there are %d keys already: revoke some; revoked ones are forgotten after a year", MaxKeys)

// ErrNoKey says that there is no key with an id.
var ErrNoKey = errors.New("there is no key with this id")

// Database keeps keys in a SQLite file. All methods may be called at the same
// time, by several programs too: keys are made and revoked while a server runs.
type Database struct{ db *sql.DB }

//go:embed migrations/*.sql
var migrations embed.FS

// OpenDatabase opens or makes the file ("SgKy"), readable by its owner only.
func OpenDatabase(ctx context.Context, path string) (*Database, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	kind := sqlitefile.Kind{What: "a list of keys", ApplicationID: 0x53674b79, Migrations: migrations, Options: "_pragma=synchronous(FULL)"}
	db, err := kind.Open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	return &Database{db: db}, nil
}

// Create adds a new key and returns its secret, which is kept nowhere.
func (d *Database) Create(ctx context.Context, w Wanted) (Key, store.Secret, error) {
	now := time.Now()
	k, secret, err := New(w, now)
	if err != nil {
		return Key{}, "", err
	}
	err = sqlitefile.InTransaction(ctx, d.db, func(ctx context.Context, tx *sql.Tx) error {
		old := now.Add(-forgetAfter).Unix()
		if _, err := tx.ExecContext(ctx, "DELETE FROM keys WHERE revoked_at BETWEEN 1 AND ?1 OR expires_at BETWEEN 1 AND ?1", old); err != nil {
			return fmt.Errorf("forget old keys: %w", err)
		}
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM keys").Scan(&n); err != nil {
			return fmt.Errorf("count keys: %w", err)
		}
		if n >= MaxKeys {
			return ErrFull
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO keys (id, hash, session, name, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
			k.ID, k.hash[:], k.session[:], k.Name, k.Scopes, k.Created.Unix(), seconds(k.Expires))
		return err
	})
	if err != nil {
		return Key{}, "", fmt.Errorf("create key: %w", err)
	}
	return k, secret, nil
}

// List returns all keys, the oldest first.
func (d *Database) List(ctx context.Context) (all []Key, err error) {
	rows, err := d.db.QueryContext(ctx, "SELECT id, hash, session, name, scopes, created_at, expires_at, revoked_at, last_used_at FROM keys ORDER BY created_at, id")
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		k, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("list keys: %w", err)
		}
		all = append(all, k)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return all, nil
}

func scan(rows *sql.Rows) (Key, error) {
	var k Key
	var hash, session []byte
	var created, expires, revoked, used int64
	if err := rows.Scan(&k.ID, &hash, &session, &k.Name, &k.Scopes, &created, &expires, &revoked, &used); err != nil {
		return k, err
	}
	if len(hash) != len(k.hash) || len(session) != len(k.session) {
		return k, fmt.Errorf("key %s is damaged", k.ID)
	}
	k.hash, k.session = digest(hash), digest(session)
	k.Created, k.Expires, k.Revoked, k.LastUsed = moment(created), moment(expires), moment(revoked), moment(used)
	return k, nil
}

func moment(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// Revoke ends a key for good. Servers notice within Interval. One that was
// revoked before stays as it is; one that is not there is ErrNoKey.
func (d *Database) Revoke(ctx context.Context, id string) error {
	res, err := d.db.ExecContext(ctx, "UPDATE keys SET revoked_at = iif(revoked_at = 0, ?, revoked_at) WHERE id = ?", time.Now().Unix(), id)
	if err != nil {
		return fmt.Errorf("revoke key: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrNoKey, err)
	}
	return nil
}

// touch notes when keys were used last, by id in Unix seconds.
func (d *Database) touch(ctx context.Context, used map[string]int64) error {
	err := sqlitefile.InTransaction(ctx, d.db, func(ctx context.Context, tx *sql.Tx) error {
		for id, at := range used {
			if _, err := tx.ExecContext(ctx, "UPDATE keys SET last_used_at = max(last_used_at, ?) WHERE id = ?", at, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note use of keys: %w", err)
	}
	return nil
}

// look lists the keys unless nothing has changed since mark, which is SQLite's
// count of other connections' commits. It is read first: a change between the
// two is seen next time.
func (d *Database) look(ctx context.Context, mark any) ([]Key, any, error) {
	var version int64
	if err := d.db.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return nil, mark, fmt.Errorf("look at keys: %w", err)
	}
	if mark == version {
		return nil, mark, nil
	}
	list, err := d.List(ctx)
	return list, version, err
}

// Close closes the file.
func (d *Database) Close() error {
	if err := d.db.Close(); err != nil {
		return fmt.Errorf("close keys: %w", err)
	}
	return nil
}
