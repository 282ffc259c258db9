package indexer

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// keepBatches is the most batches of the encoder that wait for their patch
	// states to be stored: 28 MB of int8 states of the default model.
	keepBatches = 8
	// writeItems is the most items in one write: syncing to disk costs the same
	// for 8 items and for 64.
	writeItems = 64
	// filers is how many pictures are written to disk at once. One waits for two
	// syncs, of 1 to 5 ms each; sixteen share them, while the decoders work.
	filers = 16
)

// pipe is the stages that items go through on behalf of a Run or a Stream. soft
// ends when nothing new is to be begun. Stages have a context of their own that
// ends when a dependency breaks or Grace is over.
type pipe struct {
	ix          *Indexer
	fingerprint string
	soft        context.Context
	clock       *clock
	// onEnd is told of each item's end, once, and by several goroutines; onDrop
	// of each item that does not come to one because soft or its caller's
	// context ended.
	onEnd  func(*job, Outcome)
	onDrop func(*job)

	group   *errgroup.Group
	read    chan *job    // rows
	loaded  chan *shot   // pictures for the vision tower
	checked chan *shot   // the same, with pixels
	decoded chan *shot   // the same, and the copies are stored
	encoded chan []*shot // the same as embeddings and patch states
	ready   chan *job    // items to be written
}

func newPipe(ix *Indexer, soft context.Context) *pipe {
	return &pipe{
		ix: ix, fingerprint: ix.parts.Encoder.Fingerprint(), soft: soft, clock: newClock(),
		read: make(chan *job), loaded: make(chan *shot), checked: make(chan *shot), decoded: make(chan *shot, ix.options.Batch),
		encoded: make(chan []*shot, keepBatches), ready: make(chan *job, writeItems),
	}
}

// start starts the stages behind the reader, who closes read at the end. The
// context that it returns ends with the first error, which is its cause.
func (p *pipe) start(hard context.Context) context.Context {
	group, ctx := errgroup.WithContext(hard)
	p.group = group
	o := p.ix.options
	p.stage(o.Fetchers, func() error { return each(ctx, p.read, p.fetch) }, func() { close(p.loaded) })
	p.stage(o.Decoders, func() error { return each(ctx, p.loaded, p.decode) }, func() { close(p.checked) })
	p.stage(filers, func() error { return each(ctx, p.checked, p.file) }, func() { close(p.decoded) })
	p.stage(1, func() error { return p.encodeAll(ctx) }, func() { close(p.encoded) })
	p.stage(1, func() error { return each(ctx, p.encoded, p.keep) }, func() { close(p.ready) })
	p.stage(1, func() error { return p.writeAll(ctx) }, func() {})
	return ctx
}

// stage starts n workers and calls done when the last has ended in order. After
// an error nothing is closed, since earlier stages may still be sending: the
// context ends all of them.
func (p *pipe) stage(n int, worker func() error, done func()) {
	var left atomic.Int64
	left.Store(int64(n))
	for range n {
		p.group.Go(func() error {
			err := worker()
			if err == nil && left.Add(-1) == 0 {
				done()
			}
			return err
		})
	}
}

// over tells whether nothing more is to be begun for a job.
func (p *pipe) over(j *job) bool {
	return j.done.Load() || p.soft.Err() != nil || j.left()
}

func (p *pipe) drop(j *job) {
	if !j.done.Swap(true) {
		p.onDrop(j)
	}
}

func (p *pipe) finish(j *job, o Outcome) {
	if j.done.Swap(true) {
		return
	}
	o.Row, o.Where, o.ID = j.record.Row, j.record.Where, j.record.Item.ID
	p.onEnd(j, o)
}

func (p *pipe) failed(j *job, f *Fault) {
	j.fault = f
	p.finish(j, Outcome{State: Failed, Stage: f.Stage, Reason: f.Error(), Temporary: f.Temporary(), Err: causeOf(f)})
}

// each treats what comes in, one after the other, until there is no more.
func each[T any](ctx context.Context, in <-chan T, treat func(context.Context, T) error) error {
	for {
		v, ok, err := receive(ctx, in)
		if err != nil || !ok {
			return err
		}
		if err := treat(ctx, v); err != nil {
			return err
		}
	}
}

func receive[T any](ctx context.Context, in <-chan T) (v T, ok bool, err error) {
	select {
	case v, ok = <-in:
		return v, ok, nil
	case <-ctx.Done():
		return v, false, ctx.Err()
	}
}

func send[T any](ctx context.Context, out chan<- T, v T) error {
	select {
	case out <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gather waits for one value and takes what else has come, up to limit: batches
// fill while the stage is busy, and nobody waits for one to be full. It returns
// none when there are no more.
func gather[T any](ctx context.Context, in <-chan T, limit int) ([]T, error) {
	first, ok, err := receive(ctx, in)
	if err != nil || !ok {
		return nil, err
	}
	out := []T{first}
	for len(out) < limit {
		select {
		case v, ok := <-in:
			if !ok {
				return out, nil
			}
			out = append(out, v)
		default:
			return out, nil
		}
	}
	return out, nil
}

// asFault tells what is wrong with an item or a picture from what is wrong with
// a dependency.
func asFault(err error) (*Fault, bool) { return errors.AsType[*Fault](err) }

// clock adds up what a pipe does. It is safe for concurrent use.
type clock struct {
	busy    map[Stage]*atomic.Int64 // nanoseconds
	encoded atomic.Int64            // pictures
}

func newClock() *clock {
	c := &clock{busy: map[Stage]*atomic.Int64{}}
	for _, s := range []Stage{StageFeed, StageFetch, StageDecode, StageEncode, StageWrite} {
		c.busy[s] = new(atomic.Int64)
	}
	return c
}

func (c *clock) spent(stage Stage, since time.Time) {
	c.busy[stage].Add(int64(time.Since(since)))
}

// outliving returns a context that ends grace after ctx has, or with cancel.
func outliving(ctx context.Context, grace time.Duration) (hard context.Context, cancel func()) {
	hard, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, end)
		context.AfterFunc(hard, func() { timer.Stop() })
	})
	return hard, func() { stop(); end() }
}
