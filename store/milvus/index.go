package milvus

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"sightline/store"
)

// Index implements store.Index on one collection. It is made by
// Collections.Open. Several of one collection in one process share its locks
// and its generation.
type Index struct {
	*state
	dim         int
	fingerprint string
	closed      atomic.Bool
}

var _ store.Index = (*Index)(nil)

// Close waits for a running write. On Milvus Lite it flushes what was written.
// The connection belongs to Collections.
func (x *Index) Close() error {
	if x.closed.Swap(true) {
		return nil
	}
	x.flushIdle()
	return nil
}

// usable is the first line of every method.
func (x *Index) usable(ctx context.Context) error {
	if x.closed.Load() || x.server.base.Err() != nil {
		return store.ErrClosed
	}
	return ctx.Err()
}

// Stats implements store.Index. It asks Milvus for the number of items.
func (x *Index) Stats(ctx context.Context) (store.Stats, error) {
	done, err := x.begin(ctx)
	if err != nil {
		return store.Stats{}, err
	}
	defer done()
	stats, err := x.stats(ctx)
	if err != nil {
		return store.Stats{}, fmt.Errorf("stats: %w", err)
	}
	stats.Dim, stats.Fingerprint = x.dim, x.fingerprint
	return stats, nil
}

// beginWhole starts a read that decides about a write. On Lite it takes turns with
// the writes of other processes too: beside their flushes it would miss rows.
// Where whose turn it is cannot be found out, it goes on without: there is no
// writing then either.
func (x *Index) beginWhole(ctx context.Context) (done func(), err error) {
	if !x.server.lite || x.server.options.Turns == nil {
		return x.begin(ctx)
	}
	_, release, err := x.server.options.Turns.Take(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return x.begin(ctx)
	}
	read, err := x.begin(ctx)
	if err != nil {
		release()
		return nil, err
	}
	return func() {
		read()
		release()
	}, nil
}

// begin starts a read.
func (x *Index) begin(ctx context.Context) (done func(), err error) {
	if err := x.usable(ctx); err != nil {
		return nil, err
	}
	return x.startReading(ctx)
}

// Get implements store.Index.
func (x *Index) Get(ctx context.Context, ids []string) ([]store.Entry, error) {
	done, err := x.beginWhole(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	found, err := x.server.byIDs(ctx, x.items, unique(ids), wantEntry, x.server.consistency())
	if err != nil {
		return nil, fmt.Errorf("get from milvus: %w", err)
	}
	rows := make([]row, 0, len(found))
	for _, id := range unique(ids) {
		if r, ok := found[id]; ok {
			rows = append(rows, r)
		}
	}
	if err := x.complete(ctx, rows); err != nil {
		return nil, fmt.Errorf("get from milvus: %w", err)
	}
	for _, r := range rows {
		found[r.id] = r
	}
	return inOrder(ids, found), nil
}

// inOrder answers an id asked for twice twice, and nothing is shared.
func inOrder(ids []string, found map[string]row) []store.Entry {
	entries := make([]store.Entry, 0, len(found))
	given := make(map[string]bool, len(found))
	for _, id := range ids {
		r, ok := found[id]
		if !ok {
			continue
		}
		e := r.entry()
		if given[id] {
			e.Item = e.Item.Clone()
			e.Embedding = slices.Clone(e.Embedding)
			e.Views = slices.Clone(e.Views)
			for i, v := range e.Views {
				e.Views[i].Embedding = slices.Clone(v.Embedding)
			}
		}
		given[id] = true
		entries = append(entries, e)
	}
	return entries
}

// unique keeps the first of each.
func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	kept := make([]string, 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			kept = append(kept, id)
		}
	}
	return kept
}

// Flush makes Milvus write what it holds in memory and index it, so that
// searches are fast. Call it after a bulk load: Milvus Lite is flushed as
// Options say in any case, and servers do it by themselves after a while.
func (x *Index) Flush(ctx context.Context) error {
	ctx, release, err := x.beginWrite(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := x.flush(ctx); err != nil {
		return fmt.Errorf("flush milvus: %w", err)
	}
	return nil
}

// beginWrite waits for other writes. The context that it returns knows the turn.
func (x *Index) beginWrite(ctx context.Context) (turn context.Context, release func(), err error) {
	if err := x.usable(ctx); err != nil {
		return nil, nil, err
	}
	turn, release, err = x.startWriting(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := x.usable(ctx); err != nil { // closed or cancelled while it waited
		release()
		return nil, nil, err
	}
	return turn, release, nil
}
