package rerank

import (
	"context"
	"fmt"
	"time"

	"sightline/encoder"
)

// batch is one sub-batch: the patch states of candidates at the positions at.
type batch struct {
	at      []int
	states  []encoder.States
	missing int // candidates passed over because nothing is stored for them
	err     error
	took    time.Duration
}

// load reads patch states in candidate order, one sub-batch ahead of the
// matcher: the channel has no room, so the reader waits with one batch in
// hand. stop ends the reader and returns when it has ended, which is at the
// latest after the Get that is under way; calling it again does nothing.
func (r *Reranker) load(ctx context.Context, cands []Candidate) (<-chan batch, func()) {
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan batch)
	go func() {
		defer close(out)
		for next := 0; next < len(cands); {
			var b batch
			b, next = r.loadBatch(ctx, cands, next)
			if ctx.Err() != nil {
				return // the batch may be cut short; nobody has time to match it
			}
			select {
			case out <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, func() {
		cancel()
		for range out {
		}
	}
}

// loadBatch fills one sub-batch from position next on and returns where the
// following one starts. Broken records are left out with the first cause in
// err: one bad record must not take the second look from its neighbours.
func (r *Reranker) loadBatch(ctx context.Context, cands []Candidate, next int) (batch, int) {
	var b batch
	start := time.Now()
	for ; next < len(cands) && len(b.states) < r.batch && ctx.Err() == nil; next++ {
		states, ok, err := r.states(ctx, cands[next].Picture)
		switch {
		case err != nil && b.err == nil && ctx.Err() == nil:
			b.err = fmt.Errorf("patch states of %q: %w", cands[next].ID, err)
		case err != nil:
		case !ok:
			b.missing++
		default:
			b.at, b.states = append(b.at, next), append(b.states, states)
		}
	}
	b.took = time.Since(start)
	return b, next
}

func (r *Reranker) states(ctx context.Context, key string) (encoder.States, bool, error) {
	if key == "" {
		return encoder.States{}, false, nil
	}
	record, ok, err := r.source.Get(ctx, key)
	if err != nil || !ok {
		return encoder.States{}, false, err
	}
	states := encoder.States(record)
	return states, true, states.Check()
}
