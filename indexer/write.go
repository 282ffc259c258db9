package indexer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sightline/store"
	"sightline/store/features"
)

// writeAll stores what the encoder hands on. It ends with the encoder, not
// with the caller's stop, so that what was encoded is not lost.
func (r *run) writeAll(ctx context.Context) error {
	for {
		batches := gather(r.encoded, writeBatches)
		if batches == nil {
			return nil
		}
		start := time.Now()
		err := r.write(ctx, slices.Concat(batches...))
		r.report.spent(StageWrite, start)
		if err != nil {
			return err
		}
	}
}

// write puts patch states on disk before the entries that point to them: a
// crash in between leaves states that nothing points to, never the reverse.
func (r *run) write(ctx context.Context, jobs []*job) error {
	if err := r.writeStates(ctx, jobs); err != nil {
		return fmt.Errorf("store patch states: %w", err)
	}
	entries := make([]store.Entry, len(jobs))
	for i, j := range jobs {
		entries[i] = j.entry
	}
	err := r.ix.parts.Index.Upsert(ctx, entries)
	switch {
	case errors.Is(err, store.ErrInvalid) && len(jobs) > 1:
		return r.writeSingly(ctx, jobs) // an upsert is all or nothing: find the one at fault
	case errors.Is(err, store.ErrInvalid):
		r.failed(jobs[0], &Fault{Stage: StageWrite, Err: err})
		return nil
	case err != nil:
		return fmt.Errorf("write to the index: %w", err)
	}
	for _, j := range jobs {
		r.written(j)
	}
	return nil
}

func (r *run) writeSingly(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		j.encode = false // its states are stored
		if err := r.write(ctx, []*job{j}); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) writeStates(ctx context.Context, jobs []*job) error {
	put := false
	for _, j := range jobs {
		// Two items may show the same picture.
		if !j.encode || r.ix.parts.Features.Has(j.entry.Picture) {
			continue
		}
		if err := r.ix.parts.Features.Put(ctx, j.entry.Picture, features.Record(j.states)); err != nil {
			return err
		}
		put = true
	}
	if !put {
		return nil
	}
	return r.ix.parts.Features.Sync()
}
