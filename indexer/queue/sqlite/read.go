package sqlite

import (
	"context"
	"fmt"
	"iter"
	"time"

	"sightline/indexer/queue"
)

const (
	jobColumns = `jobs.id, kind, key, grp, dedupe, version, not_before, max_attempts, traceparent, tracestate, state, attempt, created, changed, outcome, worker, stage, reason`

	selectWithPayload = "SELECT " + jobColumns + ", payload FROM jobs LEFT JOIN payloads ON payloads.seq = jobs.seq"
	selectWithout     = "SELECT " + jobColumns + ", NULL FROM jobs"

	eventsAtOnce = 500
)

func scanJob(row scanner) (j queue.Job, err error) {
	var notBefore, created, changed int64
	err = row.Scan(&j.ID, &j.Kind, &j.Key, &j.Group, &j.DedupeID, &j.Version, &notBefore, &j.MaxAttempts,
		&j.TraceParent, &j.TraceState, &j.State, &j.Attempt, &created, &changed, &j.Outcome, &j.Worker, &j.LastError.Stage, &j.LastError.Reason, &j.Payload)
	j.NotBefore, j.CreatedAt, j.ChangedAt = timeOf(notBefore), timeOf(created), timeOf(changed)
	return j, err
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Get is queue.Queue's.
func (q *Queue) Get(ctx context.Context, id string) (queue.Job, error) {
	found, err := query(ctx, q.db, scanJob, selectWithPayload+" WHERE jobs.id = ?", id)
	if err == nil && len(found) == 0 {
		err = queue.ErrNotFound
	}
	if err != nil {
		return queue.Job{}, fmt.Errorf("job %s: %w", queue.Clip(id, 64), err)
	}
	return found[0], nil
}

// List is queue.Queue's.
func (q *Queue) List(ctx context.Context, o queue.ListOptions) ([]queue.Job, error) {
	o, err := o.Check()
	if err != nil {
		return nil, err
	}
	where, args := " WHERE id > ?", []any{o.After}
	if o.State != "" {
		where, args = where+" AND state = ?", append(args, o.State)
	}
	if o.Group != "" {
		where, args = where+" AND grp = ? AND grp <> ''", append(args, o.Group)
	}
	jobs, err := query(ctx, q.db, scanJob, selectWithout+where+" ORDER BY id LIMIT ?", append(args, o.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return jobs, nil
}

// Counts is queue.Queue's. Triggers keep the numbers, so it takes the same time
// however many jobs there are.
func (q *Queue) Counts(ctx context.Context, group string) (counts queue.Counts, err error) {
	type count struct {
		state queue.State
		n     int64
	}
	scan := func(row scanner) (c count, err error) { return c, row.Scan(&c.state, &c.n) }
	found, err := query(ctx, q.db, scan, "SELECT state, n FROM counts WHERE grp = ?", group)
	if err != nil {
		return counts, fmt.Errorf("count jobs: %w", err)
	}
	for _, c := range found {
		if n := counts.Of(c.state); n != nil {
			*n = c.n
		}
	}
	return counts, nil
}

// LastEvent is queue.Queue's.
func (q *Queue) LastEvent(ctx context.Context) (int64, error) {
	found, err := query(ctx, q.db, scanNumber, "SELECT coalesce(max(seq), 0) FROM events")
	if err != nil {
		return 0, fmt.Errorf("read the last event: %w", err)
	}
	return found[0], nil
}

func scanEvent(row scanner) (e queue.Event, err error) {
	var ms int64
	err = row.Scan(&e.Seq, &ms, &e.Job, &e.Kind, &e.Key, &e.Group, &e.State, &e.Attempt, &e.Outcome, &e.Stage, &e.Reason)
	e.Time = timeOf(ms)
	return e, err
}

// Events is queue.Queue's. It reads a page at a time, so a slow consumer holds
// nobody up.
func (q *Queue) Events(ctx context.Context, after int64) iter.Seq2[queue.Event, error] {
	return func(yield func(queue.Event, error) bool) {
		for {
			page, err := query(ctx, q.db, scanEvent, `SELECT seq, time, job, kind, key, grp, state, attempt, outcome, stage, reason
				FROM events WHERE seq > ? ORDER BY seq LIMIT ?`, after, eventsAtOnce)
			if err != nil {
				yield(queue.Event{}, fmt.Errorf("read events: %w", err))
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
				after = e.Seq
			}
			if len(page) < eventsAtOnce {
				return
			}
		}
	}
}
