package milvus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"sightline/store"
	"sightline/store/filter"
)

// One call to Milvus carries at most this; it is done as a whole or not at all.
const (
	batchRows  = 1000
	batchBytes = 16 << 20 // servers take 64 MB
	deleteIDs  = 10_000
)

// Upsert implements store.Index. Up to 1000 entries of 16 MB are one call to
// Milvus and so all written or none, views included: their rows are written
// before and belong to nothing until the item's row names them. More are several, one after another: after
// an error the first of them may be written and the others not, and repeating
// the same Upsert makes up for it. Nothing is acknowledged that Milvus has not
// acknowledged. An error that wraps ErrUnavailable leaves open whether the call
// under way was carried out; repeating is right then too.
//
// A call that has begun to write does not end with ctx but when it is done,
// after WriteTimeout for each 1000 entries at the latest.
func (x *Index) Upsert(ctx context.Context, entries []store.Entry) error {
	if err := x.usable(ctx); err != nil {
		return err
	}
	for _, e := range entries {
		if err := e.Validate(x.dim); err != nil {
			return fmt.Errorf("upsert: %w", err)
		}
	}
	ctx, release, err := x.beginWrite(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := x.upsert(ctx, entries); err != nil {
		return fmt.Errorf("upsert %d items into milvus: %w", len(entries), err)
	}
	return nil
}

func (x *Index) upsert(ctx context.Context, entries []store.Entry) error {
	winners, before, err := x.winners(ctx, entries)
	if err != nil || len(winners) == 0 {
		return err
	}
	loads, err := loadsOf(winners)
	if err != nil {
		return err
	}
	rows := 0
	for _, l := range loads {
		rows += l.rows()
	}
	changesViews := rows > len(winners)
	for _, r := range before {
		changesViews = changesViews || r.key != ""
	}
	if err := x.markFor(ctx, changesViews); err != nil {
		return err
	}
	err = x.change(ctx, func() error {
		defer x.changed(ctx)
		for _, l := range loads {
			if err := x.put(ctx, l, before); err != nil {
				return err
			}
		}
		return nil
	})
	x.viewing.failed = x.viewing.failed || changesViews && err != nil
	x.written(ctx, rows)
	return err
}

// put writes the items of a load and their views, and then removes the views
// that the items had before. Until the call of the items the old ones are what
// a search sees.
func (x *Index) put(ctx context.Context, l *load, before map[string]row) error {
	for _, b := range l.views {
		if err := x.server.upsertRows(ctx, x.views, len(b.ids), b.columns(x.dim)...); err != nil {
			return err
		}
	}
	if err := x.server.upsertRows(ctx, x.items, len(l.items.ids), l.items.columns(x.dim)...); err != nil {
		return err
	}
	var old []string
	for i, id := range l.items.ids {
		if last := before[id].key; last != l.items.texts[colViews][i] {
			old = append(old, viewKeys(last)...)
		}
	}
	x.removeViews(ctx, old)
	return nil
}

// upsertRows writes rows in one call and sees that all were taken.
func (s *server) upsertRows(ctx context.Context, collection string, n int, columns ...entity.Column) error {
	return s.write(ctx, func(ctx context.Context) error {
		ids, err := s.Upsert(ctx, collection, "", columns...)
		if err == nil && ids.Len() != n {
			err = fmt.Errorf("only %d rows of %d were taken", ids.Len(), n)
		}
		return err
	})
}

// winners applies the version rule: per id the last entry that is not older
// than what came before it. One call to Milvus never names an id twice, of
// which servers would keep either.
func (x *Index) winners(ctx context.Context, entries []store.Entry) (kept []store.Entry, before map[string]row, err error) {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = e.Item.ID
	}
	before, known, err := x.known(ctx, unique(ids))
	if err != nil {
		return nil, nil, err
	}
	kept = make([]store.Entry, 0, len(entries))
	place := make(map[string]int, len(entries))
	for _, e := range entries {
		id := e.Item.ID
		if e.Item.Version < known[id] {
			continue
		}
		known[id] = e.Item.Version
		if at, again := place[id]; again {
			kept[at] = e
			continue
		}
		place[id] = len(kept)
		kept = append(kept, e)
	}
	return kept, before, nil
}

// known returns what is stored, and the versions of stored and of deleted items.
// A tombstone below the stored item's version is of an earlier life.
func (x *Index) known(ctx context.Context, ids []string) (stored map[string]row, versions map[string]int64, err error) {
	stored, err = x.server.byIDs(ctx, x.items, ids, wantStored, strongly())
	if err != nil {
		return nil, nil, err
	}
	deleted, err := x.server.byIDs(ctx, x.tombs, ids, wantVersion, strongly())
	if err != nil {
		return nil, nil, err
	}
	versions = make(map[string]int64, len(ids))
	for _, rows := range []map[string]row{stored, deleted} {
		for id, r := range rows {
			versions[id] = max(versions[id], r.version)
		}
	}
	return stored, versions, nil
}

