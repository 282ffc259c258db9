package ingest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"sightline/api"
	"sightline/indexer/queue"
	"sightline/store"
	"sightline/store/change"
)

// mostWaiting bounds the changes that wait: a queue file of some 3 GB. It is
// looked at before each request, so that callers beside each other may go over
// it by a request each.
const mostWaiting = 1_000_000

// writer is the REST API's view of a queue.
type writer struct{ queue queue.Queue }

// Writer is the REST API's view of the queue.
func (s *Service) Writer() api.Writer { return writer{s.queue} }

// Submit is api.Writer's.
func (q writer) Submit(ctx context.Context, writes []api.Write) ([]api.Taken, error) {
	counts, err := q.queue.Counts(ctx, "")
	if err != nil {
		return nil, writerError(err)
	}
	if counts.Waiting >= mostWaiting {
		return nil, fmt.Errorf("%w: %d", api.ErrWriterFull, counts.Waiting)
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
func (q writer) Job(ctx context.Context, id string) (api.Job, error) {
	j, err := q.queue.Get(ctx, id)
	return jobOf(j), writerError(err)
}

// Jobs is api.Writer's.
func (q writer) Jobs(ctx context.Context, query api.JobQuery) ([]api.Job, error) {
	found, err := q.queue.List(ctx, queue.ListOptions{State: queue.State(query.State), Group: query.Group, After: query.After, Limit: query.Limit})
	jobs := make([]api.Job, len(found))
	for i, j := range found {
		jobs[i] = jobOf(j)
	}
	return jobs, writerError(err)
}

func jobOf(j queue.Job) api.Job {
	outcome, reason := split(j.Outcome, j.LastError.Reason)
	return api.Job{
		ID: j.ID, Key: j.Key, Group: j.Group, DedupeID: j.DedupeID, State: api.JobState(j.State), Attempt: j.Attempt,
		CreatedAt: j.CreatedAt, ChangedAt: j.ChangedAt, Outcome: outcome, Stage: j.LastError.Stage, Reason: reason,
	}
}

// split takes apart what a worker has reported, "unchanged: version 3 is older
// than …". An outcome without a reason leaves the one of the failure before it.
func split(text, failure string) (outcome, reason string) {
	outcome, reason, ok := strings.Cut(text, ": ")
	if !ok {
		return outcome, failure
	}
	return outcome, reason
}

// Counts is api.Writer's.
func (q writer) Counts(ctx context.Context, group string) (api.JobCounts, error) {
	c, err := q.queue.Counts(ctx, group)
	return api.JobCounts(c), writerError(err)
}

// Retry is api.Writer's.
func (q writer) Retry(ctx context.Context, id string) (int, error) {
	n, err := q.queue.Retry(ctx, id)
	return n, writerError(err)
}

// RetryGroup is api.Writer's.
func (q writer) RetryGroup(ctx context.Context, group string) (int, error) {
	n, err := q.queue.RetryDead(ctx, group)
	return n, writerError(err)
}

// Events is api.Writer's.
func (q writer) Events(ctx context.Context, after int64) iter.Seq2[api.JobEvent, error] {
	return func(yield func(api.JobEvent, error) bool) {
		for e, err := range q.queue.Events(ctx, after) {
			outcome, reason := split(e.Outcome, e.Reason)
			event := api.JobEvent{
				Seq: e.Seq, Time: e.Time, Job: e.Job, Key: e.Key, Group: e.Group, State: api.JobState(e.State),
				Attempt: e.Attempt, Outcome: outcome, Stage: e.Stage, Reason: reason,
			}
			if !yield(event, writerError(err)) {
				return
			}
		}
	}
}

// LastEvent is api.Writer's.
func (q writer) LastEvent(ctx context.Context) (int64, error) {
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
