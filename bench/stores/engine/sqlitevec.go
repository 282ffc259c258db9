//go:build cgo && sqlitevec

package engine

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"path/filepath"

	vec "github.com/asg017/sqlite-vec-go-bindings/cgo"
	"github.com/mattn/go-sqlite3"

	"sightline/bench/stores/dataset"
)

// int8Scale maps a component of a unit vector to an int8. Components have a
// standard deviation of 1/16, so 0.3 cuts off two in a million; sqlite-vec's own
// vec_quantize_int8 takes 1 for the largest and would use 38 of 127 steps.
const int8Scale = 127 / 0.3

// vecStore is a vec0 table. The field with few values is its partition key and
// the other ones are metadata columns, as sqlite-vec's documentation has it.
// Distances are L2, which orders unit vectors as the cosine does: it is the only
// one of its distances that it computes with AVX.
type vecStore struct {
	inProcess
	db   *sql.DB
	form vecForm
}

// vecForm is one of the types of vector that vec0 has.
type vecForm struct {
	column string
	value  string // SQL of a vector's blob
	encode func([]float32) ([]byte, error)
}

func float32Form() vecForm { return vecForm{"float[256]", "?", vec.SerializeFloat32} }
func int8Form() vecForm    { return vecForm{"int8[256]", "vec_int8(?)", quantise} }

func vecKind() Kind {
	return float32Form().kind("sqlite-vec", "exact; vec0 table, float32, category as partition key, other fields as metadata columns; cgo, AVX, mapped file, WAL with NORMAL sync")
}

func vecInt8Kind() Kind {
	return int8Form().kind("sqlite-vec int8", "the same, vectors rounded to int8 and the float32 ones not kept: not exact")
}

func (f vecForm) kind(name, about string) Kind {
	return Kind{
		Name: name, About: about, Version: vecVersion,
		Import: func(ctx context.Context, dir string, set dataset.Set) error {
			db := openVec(dir)
			return errors.Join(f.fill(ctx, db, set), db.Close())
		},
		Open: func(ctx context.Context, dir string, _ dataset.Set) (Engine, error) {
			db := openVec(dir)
			return &vecStore{db: db, form: f}, db.PingContext(ctx)
		},
	}
}

// mapped makes SQLite map its file into memory: searches take half of the time
// that they take with its own cache, whatever that one's size.
const mapped = "PRAGMA mmap_size = 8000000000"

// connector opens connections that are set up alike.
type connector struct {
	name string
	with *sqlite3.SQLiteDriver
}

// Connect implements driver.Connector.
func (c connector) Connect(context.Context) (driver.Conn, error) { return c.with.Open(c.name) }

// Driver implements driver.Connector.
func (c connector) Driver() driver.Driver { return c.with }

func connect(name string) *sql.DB {
	vec.Auto()
	return sql.OpenDB(connector{name, &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		_, err := c.Exec(mapped, nil)
		return err
	}}})
}

func openVec(dir string) *sql.DB {
	return connect("file:" + filepath.Join(dir, "items.db") + "?_journal_mode=WAL&_synchronous=NORMAL")
}

func vecVersion(ctx context.Context) (string, error) {
	db := connect(":memory:")
	var ours, sqlite string
	err := db.QueryRowContext(ctx, "SELECT vec_version(), sqlite_version()").Scan(&ours, &sqlite)
	return ours + ", SQLite " + sqlite, errors.Join(err, db.Close())
}

func (f vecForm) fill(ctx context.Context, db *sql.DB, set dataset.Set) error {
	_, err := db.ExecContext(ctx, `CREATE VIRTUAL TABLE items USING vec0(
		category TEXT PARTITION KEY, embedding `+f.column+`, brand TEXT, price FLOAT, +id TEXT, +title TEXT)`)
	if err != nil {
		return err
	}
	return set.Batches(ctx, batch, func(items []dataset.Item) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err := f.insert(ctx, tx, items); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	})
}

func (f vecForm) insert(ctx context.Context, tx *sql.Tx, items []dataset.Item) (err error) {
	statement, err := tx.PrepareContext(ctx, "INSERT INTO items (category, embedding, brand, price, id, title) VALUES (?, "+f.value+", ?, ?, ?, ?)") // #nosec G202 -- one of two constants
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, statement.Close()) }()
	for _, it := range items {
		blob, err := f.encode(it.Vector)
		if err != nil {
			return err
		}
		if _, err := statement.ExecContext(ctx, it.Category, blob, it.Brand, it.Price, it.ID, it.Title); err != nil {
			return err
		}
	}
	return nil
}

// Close implements Engine.
func (s *vecStore) Close() error { return s.db.Close() }

// Search implements Engine.
func (s *vecStore) Search(ctx context.Context, q Query) (hits []Hit, err error) {
	blob, err := s.form.encode(q.Vector)
	if err != nil {
		return nil, err
	}
	query, args := "SELECT id, title FROM items WHERE embedding MATCH "+s.form.value+" AND k = ?", []any{blob, q.K} // #nosec G202 -- one of two constants
	switch q.Field {
	case "":
	case "category", "brand":
		query, args = query+" AND "+q.Field+" = ?", append(args, q.Value)
	default:
		return nil, fmt.Errorf("no column %q", q.Field)
	}
	rows, err := s.db.QueryContext(ctx, query, args...) // vec0 gives them nearest first
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	hits = make([]Hit, 0, q.K)
	for rows.Next() {
		var h Hit
		if err := rows.Scan(&h.ID, &h.Title); err != nil {
			return nil, err
		}
		hits = append(hits, h)
	}
	return hits, rows.Err()
}

func quantise(v []float32) ([]byte, error) {
	out := make([]byte, len(v))
	for i, x := range v {
		out[i] = byte(int8(max(-127, min(127, math.Round(float64(x)*int8Scale)))))
	}
	return out, nil
}
