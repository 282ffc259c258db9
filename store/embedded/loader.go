package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// loadBatch is how many rows a reader decodes before it hands them on:
	// 0.5 MB at 256 dimensions.
	loadBatch = 512
	// loadRange is how many rowids a reader takes at a time.
	loadRange = 8 * loadBatch
	// maxRanges bounds the queries where deletes have left wide gaps.
	maxRanges = 1 << 12
	// progressStep is the least time between two reports of progress.
	progressStep = 200 * time.Millisecond
)

// loader fills an empty matrix from the database. Readers, each with its own
// connection, decode ranges of rowids in parallel, and one goroutine puts what
// they decoded into the matrix as it comes. So the order of slots differs from
// one start to the next, which nothing shows: hits of equal cosine, pages of a
// Scan and facets are ordered by id or value.
type loader struct {
	db       *sql.DB
	matrix   *matrix
	readers  int
	next     atomic.Int64 // number of the range that the next free reader takes
	step     int64        // rowids in a range
	first    int64        // rowid
	last     int64
	batches  chan *loadedRows
	spare    sync.Pool // of *loadedRows
	loaded   *snapshot // what has been put into the matrix, not yet published
	progress func(done, total int)
	done     int
	total    int
}

// loadedRows are decoded rows, whose vectors share one allocation.
type loadedRows struct {
	records []*record
	vectors []float32 // [slots of all records, dim]
	decoder decoder
}

func (x *Index) loadItems(ctx context.Context, progress func(done, total int)) error {
	l := &loader{db: x.db, matrix: x.matrix, progress: progress, readers: runtime.GOMAXPROCS(0)}
	l.batches = make(chan *loadedRows, l.readers)
	l.spare.New = func() any { return new(loadedRows) }
	if empty, err := l.measure(ctx); err != nil || empty {
		return err
	}
	l.loaded = l.matrix.begin(l.matrix.current.Load().generation)
	// Until writes begin, as many connections as readers.
	l.db.SetMaxOpenConns(l.readers)
	defer l.db.SetMaxOpenConns(1)
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return l.readAll(ctx) })
	all.Go(l.fill)
	if err := all.Wait(); err != nil {
		return err
	}
	l.matrix.publish(l.loaded)
	l.matrix.indexFull()
	l.report()
	return nil
}

// measure finds out what there is to load.
func (l *loader) measure(ctx context.Context) (empty bool, err error) {
	var first, last sql.NullInt64
	err = l.db.QueryRowContext(ctx, "SELECT (SELECT min(rowid) FROM items), (SELECT max(rowid) FROM items)").Scan(&first, &last)
	if err != nil {
		return false, fmt.Errorf("read range of items: %w", err)
	}
	if l.progress != nil { // reads an index of all ids: 0.1 s for a million
		if err := l.db.QueryRowContext(ctx, "SELECT count(*) FROM items").Scan(&l.total); err != nil {
			return false, fmt.Errorf("count items: %w", err)
		}
	}
	l.first, l.last = first.Int64, last.Int64
	l.step = max(loadRange, (l.last-l.first)/maxRanges)
	return !first.Valid, nil
}

// readAll runs the readers.
func (l *loader) readAll(ctx context.Context) error {
	defer close(l.batches)
	group, ctx := errgroup.WithContext(ctx)
	for range l.readers {
		group.Go(func() error { return l.read(ctx) })
	}
	return group.Wait()
}

// read takes ranges until none is left.
func (l *loader) read(ctx context.Context) (err error) {
	query, err := l.db.PrepareContext(ctx, "SELECT id, item, picture, content_hash, embedding, views FROM items WHERE rowid BETWEEN ? AND ?")
	if err != nil {
		return fmt.Errorf("read items: %w", err)
	}
	defer func() { err = errors.Join(err, query.Close()) }()
	for {
		n := l.next.Add(1) - 1
		if n > (l.last-l.first)/l.step {
			return nil
		}
		from := l.first + n*l.step
		rows, err := query.QueryContext(ctx, from, from+min(l.step-1, l.last-from)) // no sum here is beyond last
		if err != nil {
			return fmt.Errorf("read items: %w", err)
		}
		if err := errors.Join(l.decode(ctx, rows), rows.Close()); err != nil {
			return err
		}
	}
}

func (l *loader) decode(ctx context.Context, rows *sql.Rows) error {
	batch := l.take()
	for rows.Next() {
		if err := batch.scan(rows, l.matrix.dim); err != nil {
			return err
		}
		if len(batch.records) == loadBatch {
			if err := l.hand(ctx, batch); err != nil {
				return err
			}
			batch = l.take()
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read items: %w", err)
	}
	return l.hand(ctx, batch)
}

func (l *loader) take() *loadedRows { return l.spare.Get().(*loadedRows) }

func (l *loader) hand(ctx context.Context, batch *loadedRows) error {
	select {
	case l.batches <- batch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// scan appends one row.
func (b *loadedRows) scan(rows *sql.Rows, dim int) error {
	var id, item, blob, views sql.RawBytes // valid until the next row, and decoded before
	rec := &record{}
	if err := rows.Scan(&id, &item, &rec.picture, &rec.hash, &blob, &views); err != nil {
		return fmt.Errorf("read item: %w", err)
	}
	var err error
	if rec.item, err = b.decoder.item(item); err != nil {
		return fmt.Errorf("item %q is damaged; restore a backup of the data folder: %w", id, err)
	}
	if rec.item.ID != string(id) || len(blob) != 4*dim {
		return fmt.Errorf("item %q is damaged (named %q, %d bytes of vector); restore a backup of the data folder", id, rec.item.ID, len(blob))
	}
	b.records = append(b.records, rec)
	b.vectors = appendVector(b.vectors, blob)
	if len(views) > 0 {
		keys := new([]string)
		if b.vectors, *keys, err = decodeViews(b.vectors, views, dim); err != nil {
			return damaged(string(id), err)
		}
		rec.further = keys
	}
	return nil
}

// fill puts what readers hand over into the matrix until there is no more. It
// goes on after an error, since readers wait for it.
func (l *loader) fill() (err error) {
	reported := time.Now()
	for batch := range l.batches {
		if err == nil {
			err = l.put(batch)
		}
		batch.records, batch.vectors = batch.records[:0], batch.vectors[:0]
		l.spare.Put(batch)
		if time.Since(reported) >= progressStep {
			l.report()
			reported = time.Now()
		}
	}
	return err
}

func (l *loader) put(batch *loadedRows) error {
	m := l.matrix
	vectors := batch.vectors
	next := func() (v []float32) {
		v, vectors = vectors[:m.dim], vectors[m.dim:]
		return v
	}
	for _, rec := range batch.records {
		r := row{record: rec, vector: next()}
		for range rec.views() {
			r.views = append(r.views, next())
		}
		slot, err := m.put(l.loaded, r)
		if err != nil {
			return fmt.Errorf("item %q is damaged; restore a backup of the data folder: %w", rec.item.ID, err)
		}
		m.where[rec.item.ID] = slot
	}
	l.done += len(batch.records)
	return nil
}

func (l *loader) report() {
	if l.progress != nil {
		l.progress(l.done, l.total)
	}
}
