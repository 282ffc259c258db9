package indexer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// window is the most items between the reader and the last outcome that
	// was reported: the bound of everything that the run holds in memory but
	// pixels and patch states, which batches bound.
	window = 256
	// writeBatches is the most batches of the encoder in one write: syncing to
	// disk costs the same for 8 items and for 64.
	writeBatches = 8
)

// run is one call of Run. soft ends when the caller wants to stop: from then
// on nothing new is begun. Stages get a context of their own that ends when a
// dependency breaks or Grace is over.
type run struct {
	ix          *Indexer
	fingerprint string
	soft        context.Context
	report      *report
	group       *errgroup.Group

	read, fetched, decoded chan *job
	encoded                chan []*job

	rows     map[idKey]int // seen ids and their rows; written by readFeed only
	nameless int           // rows without a readable id
	feedErr  error
}

// Run imports the feed and says how every item ended. The error is nil when
// the whole feed was gone through, however many items failed. When ctx ends,
// what the vision tower is at is finished and written, the rest is dropped,
// and the error wraps ctx's: running again goes on from there. The Summary
// holds in every case. All goroutines have ended when Run returns; a feed that
// waits for input holds it up.
func (ix *Indexer) Run(ctx context.Context, feed Feed) (Summary, error) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(ix.options.Grace, cancel)
		context.AfterFunc(hard, func() { timer.Stop() })
	})
	defer stop()

	r := &run{
		ix: ix, rows: make(map[idKey]int), fingerprint: ix.parts.Encoder.Fingerprint(), soft: ctx,
		report: newReport(ix.options.Observe),
		read:   make(chan *job), fetched: make(chan *job),
		decoded: make(chan *job, ix.options.Batch), encoded: make(chan []*job, writeBatches),
	}
	group, work := errgroup.WithContext(hard)
	r.group = group
	r.stage(1, func() error { return r.readFeed(work, feed) }, func() { close(r.read) })
	r.stage(ix.options.Fetchers, func() error { return r.each(work, StageFetch, r.read, r.fetched, r.fetch) }, func() { close(r.fetched) })
	r.stage(ix.options.Decoders, func() error { return r.each(work, StageDecode, r.fetched, r.decoded, r.decode) }, func() { close(r.decoded) })
	r.stage(1, func() error { return r.encodeAll(work) }, func() { close(r.encoded) })
	r.stage(1, func() error { return r.writeAll(work) }, func() {})
	return r.end(group.Wait())
}

// stage starts n workers and calls done when the last has ended.
func (r *run) stage(n int, worker func() error, done func()) {
	var left atomic.Int64
	left.Store(int64(n))
	for range n {
		r.group.Go(func() error {
			defer func() {
				if left.Add(-1) == 0 {
					done()
				}
			}()
			return worker()
		})
	}
}

func (r *run) end(err error) (Summary, error) {
	if err == nil {
		err = r.feedErr
	}
	if err == nil && r.ix.options.FullSync && r.soft.Err() == nil {
		var deleted int
		deleted, err = r.sync(r.soft)
		r.report.deleted(deleted)
	}
	stopped := r.soft.Err()
	if stopped != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = fmt.Errorf("import stopped: %w", stopped)
	}
	return r.report.close(stopped != nil), err
}

// readFeed numbers the rows and hands them on. The second row with an id
// fails: which of two is right only the shop knows, and letting the last win
// would hide the mistake. It costs about 40 bytes of memory for each row.
func (r *run) readFeed(ctx context.Context, feed Feed) error {
	seq := 0
	mark := time.Now()
	for record, err := range feed {
		r.report.spent(StageFeed, mark)
		var fault *Fault
		if err != nil && !errors.As(err, &fault) {
			r.feedErr = err // what was read before is finished
			return nil
		}
		if !r.report.enter(ctx, r.soft) {
			return nil
		}
		j := &job{seq: seq, record: record}
		seq++
		if record.Item.ID == "" {
			r.nameless++
		}
		if fault == nil {
			fault = r.repeated(record)
		}
		if fault != nil {
			r.failed(j, fault)
		} else if !send(ctx, r.read, j) {
			return ctx.Err()
		}
		mark = time.Now()
	}
	return nil
}

func (r *run) repeated(record Record) *Fault {
	if record.Item.ID == "" {
		return nil // refused by Item.Validate
	}
	key := keyOfID(record.Item.ID)
	if first, ok := r.rows[key]; ok {
		return feedFault("row %d has the id %q of row %d, which is kept; give every item an id of its own", record.Row, record.Item.ID, first)
	}
	r.rows[key] = record.Row
	return nil
}

// each is a worker that treats one job after the other. Jobs that end here are
// not handed on; after the caller's stop all are dropped.
func (r *run) each(ctx context.Context, stage Stage, in <-chan *job, out chan<- *job, treat func(context.Context, *job) error) error {
	for j := range in {
		if r.soft.Err() != nil {
			continue
		}
		start := time.Now()
		err := treat(ctx, j)
		r.report.spent(stage, start)
		var fault *Fault
		switch {
		case errors.As(err, &fault):
			r.failed(j, fault)
		case err != nil:
			return err
		case j.finished:
		case !send(ctx, out, j):
			return ctx.Err()
		}
	}
	return nil
}

func send[T any](ctx context.Context, out chan<- T, v T) bool {
	select {
	case out <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// gather waits for one value and takes what else has come, up to limit: batches
// fill while the stage is busy, and nobody waits for one to be full.
func gather[T any](in <-chan T, limit int) []T {
	first, ok := <-in
	if !ok {
		return nil
	}
	out := []T{first}
	for len(out) < limit {
		select {
		case v, ok := <-in:
			if !ok {
				return out
			}
			out = append(out, v)
		default:
			return out
		}
	}
	return out
}
