package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sightline/store"
	"sightline/store/filter"
)

// viewsVersion is the schema version from which on items may have views. A
// catalogue of an earlier one can be read too: opening it for writing brings it
// up to date.
const viewsVersion = 2

// Reader reads a catalogue from disk, beside a program that has it open too.
// It loads nothing into memory and cannot search. All methods may be called at
// the same time.
type Reader struct {
	db    *sql.DB
	path  string
	pages string // query
	stats store.Stats
}

// OpenReader opens the catalogue in a folder that Open has made. Where there is
// none, the error is fs.ErrNotExist.
func OpenReader(ctx context.Context, dir string) (*Reader, error) {
	return OpenFile(ctx, filepath.Join(dir, CatalogueFile))
}

// OpenFile is OpenReader for a file of any name, such as one that Snapshot made.
func OpenFile(ctx context.Context, path string) (*Reader, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open catalogue: %w", err)
	}
	// Not mode=ro: a WAL database that nobody has open cannot be read without
	// making its index file. query_only keeps this connection from writing.
	db, err := catalogue().Connect(path, "mode=rw&_pragma=query_only(1)&_txlock=deferred")
	if err != nil {
		return nil, err
	}
	r := &Reader{db: db, path: path}
	if err := r.begin(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	return r, nil
}

func (r *Reader) begin(ctx context.Context) error {
	switch version, scripts, err := catalogue().Version(ctx, r.db); {
	case err != nil:
		return err
	case version == 0:
		return fmt.Errorf("empty catalogue: %w", fs.ErrNotExist) // its maker was killed before it made the tables
	case version > len(scripts):
		return fmt.Errorf("the catalogue has schema version %d and this program reads up to %d; use a newer Sightline", version, len(scripts))
	case version < viewsVersion:
		r.pages = "SELECT id, item, picture, content_hash, embedding, NULL FROM items WHERE id > ? ORDER BY id LIMIT ?"
	default:
		r.pages = "SELECT id, item, picture, content_hash, embedding, views FROM items WHERE id > ? ORDER BY id LIMIT ?"
	}
	var generation int64
	err := r.db.QueryRowContext(ctx, "SELECT fingerprint, dim, generation FROM catalogue").Scan(&r.stats.Fingerprint, &r.stats.Dim, &generation)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("empty catalogue: %w", fs.ErrNotExist) // its maker was killed before it claimed it
	}
	if err != nil {
		return fmt.Errorf("read catalogue: %w", err)
	}
	r.stats.Generation = uint64(generation)
	return nil
}

// Stats tells of the moment of the call, but for the generation, which is that
// of OpenReader.
func (r *Reader) Stats(ctx context.Context) (store.Stats, error) {
	s := r.stats
	if err := r.db.QueryRowContext(ctx, "SELECT count(*) FROM items").Scan(&s.Items); err != nil {
		return store.Stats{}, fmt.Errorf("count items: %w", err)
	}
	return s, nil
}

// Scan is that of store.Index. Each page is a transaction of its own, so a slow
// reader does not keep the writer's log from being written back.
func (r *Reader) Scan(ctx context.Context, after string, limit int, e filter.Expr) ([]store.Entry, error) {
	if err := store.ValidateScan(limit); err != nil {
		return nil, err
	}
	var out []store.Entry
	for {
		page, err := r.page(ctx, after, limit)
		if err != nil {
			return nil, err
		}
		for _, entry := range page {
			if after = entry.Item.ID; entry.Item.Matches(e) {
				if out = append(out, entry); len(out) == limit {
					return out, nil
				}
			}
		}
		if len(page) < limit {
			return out, nil
		}
	}
}

func (r *Reader) page(ctx context.Context, after string, limit int) (out []store.Entry, err error) {
	rows, err := r.db.QueryContext(ctx, r.pages, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read items: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		entry, err := r.entry(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, entry)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read items: %w", err)
	}
	return out, nil
}

func (r *Reader) entry(rows *sql.Rows) (store.Entry, error) {
	var id string
	var e store.Entry
	var item, blob, views sql.RawBytes // valid until the next row, and decoded before
	if err := rows.Scan(&id, &item, &e.Picture, &e.ContentHash, &blob, &views); err != nil {
		return e, fmt.Errorf("read item: %w", err)
	}
	var err error
	if e.Item, err = decodeItem(item); err != nil {
		return e, damaged(id, err)
	}
	if e.Item.ID != id || len(blob) != 4*r.stats.Dim {
		return e, damaged(id, fmt.Errorf("named %q, %d bytes of vector", e.Item.ID, len(blob)))
	}
	e.Embedding = decodeVector(blob)
	vectors, keys, err := decodeViews(nil, views, r.stats.Dim)
	if err != nil {
		return e, damaged(id, err)
	}
	for i, key := range keys {
		e.Views = append(e.Views, store.View{Picture: key, Embedding: slices.Clone(vectors[i*r.stats.Dim : (i+1)*r.stats.Dim])})
	}
	return e, nil
}

func damaged(id string, cause error) error {
	return fmt.Errorf("item %q is damaged (%w); restore a backup of the data folder", id, cause)
}

// Restart gives a restored catalogue a generation that none before had, so that
// answers cached of what was replaced are not taken for answers of it. No
// program may have the catalogue open.
func Restart(ctx context.Context, dir string) error {
	db, err := catalogue().Open(ctx, filepath.Join(dir, CatalogueFile))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "UPDATE catalogue SET generation = max(generation + 1, ?)", firstGeneration())
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("restart catalogue: %w", err)
	}
	return nil
}

// firstGeneration is that of a new catalogue: the clock, in microseconds. A
// catalogue that was deleted and made anew then has no number twice, which
// caches beside it rely on.
func firstGeneration() int64 { return time.Now().UnixMicro() }

// Snapshot writes a whole, compact copy of the catalogue as of one moment into
// a new file, whatever is written meanwhile.
func (r *Reader) Snapshot(ctx context.Context, path string) error {
	// VACUUM counts as writing, although INTO leaves the source alone.
	_, err := r.db.ExecContext(ctx, "PRAGMA query_only = 0; VACUUM INTO ?", path)
	if _, again := r.db.ExecContext(context.WithoutCancel(ctx), "PRAGMA query_only = 1"); again != nil {
		err = errors.Join(err, again)
	}
	if err != nil {
		return fmt.Errorf("copy catalogue: %w", err)
	}
	return nil
}

// Check has SQLite look for damage in the file: quick skips comparing the
// tables with their indexes.
func (r *Reader) Check(ctx context.Context, quick bool) error {
	pragma := "PRAGMA integrity_check(1)"
	if quick {
		pragma = "PRAGMA quick_check(1)"
	}
	var verdict string
	if err := r.db.QueryRowContext(ctx, pragma).Scan(&verdict); err != nil {
		return fmt.Errorf("check catalogue: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("the catalogue file is damaged: %s", verdict)
	}
	return nil
}

// Close ends the reading.
func (r *Reader) Close() error {
	if err := r.db.Close(); err != nil {
		return fmt.Errorf("close catalogue: %w", err)
	}
	return nil
}
