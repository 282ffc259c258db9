package ingest_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"sightline/cmd/internal/ingest"
)

// A good run is repeated after Every, measured from its start; a failed one
// sooner, with growing pauses that Every bounds.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Duration
		begin := time.Now()
		failing := map[int]bool{1: true, 2: true, 3: true}
		s := ingest.Schedule{Every: 30 * time.Minute, Log: slog.New(slog.DiscardHandler), Job: func(context.Context) error {
			n := len(at)
			at = append(at, time.Since(begin))
			if n == 6 {
				cancel()
			}
			time.Sleep(4 * time.Minute)
			if failing[n] {
				return errors.New("shop is away")
			}
			return nil
		}}
		s.Run(ctx)
		if len(at) != 7 {
			t.Fatalf("ran at %v", at)
		}
		for i, gap := range []struct{ from, to time.Duration }{
			{30 * time.Minute, 30 * time.Minute},
			{4*time.Minute + 5*time.Second, 4*time.Minute + 10*time.Second},
			{4*time.Minute + 10*time.Second, 4*time.Minute + 20*time.Second},
			{4*time.Minute + 20*time.Second, 4*time.Minute + 40*time.Second},
			{30 * time.Minute, 30 * time.Minute},
			{30 * time.Minute, 30 * time.Minute},
		} {
			if d := at[i+1] - at[i]; d < gap.from || d > gap.to {
				t.Errorf("run %d came %s after the one before, want %s to %s", i+1, d, gap.from, gap.to)
			}
		}
	})
}

// A run that takes longer than Every is followed at once, never beside.
func TestScheduleOfLongRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 59*time.Minute)
		defer cancel()
		running, runs := 0, 0
		s := ingest.Schedule{Every: time.Minute, Log: slog.New(slog.DiscardHandler), Job: func(ctx context.Context) error {
			running++
			runs++
			if running != 1 {
				t.Error("two runs at once")
			}
			time.Sleep(10 * time.Minute)
			running--
			return nil
		}}
		s.Run(ctx)
		if runs != 6 {
			t.Errorf("%d runs of ten minutes within an hour", runs)
		}
	})
}