// Delete implements store.Index. Up to 10,000 ids go at one moment.
func (x *Index) Delete(ctx context.Context, ids []string) (int, error) {
	ctx, release, err := x.beginWrite(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	rows, err := x.server.byIDs(ctx, x.items, unique(ids), wantStored, strongly())
	if err != nil {
		return 0, fmt.Errorf("delete from milvus: %w", err)
	}
	found := make([]row, 0, len(rows))
	for _, r := range rows {
		found = append(found, r)
	}
	return x.bury(ctx, found)
}

// DeleteWhere implements store.Index. No other write of this process, or of those
// that share its Turns, comes between finding the items and deleting them. As with Delete, up to 10,000 go
// at one moment.
func (x *Index) DeleteWhere(ctx context.Context, e filter.Expr) (int, error) {
	if err := x.usable(ctx); err != nil {
		return 0, err
	}
	if err := store.ValidateDeleteWhere(e); err != nil {
		return 0, err
	}
	ctx, release, err := x.beginWrite(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	var found []row
	err = x.matching(ctx, e, func(r row) {
		found = append(found, row{id: r.id, key: r.payload.lastView(), version: r.payload.Item.Version})
	})
	if err != nil {
		return 0, fmt.Errorf("delete from milvus: %w", err)
	}
	return x.bury(ctx, found)
}

// bury writes the tombstones and then deletes the rows, which is what readers
// see, and last the views, which nothing names any more. The caller holds
// writing.
func (x *Index) bury(ctx context.Context, rows []row) (int, error) {
	if len(rows) == 0 {
		return 0, nil
	}
	var views []string
	for _, r := range rows {
		views = append(views, viewKeys(r.key)...)
	}
	err := x.markFor(ctx, len(views) > 0)
	if err != nil {
		return 0, fmt.Errorf("delete from milvus: %w", err)
	}
	err = x.change(ctx, func() error {
		defer x.changed(ctx)
		if err := x.writeTombs(ctx, rows); err != nil {
			return err
		}
		if err := x.removeRows(ctx, rows); err != nil {
			return err
		}
		x.removeViews(ctx, views)
		return nil
	})
	x.viewing.failed = x.viewing.failed || len(views) > 0 && err != nil
	x.written(ctx, len(rows))
	if err != nil {
		return 0, fmt.Errorf("delete %d items from milvus: %w", len(rows), err)
	}
	return len(rows), nil
}

func (x *Index) writeTombs(ctx context.Context, rows []row) error {
	now := time.Now().UnixMilli()
	for _, chunk := range chunks(rows, batchRows) {
		ids, versions, times := make([]string, len(chunk)), make([]int64, len(chunk)), make([]int64, len(chunk))
		for i, r := range chunk {
			ids[i], versions[i], times[i] = r.id, r.version, now
		}
		err := x.server.upsertRows(ctx, x.tombs, len(ids), entity.NewColumnVarChar(colID, ids), sideVectors(len(ids)),
			entity.NewColumnInt64(colVersion, versions), entity.NewColumnInt64(colAt, times))
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) removeRows(ctx context.Context, rows []row) error {
	for _, chunk := range chunks(rows, deleteIDs) {
		ids := make([]string, len(chunk))
		for i, r := range chunk {
			ids[i] = r.id
		}
		if err := x.server.remove(ctx, x.items, in(colID, ids)); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes by a condition. An empty one deletes everything on Lite.
func (s *server) remove(ctx context.Context, collection string, c cond) error {
	if c == "" || c == always {
		return errors.New("deleting without a condition is refused; this is a bug")
	}
	return s.write(ctx, func(ctx context.Context) error { return s.Delete(ctx, collection, "", string(c)) })
}

// ForgetDeleted drops the tombstones made before a time and returns how many
// there were. A full sync calls it at its end with the time of its start: the
// sync has then told the index about every item, and late writes from before
// it are no longer to be feared. It also removes views that writes which were
// interrupted have left over.
func (x *Index) ForgetDeleted(ctx context.Context, before time.Time) (int, error) {
	ctx, release, err := x.beginWrite(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	if err := x.sweep(ctx); err != nil {
		return 0, fmt.Errorf("remove views left over: %w", err)
	}
	old := compare(colAt, "<", intLiteral(max(before.UnixMilli(), 0)))
	count := 0
	for {
		rows, err := x.server.query(ctx, x.tombs, old, wantVersion, batchRows, strongly())
		if err != nil || len(rows) == 0 {
			return count, err
		}
		ids := make([]string, len(rows))
		for i, r := range rows {
			ids[i] = r.id
		}
		if err := x.server.remove(ctx, x.tombs, in(colID, ids)); err != nil {
			return count, fmt.Errorf("forget deleted items: %w", err)
		}
		count += len(rows)
	}
}
