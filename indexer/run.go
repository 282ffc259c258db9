package indexer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// window is the most items between the reader and the last outcome that was
// reported: the bound of everything that the run holds in memory but the bytes,
// pixels and patch states of pictures. Of the bytes each fetcher and decoder
// has one picture's at a time, however many an item has; batches bound the rest.
const window = 256

// run is one call of Run.
type run struct {
	*pipe

	report   *report
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
	hard, cancel := outliving(ctx, ix.options.Grace)
	defer cancel()
	r := &run{pipe: newPipe(ix, ctx), report: newReport(ix.options.Observe), rows: make(map[idKey]int)}
	r.onEnd, r.onDrop = r.reported, func(*job) {}
	work := r.start(hard)
	r.stage(1, func() error { return r.readFeed(work, feed) }, func() { close(r.read) })
	return r.end(r.group.Wait())
}

func (r *run) reported(j *job, o Outcome) {
	if j.fault != nil {
		r.ix.options.Rejected(j.record, j.fault)
	}
	r.report.done(j, o)
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
	return r.report.close(stopped != nil, r.clock), err
}

// readFeed numbers the rows and hands them on. The second row with an id
// fails: which of two is right only the shop knows, and letting the last win
// would hide the mistake. It costs about 40 bytes of memory for each row.
func (r *run) readFeed(ctx context.Context, feed Feed) error {
	seq := 0
	mark := time.Now()
	for record, err := range feed {
		r.clock.spent(StageFeed, mark)
		fault, isFault := asFault(err)
		if err != nil && !isFault {
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
		} else if err := send(ctx, r.read, j); err != nil {
			return err
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
