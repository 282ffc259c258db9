package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"time"

	"sightline/indexer/queue"
)

// expireAtOnce bounds how many expired leases one transaction takes back.
const expireAtOnce = 100

// Lease is queue.Queue's. It sleeps until a job may run or a lease expires;
// nothing polls.
func (q *Queue) Lease(ctx context.Context, o queue.LeaseOptions) ([]queue.Lease, error) {
	o, err := o.Check()
	if err != nil {
		return nil, err
	}
	for {
		woken, err := q.wake.channel()
		if err != nil {
			return nil, fmt.Errorf("lease: %w", err)
		}
		leases, wait, err := q.tryLease(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("lease: %w", err)
		}
		if len(leases) > 0 || o.NoWait {
			return leases, nil
		}
		if err := sleep(ctx, woken, wait); err != nil {
			return nil, fmt.Errorf("lease: %w", err)
		}
	}
}

// tryLease takes what may run now. Where that is nothing it says in how many
// milliseconds something may; negative for never.
func (q *Queue) tryLease(ctx context.Context, o queue.LeaseOptions) (leases []queue.Lease, wait int64, err error) {
	err = q.change(ctx, func(ctx context.Context, c *change) error {
		if err := c.expire(ctx); err != nil {
			return err
		}
		ready, err := all(ctx, c.database, scanNumber, "SELECT seq FROM jobs WHERE ready IS NOT NULL AND ready <= ? ORDER BY ready, seq LIMIT ?", c.now, o.Max)
		if err != nil {
			return err
		}
		for _, seq := range ready {
			l, err := c.lease(ctx, seq, o)
			if err != nil {
				return err
			}
			leases = append(leases, l)
		}
		c.woken = c.woken && len(ready) == o.Max // something that expired may be left for others
		if len(ready) > 0 {
			return c.trim(ctx)
		}
		wait, err = c.idle(ctx)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return leases, wait, nil
}

func (c *change) lease(ctx context.Context, seq int64, o queue.LeaseOptions) (queue.Lease, error) {
	until := c.now + o.For.Milliseconds()
	token := rand.Text()
	_, err := c.exec(ctx, `UPDATE jobs SET state = 'leased', changed = ?, attempt = attempt + 1, worker = ?, token = ?, until = ?, ended = '', ready = NULL
		WHERE seq = ?`, c.now, o.Worker, token, until, seq)
	if err != nil {
		return queue.Lease{}, err
	}
	jobs, err := all(ctx, c.database, scanJob, selectWithPayload+" WHERE jobs.seq = ?", seq)
	if err != nil {
		return queue.Lease{}, err
	}
	j := jobs[0]
	if j.Key != "" {
		if _, err := c.exec(ctx, "UPDATE keys SET leased = 1 WHERE key = ?", j.Key); err != nil {
			return queue.Lease{}, err
		}
	}
	return queue.Lease{Job: j, Token: token, Until: time.UnixMilli(until).UTC()}, nil
}

// idle tells how long nothing can become ready by time alone.
func (c *change) idle(ctx context.Context) (int64, error) {
	var next sql.NullInt64
	err := c.one(ctx, `SELECT min(t) FROM (
		SELECT min(ready) AS t FROM jobs WHERE ready IS NOT NULL UNION ALL
		SELECT min(until) FROM jobs WHERE state = 'leased')`, nil, &next)
	if err != nil {
		return 0, err
	}
	if !next.Valid {
		return -1, nil
	}
	return max(next.Int64-c.now, 1), nil
}

// expire ends attempts whose worker has not been heard of. They wait no longer:
// the lease was wait enough, also for a job that kills its worker each time.
func (c *change) expire(ctx context.Context) error {
	expired, err := all(ctx, c.database, scanNumber, "SELECT seq FROM jobs WHERE state = 'leased' AND until <= ? ORDER BY until, seq LIMIT ?", c.now, expireAtOnce)
	if err != nil {
		return err
	}
	for _, seq := range expired {
		h, err := c.held(ctx, "seq = ?", seq)
		if err != nil {
			return err
		}
		if _, err := c.exec(ctx, "UPDATE jobs SET token = '', stage = ?, reason = ? WHERE seq = ?", queue.StageLease, queue.Expired(h.worker), seq); err != nil {
			return err
		}
		if _, err := c.endAttempt(ctx, h, h.attempt >= h.maxAttempts); err != nil {
			return err
		}
	}
	return nil
}
