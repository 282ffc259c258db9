package api_test

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"sightline/api"
	"sightline/indexer/queue"
	"sightline/store"
	"sightline/store/change"
)

// queueWriter is the REST API's view of a queue.
type queueWriter struct {
	queue queue.Queue
	// most bounds the waiting jobs; 0 for any number. It is looked at before each
	// step, so callers beside each other may go over it by a step each.
	most int64
}

// Submit is api.Writer's.
func (q queueWriter) Submit(ctx context.Context, writes []api.Write) ([]api.Taken, error) {
	if q.most > 0 {
		counts, err := q.queue.Counts(ctx, "")
		if err != nil {
			return nil, writerError(err)
		}
		if counts.Waiting >= q.most {
			return nil, fmt.Errorf("%w: %d", api.ErrWriterFull, counts.Waiting)
		}
	}
	jobs := make([]queue.Job, len(writes))
	for i, w := range writes {
		jobs[i] = queue.Job{Kind: change.Kind, Key: w.Key, Payload: w.Payload, Group: w.Group, DedupeID: w.DedupeID}
	}
	enqueued, err := q.queue.Enqueue(ctx, jobs...)
	if err != nil {
		return nil, writerError(err)
	}
	taken := make([]api.Taken, len(enqueued))
	for i, e := range enqueued {
		taken[i] = api.Taken{Job: e.ID, Duplicate: e.Status == queue.StatusDuplicate}
	}
	return taken, nil
}

// Job is api.Writer's.
func (q queueWriter) Job(ctx context.Context, id string) (api.Job, error) {
	j, err := q.queue.Get(ctx, id)
	return jobOf(j), writerError(err)
}

// Jobs is api.Writer's.
func (q queueWriter) Jobs(ctx context.Context, query api.JobQuery) ([]api.Job, error) {
	found, err := q.queue.List(ctx, queue.ListOptions{State: queue.State(query.State), Group: query.Group, After: query.After, Limit: query.Limit})
	jobs := make([]api.Job, len(found))
	for i, j := range found {
		jobs[i] = jobOf(j)
	}
	return jobs, writerError(err)
}

func jobOf(j queue.Job) api.Job {
	return api.Job{
		ID: j.ID, Key: j.Key, Group: j.Group, DedupeID: j.DedupeID, State: api.JobState(j.State), Attempt: j.Attempt,
		CreatedAt: j.CreatedAt, ChangedAt: j.ChangedAt, Outcome: j.Outcome, Stage: j.LastError.Stage, Reason: j.LastError.Reason,
	}
}

// Counts is api.Writer's.
func (q queueWriter) Counts(ctx context.Context, group string) (api.JobCounts, error) {
	c, err := q.queue.Counts(ctx, group)
	return api.JobCounts(c), writerError(err)
}

// Retry is api.Writer's.
func (q queueWriter) Retry(ctx context.Context, id string) (int, error) {
	n, err := q.queue.Retry(ctx, id)
	return n, writerError(err)
}

// RetryGroup is api.Writer's.
func (q queueWriter) RetryGroup(ctx context.Context, group string) (int, error) {
	n, err := q.queue.RetryDead(ctx, group)
	return n, writerError(err)
}

// Events is api.Writer's.
func (q queueWriter) Events(ctx context.Context, after int64) iter.Seq2[api.JobEvent, error] {
	return func(yield func(api.JobEvent, error) bool) {
		for e, err := range q.queue.Events(ctx, after) {
			event := api.JobEvent{
				Seq: e.Seq, Time: e.Time, Job: e.Job, Key: e.Key, Group: e.Group, State: api.JobState(e.State),
				Attempt: e.Attempt, Outcome: e.Outcome, Stage: e.Stage, Reason: e.Reason,
			}
			if !yield(event, writerError(err)) {
				return
			}
		}
	}
}

// LastEvent is api.Writer's.
func (q queueWriter) LastEvent(ctx context.Context) (int64, error) {
	n, err := q.queue.LastEvent(ctx)
	return n, writerError(err)
}

// writerError gives a queue's errors the words of the API.
func writerError(err error) error {
	switch {
	case errors.Is(err, queue.ErrNotFound):
		return fmt.Errorf("%w: %w", api.ErrNoJob, err)
	case errors.Is(err, queue.ErrUnavailable), errors.Is(err, queue.ErrClosed), errors.Is(err, store.ErrNoSpace):
		return fmt.Errorf("%w: %w", api.ErrWriterAway, err)
	}
	return err
}
