package ingest

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"sightline/indexer/queue"
)

// Schedule runs a job at once and then regularly.
type Schedule struct {
	Every time.Duration // from start to start; a run that takes longer is followed at once
	Log   *slog.Logger
	Job   func(ctx context.Context) error
}

// firstRetry and mostRetries: a run that failed is repeated after 10 s, 20 s …,
// at most Every later.
const (
	firstRetry  = 10 * time.Second
	mostRetries = 12
)

// Run returns when ctx ends. A failed run is logged and tried again, sooner than
// a good one would be repeated.
func (s Schedule) Run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		begin := time.Now()
		err := s.Job(ctx)
		wait := s.Every - time.Since(begin)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures = min(failures+1, mostRetries)
			wait = s.retry(failures)
			s.Log.ErrorContext(ctx, "scheduled feed failed", "error", err, "next_in", wait.Round(time.Second))
		default:
			failures = 0
		}
		_ = queue.Pause(ctx, wait) // the loop asks ctx itself
	}
}

// retry is the wait after so many failures, half of it by chance: programs that
// failed together must not come back together.
func (s Schedule) retry(failures int) time.Duration {
	most := min(s.Every, firstRetry<<(failures-1))
	return most/2 + rand.N(most/2+1) //nolint:gosec // for spreading, not for secrecy
}
