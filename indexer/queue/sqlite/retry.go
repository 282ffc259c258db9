package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sightline/indexer/queue"
)

const (
	retryAtOnce  = 200
	forgetAtOnce = 500
)

// Retry is queue.Queue's: all in one transaction.
func (q *Queue) Retry(ctx context.Context, ids ...string) (n int, err error) {
	err = q.change(ctx, func(ctx context.Context, c *change) error {
		for _, id := range ids {
			h, err := c.held(ctx, "id = ?", id)
			if errors.Is(err, sql.ErrNoRows) || err == nil && h.state != queue.Dead {
				continue
			}
			if err != nil {
				return err
			}
			n++
			if err := c.retry(ctx, h); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("retry: %w", err)
	}
	return n, nil
}

func (c *change) retry(ctx context.Context, h held) error {
	k, err := c.key(ctx, h.key)
	if err != nil {
		return err
	}
	if k.overtakes(h.version, h.seq) {
		return c.finish(ctx, h.seq, queue.Superseded)
	}
	if _, err := c.exec(ctx, "UPDATE jobs SET state = 'waiting', changed = ?, attempt = 0, not_before = 0 WHERE seq = ?", c.now, h.seq); err != nil {
		return err
	}
	return c.promote(ctx, h.key, h.seq)
}

// RetryDead is queue.Queue's: some hundred jobs a transaction, so that workers
// go on meanwhile.
func (q *Queue) RetryDead(ctx context.Context, group string) (total int, err error) {
	page := queue.ListOptions{State: queue.Dead, Group: group, Limit: retryAtOnce}
	for {
		dead, err := q.List(ctx, page)
		if err != nil || len(dead) == 0 {
			return total, err
		}
		ids := make([]string, len(dead))
		for i, j := range dead {
			ids[i] = j.ID
		}
		page.After = ids[len(ids)-1]
		n, err := q.Retry(ctx, ids...)
		total += n
		if err != nil {
			return total, err
		}
	}
}

// Forget is queue.Queue's: some hundred jobs a transaction.
func (q *Queue) Forget(ctx context.Context, e queue.Expiry) (total int, err error) {
	for where, before := range map[string]time.Time{"state IN ('done', 'superseded')": e.Ended, "state = 'dead'": e.Dead} {
		n, err := q.forget(ctx, where, before)
		total += n
		if err != nil {
			return total, fmt.Errorf("forget jobs: %w", err)
		}
	}
	return total, nil
}

func (q *Queue) forget(ctx context.Context, where string, before time.Time) (total int, err error) {
	if before.IsZero() {
		return 0, nil
	}
	for {
		var n int64
		err := q.change(ctx, func(ctx context.Context, c *change) (err error) {
			n, err = c.exec(ctx, "DELETE FROM jobs WHERE seq IN (SELECT seq FROM jobs WHERE "+where+" AND changed < ? LIMIT ?)", before.UnixMilli(), forgetAtOnce)
			return err
		})
		total += int(n)
		if err != nil || n < forgetAtOnce {
			return total, err
		}
	}
}
