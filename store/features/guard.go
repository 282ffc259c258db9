package features

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// guard lets reads through to the bucket, with a timeout each, and leaves it
// alone for a while after failures, so that an outage costs a few searches the
// timeout, and the others nothing.
type guard struct {
	timeout time.Duration
	breaker *gobreaker.CircuitBreaker[struct{}]
	failure atomic.Pointer[error] // the last one
}

const (
	breakerFailures = 3 // in a row
	breakerRest     = time.Second
)

func newGuard(timeout time.Duration, changed func(string, error)) *guard {
	g := &guard{timeout: timeout}
	g.breaker = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout:      breakerRest,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool { return err == nil || errors.Is(err, fs.ErrNotExist) },
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if changed != nil {
				changed(to.String(), g.lastFailure())
			}
		},
	})
	return g
}

// do runs op. Its errors wrap ErrUnavailable, but for fs.ErrNotExist.
func (g *guard) do(ctx context.Context, op func(context.Context) error) error {
	_, err := g.breaker.Execute(func() (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, g.timeout)
		defer cancel()
		err := op(ctx)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			g.failure.Store(&err)
		}
		return struct{}{}, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return fmt.Errorf("%w: left alone for a second after: %w", ErrUnavailable, g.lastFailure())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

func (g *guard) lastFailure() error {
	if err := g.failure.Load(); err != nil {
		return *err
	}
	return errors.New("no failure yet")
}
