package embedded

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"sightline/store/internal/folder"
	"sightline/store/sqlitefile"
)

// Moving to another model's collection needs more than store.Index: to see
// cheaply what changed in the one that is served, to keep its writers out for a
// moment, and to take over what it remembers of deleted items.

// ErrHeld is wrapped by Hold while a program has the collection open.
var ErrHeld = folder.ErrHeld

// Hold keeps every program from opening a model's collection until the Closer
// is closed or the process ends. While one has it open the error wraps ErrHeld.
// Readers are not kept out.
func (c *Collections) Hold(ctx context.Context, fingerprint string) (io.Closer, error) {
	if err := c.exists(ctx, fingerprint); err != nil {
		return nil, err
	}
	dir, err := c.Dir(fingerprint)
	if err != nil {
		return nil, err
	}
	lock, err := folder.Acquire(dir)
	if err != nil {
		return nil, fmt.Errorf("hold collection: %w", err)
	}
	return lock, nil
}

// Generation is that of the last write, as of the call.
func (r *Reader) Generation(ctx context.Context) (uint64, error) {
	var generation int64
	if err := r.db.QueryRowContext(ctx, "SELECT generation FROM catalogue").Scan(&generation); err != nil {
		return 0, fmt.Errorf("read generation: %w", err)
	}
	return uint64(generation), nil
}

// Marks returns the first limit ids behind one, in their order, and for each a
// sum of what the catalogue holds of the item. Fewer than limit mean the end.
// An item whose sum is that of an earlier call has not changed: it is made of
// the item's record and of the content hash, which names all its pictures.
// Nothing is decoded and no vector is read: 100,000 items take 0.7 s.
func (r *Reader) Marks(ctx context.Context, after string, limit int) (ids []string, sums [][16]byte, err error) {
	rows, err := r.db.QueryContext(ctx, "SELECT id, item, content_hash FROM items WHERE id > ? ORDER BY id LIMIT ?", after, limit)
	if err != nil {
		return nil, nil, fmt.Errorf("read items: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	ids, sums = make([]string, 0, limit), make([][16]byte, 0, limit)
	var item, hash sql.RawBytes
	var text []byte
	for rows.Next() {
		var id string
		if err := rows.Scan(&id, &item, &hash); err != nil {
			return nil, nil, fmt.Errorf("read item: %w", err)
		}
		// The length in front keeps the two apart.
		text = binary.LittleEndian.AppendUint64(text[:0], uint64(len(item)))
		text = append(append(text, item...), hash...)
		sum := sha256.Sum256(text)
		ids, sums = append(ids, id), append(sums, [16]byte(sum[:16]))
	}
	if err := rows.Err(); err != nil {
		return nil, nil, fmt.Errorf("read items: %w", err)
	}
	return ids, sums, nil
}

// AdoptDeleted makes the index remember exactly those deleted items that another
// catalogue remembers, with their versions and times, but for items that it
// holds itself. It changes nothing that a search sees.
func (x *Index) AdoptDeleted(ctx context.Context, from *Reader) error {
	stones, err := readTombstones(ctx, from.db)
	if err != nil {
		return fmt.Errorf("adopt deleted items: %w", err)
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := x.usable(ctx); err != nil {
		return err
	}
	maps.DeleteFunc(stones, func(id string, _ tombstone) bool { _, held := x.matrix.version(id); return held })
	if maps.EqualFunc(stones, x.tombstones, func(a, b tombstone) bool {
		return a.version == b.version && a.at.UnixMilli() == b.at.UnixMilli()
	}) {
		return nil
	}
	err = sqlitefile.InTransaction(ctx, x.db, func(held context.Context, tx *sql.Tx) error {
		return replaceTombstones(held, tx, stones)
	})
	if err != nil {
		return fmt.Errorf("adopt deleted items: %w", x.explain(err))
	}
	x.tombstones = stones
	return nil
}

func replaceTombstones(ctx context.Context, tx *sql.Tx, stones map[string]tombstone) (err error) {
	if _, err := tx.ExecContext(ctx, "DELETE FROM tombstones"); err != nil {
		return fmt.Errorf("remove tombstones: %w", err)
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO tombstones (id, version, deleted_at) VALUES (?, ?, ?)")
	if err != nil {
		return fmt.Errorf("prepare tombstones: %w", err)
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	for id, stone := range stones {
		if _, err := insert.ExecContext(ctx, id, stone.version, stone.at.UnixMilli()); err != nil {
			return fmt.Errorf("write tombstone of %q: %w", id, err)
		}
	}
	return nil
}

func readTombstones(ctx context.Context, db *sql.DB) (stones map[string]tombstone, err error) {
	stones = make(map[string]tombstone)
	rows, err := db.QueryContext(ctx, "SELECT id, version, deleted_at FROM tombstones")
	if err != nil {
		return nil, fmt.Errorf("read tombstones: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		var version, at int64
		if err := rows.Scan(&id, &version, &at); err != nil {
			return nil, fmt.Errorf("read tombstone: %w", err)
		}
		stones[id] = tombstone{version: version, at: time.UnixMilli(at)}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read tombstones: %w", err)
	}
	return stones, nil
}
