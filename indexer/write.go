package indexer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sightline/encoder"
	"sightline/store"
	"sightline/store/features"
)

// keep stores the patch states of a batch, which then take no memory while
// their items wait for further pictures. It goes on after the caller's stop, so
// that what was encoded is not lost.
func (p *pipe) keep(ctx context.Context, shots []*shot) error {
	start := time.Now()
	for _, s := range shots {
		states := s.states
		s.states = encoder.States{}
		if p.ix.parts.Features.Has(s.key) { // another picture of the same bytes
			continue
		}
		if err := p.ix.parts.Features.Put(ctx, s.key, features.Record(states)); err != nil {
			return fmt.Errorf("store patch states: %w", err)
		}
	}
	p.clock.spent(StageWrite, start)
	for _, s := range shots {
		if err := p.arrived(ctx, s.job); err != nil {
			return err
		}
	}
	return nil
}

// writeAll writes items as they become ready. It ends with the encoder, not with
// the caller's stop.
func (p *pipe) writeAll(ctx context.Context) error {
	for {
		jobs, err := gather(ctx, p.ready, writeItems)
		if err != nil || jobs == nil {
			return err
		}
		start := time.Now()
		err = p.write(ctx, jobs)
		p.clock.spent(StageWrite, start)
		if err != nil {
			return err
		}
	}
}

// write has patch states on disk before the entries that point to them: a crash
// in between leaves states that nothing points to, never the reverse.
func (p *pipe) write(ctx context.Context, jobs []*job) error {
	if slices.ContainsFunc(jobs, (*job).encoded) {
		if err := p.ix.parts.Features.Sync(); err != nil {
			return fmt.Errorf("store patch states: %w", err)
		}
	}
	return p.upsert(ctx, jobs)
}

// encoded tells whether the job has pictures that came through the vision tower.
func (j *job) encoded() bool {
	return slices.ContainsFunc(j.shots, func(s *shot) bool { return s.fresh && s.fault == nil })
}

func (p *pipe) upsert(ctx context.Context, jobs []*job) error {
	entries := make([]store.Entry, len(jobs))
	for i, j := range jobs {
		entries[i] = j.entry
	}
	err := p.ix.parts.Index.Upsert(onBehalf(ctx, jobs...), entries)
	switch {
	case errors.Is(err, store.ErrInvalid) && len(jobs) > 1: // it is all or nothing: find the one at fault
		for _, j := range jobs {
			if err := p.upsert(ctx, []*job{j}); err != nil {
				return err
			}
		}
		return nil
	case errors.Is(err, store.ErrInvalid):
		p.failed(jobs[0], &Fault{Stage: StageWrite, Err: err})
		return nil
	case err != nil:
		return fmt.Errorf("write to the index: %w", err)
	}
	for _, j := range jobs {
		p.written(j)
	}
	return nil
}

func (p *pipe) written(j *job) {
	p.finish(j, Outcome{State: Written, Reason: j.notice, Warnings: j.warnings()})
}
