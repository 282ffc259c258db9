// Package embedded is the store.Index that needs no server: SQLite is the
// durable truth, and vectors and records in memory, loaded at open, answer
// searches exactly. It suits up to about two million items on one machine.
//
// A write is a SQLite transaction (WAL, synchronous=FULL) first and a change
// of memory after, so a crash loses nothing that was acknowledged. A search
// works on an immutable snapshot and never waits for a write. docs/embedded.md
// has the layout, the measurements and the limits.
package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"sightline/store"
	"sightline/store/embedded/scan"
	"sightline/store/internal/folder"
)

// chunkSlots is 5 MB of vectors and codes at 256 dimensions: small enough to
// spread 10,000 items over the processors and to match those of the chunk that
// has no index yet one by one, large enough that 1M items are 245 chunks.
const chunkSlots = scan.BlockSlots

// Options says where an index lives and which model its vectors come from.
type Options struct {
	Dir         string // the data folder; created when missing
	Dim         int    // of the model's embeddings
	Fingerprint string // of the model; an index keeps to the one it was made with

	// Progress, when not nil, is called while Open loads the catalogue, at most
	// every 200 ms and once at the end: done of total items. Always from one
	// goroutine at a time.
	Progress func(done, total int)

	chunkSlots int // set by tests to meet the rare paths with few items; a multiple of 64
}

// Index implements store.Index on one data folder. It locks the folder: one
// program at a time.
type Index struct {
	dir         string
	db          *sql.DB
	lock        *folder.Lock
	fingerprint string
	matrix      *matrix
	closed      atomic.Bool

	writing    sync.Mutex // one write at a time; guards tombstones
	tombstones map[string]tombstone
}

// tombstone remembers a deleted item.
type tombstone struct {
	version int64
	at      time.Time
}

// Open opens the catalogue in o.Dir, or makes one, and loads it into memory.
// A catalogue made with another model is refused with store.ErrFingerprint.
func Open(ctx context.Context, o Options) (*Index, error) {
	if o.Dir == "" || o.Dim < 1 || o.Fingerprint == "" {
		return nil, fmt.Errorf("%w options: a catalogue needs a folder, dimensions and a model fingerprint", store.ErrInvalid)
	}
	if o.chunkSlots == 0 {
		o.chunkSlots = chunkSlots
	}
	lock, err := folder.Acquire(o.Dir)
	if err != nil {
		return nil, err
	}
	db, err := catalogue().Open(ctx, filepath.Join(o.Dir, "catalogue.db"))
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	x := &Index{dir: o.Dir, db: db, lock: lock, fingerprint: o.Fingerprint}
	if err := x.load(ctx, o); err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return x, nil
}

// Close waits for a running write, writes SQLite's log back and unlocks the
// folder. Searches that are under way finish.
func (x *Index) Close() error {
	x.writing.Lock()
	defer x.writing.Unlock()
	if x.closed.Swap(true) {
		return nil
	}
	err := errors.Join(x.db.Close(), x.lock.Close())
	if err != nil {
		return fmt.Errorf("close catalogue: %w", err)
	}
	return nil
}

// usable is the first line of every method.
func (x *Index) usable(ctx context.Context) error {
	if x.closed.Load() {
		return store.ErrClosed
	}
	return ctx.Err()
}

// Stats implements store.Index.
func (x *Index) Stats(ctx context.Context) (store.Stats, error) {
	if err := x.usable(ctx); err != nil {
		return store.Stats{}, err
	}
	s := x.matrix.current.Load()
	return store.Stats{Items: s.items(), Dim: x.matrix.dim, Fingerprint: x.fingerprint, Generation: s.generation}, nil
}

// Get implements store.Index.
func (x *Index) Get(ctx context.Context, ids []string) ([]store.Entry, error) {
	if err := x.usable(ctx); err != nil {
		return nil, err
	}
	s, slots := x.matrix.find(ids)
	return s.copies(slots), nil
}
