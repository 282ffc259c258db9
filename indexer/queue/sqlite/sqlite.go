package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"sightline/indexer/queue"
	"sightline/store"
)

// fileName is the database's in the data folder; SQLite puts "-wal" beside it.
const fileName = "queue.db"

// Options say where the queue lies.
type Options struct {
	Dir      string // the data folder; made if it is not there
	Settings queue.Settings
}

// Queue is a queue.Queue in a SQLite file.
type Queue struct {
	db       *database
	settings queue.Settings
	ids      queue.IDs
	wake     wake
	closing  func() error // once
}

// Open opens or creates the queue in o.Dir. It fails after 5 s where another
// process has it open.
func Open(ctx context.Context, o Options) (*Queue, error) {
	settings, err := o.Settings.WithDefaults()
	if err != nil {
		return nil, err
	}
	if settings.Now == nil {
		settings.Now = time.Now
	}
	if err := os.MkdirAll(o.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	db, err := openDatabase(ctx, filepath.Join(o.Dir, fileName))
	if err != nil {
		return nil, err
	}
	q := &Queue{db: db, settings: settings}
	q.closing = sync.OnceValue(func() error {
		q.wake.close()
		return db.close()
	})
	return q, nil
}

// Close is queue.Queue's. It waits for running calls.
func (q *Queue) Close() error {
	if err := q.closing(); err != nil {
		return fmt.Errorf("close queue: %w", err)
	}
	return nil
}

// explain adds what to do about the failures that users can do something about.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrConnDone) {
		return queue.ErrClosed
	}
	failed, ok := errors.AsType[*sqlite.Error](err)
	switch {
	case ok && failed.Code()&0xff == sqlite3.SQLITE_BUSY:
		return fmt.Errorf("%w: another process has the queue open: stop it, or use --queue redis for several: %w", queue.ErrUnavailable, err)
	case ok && (failed.Code()&0xff == sqlite3.SQLITE_FULL || failed.Code() == sqlite3.SQLITE_IOERR_SHMSIZE), errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("the disk of the data folder is full: free space; what was queued is safe: %w: %w", store.ErrNoSpace, err)
	}
	return err
}

// change is one transaction.
type change struct {
	*database
	settings *queue.Settings
	now      int64 // Unix milliseconds
	woken    bool  // a job may run that could not before
}

// change runs do in a transaction and wakes waiting Lease calls. Once begun,
// it does not heed ctx: a commit must not be reported as cancelled that took
// effect.
func (q *Queue) change(ctx context.Context, do func(context.Context, *change) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c := &change{database: q.db, settings: &q.settings}
	err := q.db.transaction(context.WithoutCancel(ctx), func(ctx context.Context) error {
		c.now = q.settings.Now().UnixMilli()
		return do(ctx, c)
	})
	if err != nil {
		return explain(err)
	}
	if c.woken {
		q.wake.all()
	}
	return nil
}
