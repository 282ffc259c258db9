package cache

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
)

// A breaker opens after this many failures in a row and tries again, with one
// operation, after that long. So an outage costs three operations their
// timeout, then one a second.
const (
	breakerFailures = 3
	breakerRest     = time.Second
)

// errLeft says that the caller went away before it could be known how Redis
// does.
var errLeft = errors.New("the caller left")

// guard lets operations through to Redis, one timeout each, and leaves Redis
// alone for a while after failures.
type guard struct {
	timeout time.Duration
	breaker *gobreaker.CircuitBreaker[struct{}]
	failure atomic.Pointer[error] // the last one
}

func newGuard(timeout time.Duration, changed func(string, error)) *guard {
	g := &guard{timeout: timeout}
	g.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:     breakerRest,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsExcluded:  func(err error) bool { return errors.Is(err, errLeft) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if changed != nil {
				changed(to.String(), g.lastFailure())
			}
		},
	})
	return g
}

// do runs op if Redis is in use. That a key is not there (redis.Nil) must not
// be op's error.
func (g *guard) do(ctx context.Context, op func(context.Context) error) error {
	_, err := g.breaker.Execute(func() (struct{}, error) { return struct{}{}, g.try(ctx, op) })
	return err
}

// try runs op within the timeout. A caller who leaves soon tells nothing about
// Redis; one who leaves after half the timeout has met a Redis that is too
// slow, and must not keep the breaker from opening for everyone.
func (g *guard) try(ctx context.Context, op func(context.Context) error) error {
	start := time.Now()
	opCtx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	err := op(opCtx)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && time.Since(start) < g.timeout/2 {
		return fmt.Errorf("%w: %w", errLeft, err)
	}
	err = fmt.Errorf("redis: %w", err)
	g.failure.Store(&err)
	return err
}

func (g *guard) lastFailure() error {
	if err := g.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// refused tells whether the operation was not tried, or ended by its caller.
func refused(err error) bool {
	return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) || errors.Is(err, errLeft)
}

// absent takes the answer that a key is not there for no error.
func absent(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}
