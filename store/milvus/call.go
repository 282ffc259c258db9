package milvus

import (
	"context"
	"math/rand/v2"
	"time"
)

// call makes one call, again and again while its error is one that passes, such
// as a restart of the server. Everything that is called may be repeated without
// harm. It ends with ctx or after timeout.
func (s *server) call(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		err := do(bounded)
		if err == nil {
			return nil
		}
		if !isTransient(err) || !pause(bounded, attempt) {
			return explain(ctx, s.options.Address, err)
		}
		if attempt == 0 {
			s.options.Log.WarnContext(ctx, "Milvus call failed; trying again", "error", err)
		}
	}
}

// once makes a call that is not worth repeating.
func (s *server) once(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := do(bounded); err != nil {
		return explain(ctx, s.options.Address, err)
	}
	return nil
}

// pause waits 50 to 100 ms, twice as long after each try, up to 1 s. Many
// clients of a server that comes back must not all call at once. It returns
// false when there is no time left.
func pause(ctx context.Context, attempt int) bool {
	wait := min(50*time.Millisecond<<min(attempt, 10), 500*time.Millisecond)
	timer := time.NewTimer(wait + rand.N(wait)) //nolint:gosec // spreads clients; nothing is secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// reloads is how often a call may find its collection not loaded: each time is a
// restart of Milvus Lite since the load before.
const reloads = 5

// read makes a reading call on a collection. Milvus Lite forgets in a restart
// which collections were loaded, so that they are loaded again here.
func (s *server) read(ctx context.Context, collection string, do func(context.Context) error) error {
	err := s.call(ctx, s.options.SearchTimeout, do)
	for range reloads {
		if !isNotLoaded(err) {
			break
		}
		if err := s.load(ctx, collection); err != nil {
			return err
		}
		err = s.call(ctx, s.options.SearchTimeout, do)
	}
	return err
}

// write makes a writing call, which goes on when ctx ends: whether it was
// carried out would not be known, and with it neither the generation nor
// whether a read beside it sees half of it. So a write ends after WriteTimeout
// at the latest.
func (s *server) write(ctx context.Context, do func(context.Context) error) error {
	return s.call(context.WithoutCancel(ctx), s.options.WriteTimeout, func(bounded context.Context) error {
		if err := inTurn(ctx); err != nil {
			return err
		}
		return do(bounded)
	})
}
