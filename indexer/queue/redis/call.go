package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"sightline/indexer/queue"
	"sightline/store"
)

// Pauses between tries while Redis cannot be reached.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// run runs a script as often as needed to get its answer.
func (q *Queue) run(ctx context.Context, s *goredis.Script, args ...any) (reply any, err error) {
	args = append([]any{q.now(), q.settings.MaxEvents}, args...)
	err = q.try(ctx, func(ctx context.Context) (err error) {
		reply, err = s.Run(ctx, q.client, []string{q.prefix}, args...).Result()
		return err
	})
	return reply, err
}

// try repeats what failed for the connection's sake until it works, ctx ends or
// RetryFor is over.
func (q *Queue) try(ctx context.Context, once func(context.Context) error) error {
	end := time.Now().Add(q.retryFor)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		if err := q.wake.err(); err != nil {
			return err
		}
		err := once(ctx)
		if err == nil || !passing(err) {
			return explain(err)
		}
		wait := time.Duration(rand.Int64N(int64(pause)) + 1) //nolint:gosec // jitter
		if left := time.Until(end); left <= 0 || !sleep(ctx, q.wake.done, min(wait, left)) {
			return fmt.Errorf("%w: Redis at %s does not answer: %w", queue.ErrUnavailable, q.client.Options().Addr, errors.Join(err, context.Cause(ctx)))
		}
	}
}

// passing tells whether repeating may help: the connection broke, or Redis is
// starting or handing over to a replica.
func passing(err error) bool {
	if errors.Is(err, goredis.ErrClosed) {
		return false
	}
	answer, ok := errors.AsType[goredis.Error](err)
	if !ok {
		return true
	}
	for _, word := range []string{"LOADING ", "READONLY ", "MASTERDOWN ", "CLUSTERDOWN ", "TRYAGAIN ", "BUSY ", "EXECABORT ", "ERR max number of clients"} {
		if strings.HasPrefix(answer.Error(), word) {
			return true
		}
	}
	return false
}

// explain adds what to do about the answers that users can do something about.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, goredis.ErrClosed):
		return fmt.Errorf("%w: %w", queue.ErrClosed, err)
	case goredis.IsOOMError(err):
		return fmt.Errorf("the queue's Redis is full: raise maxmemory, or forget ended jobs sooner: %w: %w", store.ErrNoSpace, err)
	case strings.HasPrefix(err.Error(), "MISCONF "):
		return fmt.Errorf("the queue's Redis cannot write its file: free space on its disk: %w: %w", store.ErrNoSpace, err)
	case goredis.IsAuthError(err), goredis.IsPermissionError(err):
		return fmt.Errorf("%w: Redis refuses the user or password: %w", queue.ErrUnavailable, err)
	}
	return err
}

// sleep waits; false where ctx or done ended first.
func sleep(ctx context.Context, done <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-done:
	}
	return false
}
