package turns

import (
	"context"
	"sync"
	"time"
)

// turn is one that is held.
type turn struct {
	turns *Turns
	token string

	mu      sync.Mutex
	renewed time.Time // when the last renewal was asked for; guarded by mu, as what follows
	lost    bool
	ended   bool
	timer   *time.Timer
	asking  sync.WaitGroup
}

// held leaves a third of the TTL for a step that begins now.
func (t *turn) held() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.lost && time.Since(t.renewed) < t.turns.options.TTL*2/3
}

// keep renews the turn until stop. Most turns end before the first time.
func (t *turn) keep(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.lost {
		return
	}
	t.timer = time.AfterFunc(t.turns.options.TTL/5, func() {
		t.mu.Lock()
		if t.ended {
			t.mu.Unlock()
			return
		}
		t.asking.Add(1)
		t.mu.Unlock()
		defer t.asking.Done()
		t.renew(ctx)
		t.keep(ctx)
	})
}

// renew asks once. A Redis that does not answer is asked again by keep, until the
// turn has ended for lack of renewal.
func (t *turn) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, t.turns.options.TTL/5)
	defer cancel()
	asked := time.Now()
	mine, err := t.turns.renew.Run(ctx, t.turns.options.Client, t.turns.keys, t.token, t.turns.options.TTL.Milliseconds()).Int()
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err != nil:
	case mine == 0:
		t.lost = true
	default:
		t.renewed = asked
	}
}

// stop waits for a renewal that is under way, so that nothing of a turn goes on
// after it.
func (t *turn) stop() {
	t.mu.Lock()
	t.ended = true
	t.timer.Stop()
	t.mu.Unlock()
	t.asking.Wait()
}
