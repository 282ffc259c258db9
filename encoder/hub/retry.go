package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// progressMark is how much a download must have gained since its attempts were
// last counted from one: a slow line that breaks often still ends.
const progressMark = 1 << 20

// retry calls do until it succeeds, fails for good, or has failed Attempts
// times without gaining progressMark. at is how far it is.
func (c *Client) retry(ctx context.Context, what string, at func() int64, do func(context.Context) error) error {
	mark := at()
	for n := 1; ; n++ {
		err := do(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if now := at(); now >= mark+progressMark {
			mark, n = now, 1
		}
		if !c.again(err) {
			return fmt.Errorf("%s: %w", what, err)
		}
		if n >= c.options.Attempts {
			return fmt.Errorf("%s: %w (tried %d times)", what, err, n)
		}
		wait := c.pause(n, err)
		c.options.Log.WarnContext(ctx, "trying again", "what", what, "error", err, "wait", wait.Round(time.Millisecond))
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// pause is what the server asks for, else a random part of a bound that
// doubles, so that programs who failed together do not come back together.
func (c *Client) pause(n int, err error) time.Duration {
	if status, ok := errors.AsType[*StatusError](err); ok && status.RetryAfter > 0 {
		return status.RetryAfter
	}
	bound := min(c.options.Backoff<<min(n-1, 16), c.options.MaxBackoff)
	return bound/2 + rand.N(bound/2+1) //nolint:gosec // spreads load, hides nothing
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
