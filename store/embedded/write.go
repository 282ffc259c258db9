package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"sightline/store"
	"sightline/store/filter"
)

// Upsert implements store.Index.
func (x *Index) Upsert(ctx context.Context, entries []store.Entry) error {
	if err := x.usable(ctx); err != nil {
		return err
	}
	for _, e := range entries {
		if err := e.Validate(x.matrix.dim); err != nil {
			return fmt.Errorf("upsert: %w", err)
		}
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := x.usable(ctx); err != nil { // closed or cancelled while it waited
		return err
	}
	rows := x.winners(entries)
	if len(rows) == 0 {
		return nil
	}
	generation := x.matrix.current.Load().generation + 1
	err := x.write(ctx, generation, func(held context.Context, tx *sql.Tx) error {
		return x.writeRows(held, tx, rows, ctx.Err)
	})
	if err != nil {
		return fmt.Errorf("upsert %d items: %w", len(entries), err)
	}
	for _, r := range rows {
		delete(x.tombstones, r.record.item.ID)
	}
	if err := x.matrix.apply(nil, rows, generation); err != nil {
		return fmt.Errorf("upsert %d items: %w", len(entries), err)
	}
	return nil
}

// winners applies the version rule: per id the last entry that is not older
// than what came before it, in the order of first appearance.
func (x *Index) winners(entries []store.Entry) []row {
	rows := make([]row, 0, len(entries))
	place := make(map[string]int, len(entries))
	for _, e := range entries {
		id := e.Item.ID
		at, again := place[id]
		if again && e.Item.Version < rows[at].record.item.Version || !again && e.Item.Version < x.knownVersion(id) {
			continue
		}
		r := entryRow(e)
		if again {
			rows[at] = r
			continue
		}
		place[id] = len(rows)
		rows = append(rows, r)
	}
	return rows
}

// knownVersion is the version of the stored or deleted item, 0 for a new one.
func (x *Index) knownVersion(id string) int64 {
	if version, ok := x.matrix.version(id); ok {
		return version
	}
	return x.tombstones[id].version
}

// writeRows asks cancelled before each row.
func (x *Index) writeRows(ctx context.Context, tx *sql.Tx, rows []row, cancelled func() error) (err error) {
	insert, err := tx.PrepareContext(ctx, `INSERT INTO items (id, item, picture, content_hash, embedding, views) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET item = excluded.item, picture = excluded.picture,
		content_hash = excluded.content_hash, embedding = excluded.embedding, views = excluded.views`)
	if err != nil {
		return fmt.Errorf("prepare insert: %w", err)
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	for _, r := range rows {
		if err := cancelled(); err != nil {
			return err
		}
		rec := r.record
		item, err := json.Marshal(rec.item)
		if err != nil {
			return fmt.Errorf("encode item %q: %w", rec.item.ID, err)
		}
		views, err := encodeViews(r)
		if err != nil {
			return fmt.Errorf("encode item %q: %w", rec.item.ID, err)
		}
		if _, err := insert.ExecContext(ctx, rec.item.ID, string(item), rec.picture, rec.hash, encodeVector(r.vector), views); err != nil {
			return fmt.Errorf("write item %q: %w", rec.item.ID, err)
		}
		if err := x.liftTombstone(ctx, tx, rec.item.ID); err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) liftTombstone(ctx context.Context, tx *sql.Tx, id string) error {
	if _, ok := x.tombstones[id]; !ok {
		return nil
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM tombstones WHERE id = ?", id); err != nil {
		return fmt.Errorf("lift tombstone of %q: %w", id, err)
	}
	return nil
}

func setGeneration(ctx context.Context, tx *sql.Tx, generation uint64) error {
	if _, err := tx.ExecContext(ctx, "UPDATE catalogue SET generation = ?", int64(generation)); err != nil {
		return fmt.Errorf("write generation: %w", err)
	}
	return nil
}

// Delete implements store.Index.
func (x *Index) Delete(ctx context.Context, ids []string) (int, error) {
	if err := x.usable(ctx); err != nil {
		return 0, err
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := x.usable(ctx); err != nil {
		return 0, err
	}
	return x.bury(ctx, ids)
}

// DeleteWhere implements store.Index. Nothing is written between finding the
// items and deleting them.
func (x *Index) DeleteWhere(ctx context.Context, e filter.Expr) (int, error) {
	if err := x.usable(ctx); err != nil {
		return 0, err
	}
	if err := store.ValidateDeleteWhere(e); err != nil {
		return 0, err
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := x.usable(ctx); err != nil {
		return 0, err
	}
	ids, err := x.matrix.current.Load().ids(ctx, e)
	if err != nil {
		return 0, err
	}
	return x.bury(ctx, ids)
}

// ids returns those of all items that match.
func (s *snapshot) ids(ctx context.Context, e filter.Expr) ([]string, error) {
	found := make([][]string, s.workers())
	err := s.visit(ctx, e, func(worker, i int, matching slotSet) {
		for slot := range matching.all {
			found[worker] = append(found[worker], s.chunks[i].records[slot].item.ID)
		}
	})
	return slices.Concat(found...), err
}

// bury deletes ids and remembers their versions. The caller holds writing.
func (x *Index) bury(ctx context.Context, ids []string) (int, error) {
	stones := x.stonesFor(ids)
	if len(stones) == 0 {
		return 0, nil
	}
	generation := x.matrix.current.Load().generation + 1
	err := x.write(ctx, generation, func(held context.Context, tx *sql.Tx) error {
		return buryRows(held, tx, stones, ctx.Err)
	})
	if err != nil {
		return 0, fmt.Errorf("delete %d items: %w", len(ids), err)
	}
	gone := make([]string, 0, len(stones))
	for id, stone := range stones {
		x.tombstones[id] = stone
		gone = append(gone, id)
	}
	if err := x.matrix.apply(gone, nil, generation); err != nil {
		return 0, fmt.Errorf("delete %d items: %w", len(ids), err)
	}
	return len(gone), nil
}

// stonesFor returns a tombstone for each of ids that is stored.
func (x *Index) stonesFor(ids []string) map[string]tombstone {
	now := time.Now()
	stones := make(map[string]tombstone)
	for _, id := range ids {
		if version, ok := x.matrix.version(id); ok {
			stones[id] = tombstone{version: version, at: now}
		}
	}
	return stones
}

// buryRows asks cancelled before each row.
func buryRows(ctx context.Context, tx *sql.Tx, stones map[string]tombstone, cancelled func() error) error {
	for id, stone := range stones {
		if err := cancelled(); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM items WHERE id = ?", id); err != nil {
			return fmt.Errorf("delete item %q: %w", id, err)
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO tombstones (id, version, deleted_at) VALUES (?, ?, ?)", id, stone.version, stone.at.UnixMilli())
		if err != nil {
			return fmt.Errorf("write tombstone of %q: %w", id, err)
		}
	}
	return nil
}

// ForgetDeleted drops the tombstones made before a time and returns how many
// there were. A full sync calls it at its end with the time of its start: the
// sync has then told the index about every item, and late writes from before
// it are no longer to be feared.
func (x *Index) ForgetDeleted(ctx context.Context, before time.Time) (int, error) {
	if err := x.usable(ctx); err != nil {
		return 0, err
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	if err := x.usable(ctx); err != nil {
		return 0, err
	}
	if _, err := x.db.ExecContext(context.WithoutCancel(ctx), "DELETE FROM tombstones WHERE deleted_at < ?", before.UnixMilli()); err != nil {
		return 0, fmt.Errorf("forget deleted items: %w", x.explain(err))
	}
	count := 0
	for id, stone := range x.tombstones {
		if stone.at.UnixMilli() < before.UnixMilli() {
			delete(x.tombstones, id)
			count++
		}
	}
	return count, nil
}
