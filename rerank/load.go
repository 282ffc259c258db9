package rerank

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"sightline/encoder"
)

// batch is one sub-batch of the candidates at the positions at.
type batch struct {
	work
	at      []int
	missing int // candidates passed over because nothing is stored for them
	err     error
	took    time.Duration
}

// remote is the time of one Get from which a source counts as one that waits
// for others, such as a bucket: a record of 0.45 MB in memory takes 0.1 ms.
const remote = time.Millisecond

// loader reads the patch states of one request, in candidate order.
type loader struct {
	source FeatureSource
	q      encoder.Query
	cands  []Candidate
	size   int // of a sub-batch
	fetch  int // at a time
	next   int
	slow   bool // the source takes its time: read several at once
}

// record is what one Get gave.
type record struct {
	states encoder.States
	ok     bool
	err    error
}

// batch fills one sub-batch from candidates below limit. Broken records are
// left out with the first cause in err: one bad record must not take the second
// look from its neighbours.
func (l *loader) batch(ctx context.Context, limit int) batch {
	b := batch{work: work{kind: ofPictures, q: l.q}}
	start := time.Now()
	for l.next < limit && len(b.states) < l.size && ctx.Err() == nil {
		window := l.cands[l.next:limit]
		window = window[:min(len(window), l.size-len(b.states))]
		if !l.slow {
			window = window[:1]
		}
		for _, r := range l.read(ctx, window) {
			b.put(ctx, l.cands[l.next], l.next, r)
			l.next++
		}
	}
	b.took = time.Since(start)
	return b
}

func (l *loader) done() int { return l.next }

func (b *batch) put(ctx context.Context, c Candidate, at int, r record) {
	switch {
	case r.err != nil && b.err == nil && ctx.Err() == nil:
		b.err = fmt.Errorf("patch states of %q: %w", c.ID, r.err)
	case r.err != nil:
	case !r.ok:
		b.missing++
	default:
		b.at, b.keys, b.states = append(b.at, at), append(b.keys, c.Picture), append(b.states, r.states)
	}
}

// read gets a window of candidates, all at once within the bound. A local store
// is read by this goroutine: starting others would cost more than they save.
func (l *loader) read(ctx context.Context, window []Candidate) []record {
	out := make([]record, len(window))
	if len(window) == 1 {
		start := time.Now()
		out[0] = l.get(ctx, window[0].Picture)
		l.slow = l.slow || time.Since(start) >= remote
		return out
	}
	var g errgroup.Group
	g.SetLimit(l.fetch)
	for i, c := range window {
		g.Go(func() error {
			out[i] = l.get(ctx, c.Picture)
			return nil
		})
	}
	_ = g.Wait() // errors are in the records
	return out
}

func (l *loader) get(ctx context.Context, key string) record {
	if key == "" {
		return record{}
	}
	if err := ctx.Err(); err != nil {
		return record{err: err}
	}
	got, ok, err := l.source.Get(ctx, key)
	if err != nil || !ok {
		return record{err: err}
	}
	states := encoder.States(got)
	return record{states: states, ok: true, err: states.Check()}
}
