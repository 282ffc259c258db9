package rerank_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/rerank"
)

// TestAhead: depth gives way to what goes before all pairs, early and to nothing,
// and the reason says so.
func TestAhead(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		ahead        time.Duration
		least, most  int
		stopped      string
		withoutAtAll bool
	}{
		{0, 64, 64, "", false},
		{200 * ms, 64, 64, "", false},                 // a fifth of the time
		{400 * ms, 40, 48, rerank.StoppedBusy, false}, // 0.72 of the pairs
		{700 * ms, 8, 16, rerank.StoppedBusy, false},  // 0.18 of the pairs
		{990 * ms, 4, 4, rerank.StoppedBusy, false},   // the smallest cut is worth most
		{1200 * ms, 0, 0, rerank.StoppedBusy, false},  // more than there is
		{1200 * ms, 64, 64, "", true},                 // no deadline, no end
	} {
		synctest.Test(t, func(t *testing.T) {
			var ahead atomic.Int64
			dev := &device{pair: ms}
			r := rerank.New(dev, dev, rerank.Options{Schedule: rerank.SchedulerOptions{Ahead: func() time.Duration { return time.Duration(ahead.Load()) }}})
			defer closed(t, r)
			r.Rerank(t.Context(), text(1), candidates(16)) // a first look at the pace
			ahead.Store(int64(tt.ahead))
			ctx := t.Context()
			if !tt.withoutAtAll {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Second)
				defer cancel()
			}
			out := r.Rerank(ctx, text(2), candidates(64))
			if out.Scored < tt.least || out.Scored > tt.most || out.Of != 64 || out.Stopped != tt.stopped {
				t.Errorf("%v ahead: %d of %d read, %q; want %d to %d, %q", tt.ahead, out.Scored, out.Of, out.Stopped, tt.least, tt.most, tt.stopped)
			}
			checkHits(t, out)
		})
	}
}

// TestFewPlaces: where places run out before time does, depth gives way to that too.
// Without, two in three went unread here; now it is those that come while the first
// ones, which had all to themselves, are still read.
func TestFewPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dev := &device{pair: time.Millisecond}
		r := rerank.New(dev, dev, rerank.Options{Schedule: rerank.SchedulerOptions{Queue: 16}})
		r.Rerank(t.Context(), text(1), candidates(16))
		var wg sync.WaitGroup
		var s seen
		for n := range int64(200) { // three times what can be read whole, far below what time allows
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				s.note(0, r.Rerank(ctx, text(2+n), candidates(48)))
			})
			time.Sleep(16 * time.Millisecond)
		}
		wg.Wait()
		closed(t, r)
		if s.none > 20 || s.partly < 100 {
			t.Errorf("%d whole, %d in part, %d not at all", s.whole, s.partly, s.none)
		}
	})
}
