package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sightline/indexer/queue"
)

// Enqueue is queue.Queue's: all jobs in one transaction.
func (q *Queue) Enqueue(ctx context.Context, jobs ...queue.Job) ([]queue.Enqueued, error) {
	prepared, err := q.settings.Prepare(&q.ids, jobs)
	if err != nil || len(jobs) == 0 {
		return nil, err
	}
	results := make([]queue.Enqueued, len(prepared))
	err = q.change(ctx, func(ctx context.Context, c *change) error {
		for i, j := range prepared {
			if results[i], err = c.enqueue(ctx, j); err != nil {
				return err
			}
		}
		return c.trim(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("enqueue: %w", err)
	}
	return results, nil
}

// trim drops the oldest events. Where nothing is to be dropped it costs two
// looks at the ends of the table.
func (c *change) trim(ctx context.Context) error {
	_, err := c.exec(ctx, "DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?", c.settings.MaxEvents)
	return err
}

func (c *change) enqueue(ctx context.Context, j queue.Job) (queue.Enqueued, error) {
	known, err := c.known(ctx, j)
	if err != nil || known.ID != "" {
		return known, err
	}
	newest, err := c.key(ctx, j.Key)
	if err != nil {
		return known, err
	}
	if j.Version > 0 && newest.version > j.Version {
		_, err := c.insert(ctx, j, queue.Superseded)
		return queue.Enqueued{ID: j.ID, Status: queue.StatusSuperseded}, err
	}
	seq, err := c.insert(ctx, j, queue.Waiting)
	if err != nil {
		return known, err
	}
	if j.Key != "" && j.Version > 0 {
		err = c.overtake(ctx, j, seq)
	}
	return queue.Enqueued{ID: j.ID, Status: queue.StatusQueued}, errors.Join(err, c.promote(ctx, j.Key, seq))
}

// known finds the answer of an earlier call: for the same job, or for another
// with its DedupeID. Otherwise the DedupeID is this job's from now on.
func (c *change) known(ctx context.Context, j queue.Job) (queue.Enqueued, error) {
	var state queue.State
	err := c.one(ctx, "SELECT state FROM jobs WHERE id = ?", []any{j.ID}, &state)
	if err == nil {
		known := queue.Enqueued{ID: j.ID, Status: queue.StatusQueued}
		if state == queue.Superseded {
			known.Status = queue.StatusSuperseded
		}
		return known, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return queue.Enqueued{}, err
	}
	if j.DedupeID == "" {
		return queue.Enqueued{}, nil
	}
	return c.remember(ctx, j)
}

func (c *change) remember(ctx context.Context, j queue.Job) (queue.Enqueued, error) {
	if _, err := c.exec(ctx, "DELETE FROM dedupe WHERE until <= ?", c.now); err != nil {
		return queue.Enqueued{}, err
	}
	n, err := c.exec(ctx, "INSERT INTO dedupe VALUES (?, ?, ?) ON CONFLICT DO NOTHING", j.DedupeID, j.ID, c.now+c.settings.DedupeWindow.Milliseconds())
	if err != nil || n == 1 {
		return queue.Enqueued{}, err
	}
	first := queue.Enqueued{Status: queue.StatusDuplicate}
	return first, c.one(ctx, "SELECT job FROM dedupe WHERE id = ?", []any{j.DedupeID}, &first.ID)
}

// insert stores a new job. A superseded one needs no payload.
func (c *change) insert(ctx context.Context, j queue.Job, state queue.State) (seq int64, err error) {
	err = c.one(ctx, `INSERT INTO jobs
		(id, kind, key, grp, dedupe, version, not_before, max_attempts, traceparent, tracestate, state, created, changed)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq`,
		[]any{
			j.ID, j.Kind, j.Key, j.Group, j.DedupeID, j.Version, milliseconds(j.NotBefore), j.MaxAttempts,
			j.TraceParent, j.TraceState, state, c.now, c.now,
		}, &seq)
	if err != nil {
		return 0, err
	}
	if j.Key != "" {
		if _, err := c.exec(ctx, "INSERT INTO keys VALUES (?, 1, 0, 0, 0) ON CONFLICT DO UPDATE SET jobs = jobs + 1", j.Key); err != nil {
			return 0, err
		}
	}
	if state == queue.Waiting && len(j.Payload) > 0 {
		_, err = c.exec(ctx, "INSERT INTO payloads VALUES (?, ?)", seq, j.Payload)
	}
	return seq, err
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
