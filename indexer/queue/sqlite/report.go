package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sightline/indexer/queue"
)

// What ended a lease, as the column "ended" has it.
const (
	endedDone     = "done"
	endedFailed   = "failed"
	endedReleased = "released"
)

// held is a job as far as its lease is concerned.
type held struct {
	seq                  int64
	key                  string
	version              int64
	state                queue.State
	attempt, maxAttempts int
	worker, token, ended string
	until                int64
}

func (c *change) held(ctx context.Context, where string, arg any) (h held, err error) {
	err = c.one(ctx, "SELECT seq, key, version, state, attempt, max_attempts, worker, token, ended, until FROM jobs WHERE "+where, []any{arg},
		&h.seq, &h.key, &h.version, &h.state, &h.attempt, &h.maxAttempts, &h.worker, &h.token, &h.ended, &h.until)
	return h, err
}

// report runs end if the lease holds. A repeated report, which is one whose
// answer was lost, changes nothing and gets the job's state.
func (q *Queue) report(ctx context.Context, l queue.Lease, verb string, end func(context.Context, *change, held) (queue.State, error)) (state queue.State, err error) {
	err = q.change(ctx, func(ctx context.Context, c *change) error {
		h, err := c.held(ctx, "id = ?", l.Job.ID)
		if errors.Is(err, sql.ErrNoRows) || err == nil && h.token != l.Token {
			return queue.ErrLeaseLost
		}
		if err != nil {
			return err
		}
		if h.ended == verb {
			state = h.state
			return nil
		}
		if h.state != queue.Leased || h.until <= c.now {
			return queue.ErrLeaseLost
		}
		state, err = end(ctx, c, h)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("job %s: %w", l.Job.ID, err)
	}
	return state, nil
}

// Extend is queue.Queue's.
func (q *Queue) Extend(ctx context.Context, l queue.Lease, d time.Duration) (time.Time, error) {
	if d < time.Millisecond {
		return time.Time{}, fmt.Errorf("extend a lease by %v: at least a millisecond is needed", d)
	}
	var until int64
	_, err := q.report(ctx, l, "extended", func(ctx context.Context, c *change, h held) (queue.State, error) {
		until = c.now + d.Milliseconds()
		_, err := c.exec(ctx, "UPDATE jobs SET until = ? WHERE seq = ?", until, h.seq)
		return h.state, err
	})
	if err != nil {
		return time.Time{}, err
	}
	return time.UnixMilli(until).UTC(), nil
}

// Done is queue.Queue's.
func (q *Queue) Done(ctx context.Context, l queue.Lease, outcome string) error {
	_, err := q.report(ctx, l, endedDone, func(ctx context.Context, c *change, h held) (queue.State, error) {
		if _, err := c.exec(ctx, "UPDATE jobs SET ended = ?, outcome = ? WHERE seq = ?", endedDone, queue.Clip(outcome, queue.MaxOutcome), h.seq); err != nil {
			return "", err
		}
		return queue.Done, errors.Join(c.finish(ctx, h.seq, queue.Done), c.leave(ctx, h))
	})
	return err
}

// Fail is queue.Queue's.
func (q *Queue) Fail(ctx context.Context, l queue.Lease, f queue.Failure) (queue.State, error) {
	f = f.Clipped()
	delay := q.settings.Delay(l.Job.Attempt).Milliseconds()
	return q.report(ctx, l, endedFailed, func(ctx context.Context, c *change, h held) (queue.State, error) {
		_, err := c.exec(ctx, "UPDATE jobs SET ended = ?, stage = ?, reason = ?, not_before = ? WHERE seq = ?", endedFailed, f.Stage, f.Reason, c.now+delay, h.seq)
		if err != nil {
			return "", err
		}
		return c.endAttempt(ctx, h, f.Permanent || h.attempt >= h.maxAttempts)
	})
}

// Release is queue.Queue's.
func (q *Queue) Release(ctx context.Context, l queue.Lease) error {
	_, err := q.report(ctx, l, endedReleased, func(ctx context.Context, c *change, h held) (queue.State, error) {
		if _, err := c.exec(ctx, "UPDATE jobs SET ended = ?, attempt = attempt - 1 WHERE seq = ?", endedReleased, h.seq); err != nil {
			return "", err
		}
		return c.endAttempt(ctx, h, false)
	})
	return err
}

// endAttempt decides what an attempt without success leads to.
func (c *change) endAttempt(ctx context.Context, h held, dead bool) (queue.State, error) {
	k, err := c.key(ctx, h.key)
	if err != nil {
		return "", err
	}
	state := queue.Waiting
	switch {
	case k.overtakes(h.version, h.seq):
		state = queue.Superseded
	case dead:
		state = queue.Dead
	}
	if state.Final() {
		return state, errors.Join(c.finish(ctx, h.seq, state), c.leave(ctx, h))
	}
	_, err = c.exec(ctx, "UPDATE jobs SET state = 'waiting', changed = ? WHERE seq = ?", c.now, h.seq)
	return state, errors.Join(err, c.leave(ctx, h))
}

// leave frees the key of a job that is leased no more.
func (c *change) leave(ctx context.Context, h held) error {
	if h.key != "" {
		if _, err := c.exec(ctx, "UPDATE keys SET leased = 0 WHERE key = ?", h.key); err != nil {
			return err
		}
	}
	return c.promote(ctx, h.key, h.seq)
}
