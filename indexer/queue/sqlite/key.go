package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"sightline/indexer/queue"
)

// keyRow is what the queue knows of a key: the newest version, the job that
// brought it, and whether a worker has a job of the key.
type keyRow struct {
	version, seq int64
	leased       bool
}

func (c *change) key(ctx context.Context, key string) (k keyRow, err error) {
	if key == "" {
		return k, nil
	}
	err = c.one(ctx, "SELECT version, seq, leased FROM keys WHERE key = ?", []any{key}, &k.version, &k.seq, &k.leased)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return k, err
	}
	return k, nil
}

// overtakes tells whether a job of version and seq is not worth running any
// more.
func (k keyRow) overtakes(version, seq int64) bool {
	return version > 0 && (k.version > version || k.version == version && k.seq > seq)
}

// overtake makes a new job its key's newest and supersedes the waiting ones
// before it.
func (c *change) overtake(ctx context.Context, j queue.Job, seq int64) error {
	if _, err := c.exec(ctx, "UPDATE keys SET version = ?, seq = ? WHERE key = ?", j.Version, seq, j.Key); err != nil {
		return err
	}
	older, err := all(ctx, c.database, scanNumber, "SELECT seq FROM jobs WHERE key = ? AND key <> '' AND state = 'waiting' AND version > 0 AND seq < ?", j.Key, seq)
	if err != nil {
		return err
	}
	for _, seq := range older {
		if err := c.finish(ctx, seq, queue.Superseded); err != nil {
			return err
		}
	}
	return nil
}

// finish brings a job into a final state. Only the dead may need their payload
// again.
func (c *change) finish(ctx context.Context, seq int64, state queue.State) error {
	if _, err := c.exec(ctx, "UPDATE jobs SET state = ?, changed = ?, ready = NULL WHERE seq = ?", state, c.now, seq); err != nil {
		return err
	}
	if state == queue.Dead {
		return nil
	}
	_, err := c.exec(ctx, "DELETE FROM payloads WHERE seq = ?", seq)
	return err
}

// promote lets the first waiting job of a key run, and no other, unless a
// worker has one; without a key, the job itself.
func (c *change) promote(ctx context.Context, key string, seq int64) error {
	c.woken = true
	if key == "" {
		_, err := c.exec(ctx, "UPDATE jobs SET ready = max(not_before, created) WHERE seq = ? AND state = 'waiting'", seq)
		return err
	}
	k, err := c.key(ctx, key)
	if err != nil || k.leased {
		return err
	}
	first, err := all(ctx, c.database, scanNumber, "SELECT seq FROM jobs WHERE key = ? AND key <> '' AND state = 'waiting' ORDER BY seq LIMIT 1", key)
	if err != nil || len(first) == 0 {
		return err
	}
	if _, err := c.exec(ctx, "UPDATE jobs SET ready = NULL WHERE key = ? AND key <> '' AND state = 'waiting' AND ready IS NOT NULL AND seq > ?", key, first[0]); err != nil {
		return err
	}
	_, err = c.exec(ctx, "UPDATE jobs SET ready = max(not_before, created) WHERE seq = ? AND ready IS NULL", first[0])
	return err
}
