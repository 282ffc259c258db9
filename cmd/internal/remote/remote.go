// Package remote imports feeds through the REST API of a searchd that serves
// the catalogue: rows are sent by some dozens, with the pictures that lie beside
// the feed, and each row's outcome is asked for.
package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sightline/api/client"
	"sightline/indexer"
	"sightline/store"
)

// Options of an Importer; zero values mean the defaults.
type Options struct {
	Server   string       // its address
	Key      store.Secret // with the scope write, for a server that asks for one
	Client   *http.Client
	Observe  func(indexer.Outcome, indexer.Progress) // as indexer.Options
	Rejected func(indexer.Record, *indexer.Fault)
	// FullSync, MaxVanish and Force are indexer.Options'.
	FullSync  bool
	MaxVanish float64
	Force     bool
}

// Importer sends feeds to one server. It is for one import at a time.
type Importer struct {
	Options
	client *client.Client
}

// New returns an Importer. An error is about the server's address.
func New(o Options) (*Importer, error) {
	if o.Client == nil {
		o.Client = &http.Client{Timeout: requestTimeout}
	}
	if o.Observe == nil {
		o.Observe = func(indexer.Outcome, indexer.Progress) {}
	}
	if o.Rejected == nil {
		o.Rejected = func(indexer.Record, *indexer.Fault) {}
	}
	c, err := client.New(o.Server, client.Options{Key: string(o.Key), HTTP: o.Client, Tries: tries})
	return &Importer{Options: o, client: c}, err
}

const (
	// requestTimeout bounds one request. A batch is answered when its items are
	// done, or after serverWait.
	requestTimeout = 2 * time.Minute
	serverWait     = 20 * time.Second
	// batchRows and batchBytes bound one request; what has more bytes goes alone.
	batchRows  = 64
	batchBytes = 8 << 20
)

// Run sends the feed and says how every item ended, as indexer.Indexer.Run does.
// When ctx ends, what the server has taken is done by it all the same.
func (im *Importer) Run(ctx context.Context, feed indexer.Feed) (indexer.Summary, error) {
	start := time.Now()
	t := newTally(im, start)
	err := im.send(ctx, feed, t)
	if err == nil && im.FullSync {
		t.sum.Deleted, err = im.sync(ctx, t, start)
	}
	if ctx.Err() != nil {
		t.sum.Stopped = true
		err = fmt.Errorf("import stopped: %w", context.Cause(ctx))
	}
	return t.close(), err
}

// send goes through the feed.
func (im *Importer) send(ctx context.Context, feed indexer.Feed, t *tally) error {
	b := &batch{}
	for record, err := range feed {
		var fault *indexer.Fault
		if err != nil && !errors.As(err, &fault) {
			return errors.Join(err, im.flush(ctx, b, t))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		line, refused := im.enter(record, fault, t)
		if refused {
			continue
		}
		if len(b.rows) == batchRows || len(b.rows) > 0 && b.body.Len()+len(line) > batchBytes {
			if err := im.flush(ctx, b, t); err != nil {
				return err
			}
		}
		b.add(record, line)
	}
	return im.flush(ctx, b, t)
}

// enter counts a row, and makes the line that is sent of it.
func (im *Importer) enter(record indexer.Record, fault *indexer.Fault, t *tally) (line []byte, refused bool) {
	t.enter(record)
	if fault == nil {
		fault = t.repeated(record)
	}
	if fault == nil {
		line, fault = encode(record)
	}
	if fault != nil {
		t.failed(record, fault)
		return nil, true
	}
	return line, false
}

// flush sends the batch and waits for what becomes of it.
func (im *Importer) flush(ctx context.Context, b *batch, t *tally) error {
	if len(b.rows) == 0 {
		return nil
	}
	defer b.reset()
	taken, err := im.client.PutLines(ctx, b.body.Bytes(), client.BatchOptions{AsOf: t.start, Wait: serverWait})
	if err != nil {
		return fmt.Errorf("send %d items to %s: %w", len(b.rows), im.Server, err)
	}
	for _, p := range taken.Problems {
		if record, ok := b.at(p.Line); ok {
			t.failed(record, refusedBy(p))
		}
	}
	if taken.Job == "" || taken.Accepted == 0 {
		return nil
	}
	return im.follow(ctx, taken.Job, b, t)
}

// follow waits until all items of a job have come to an end.
func (im *Importer) follow(ctx context.Context, job string, b *batch, t *tally) error {
	if _, err := im.client.WaitJob(ctx, job); err != nil {
		return err
	}
	for item, err := range im.client.JobItems(ctx, job) {
		if err != nil {
			return fmt.Errorf("ask for the items of job %s: %w", job, err)
		}
		if record, ok := b.of(item.ID); ok {
			t.ended(record, item)
		}
	}
	return nil
}
