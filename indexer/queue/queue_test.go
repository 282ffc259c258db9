package queue_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"sightline/indexer/queue"
)

func TestIDs(t *testing.T) {
	var ids queue.IDs
	start := time.UnixMilli(1_790_000_000_000)
	var made []string
	for i := range 5000 {
		made = append(made, ids.Next(start.Add(time.Duration(i/1000)*time.Millisecond)))
	}
	if !slices.IsSorted(made) || len(slices.Compact(made)) != 5000 {
		t.Fatal("IDs are not in the order they were made")
	}
	if id := made[0]; !queue.ValidID(id) || !strings.HasPrefix(id, "01M3250V00") {
		t.Fatalf("ID %q", id)
	}
	if other := new(queue.IDs).Next(start); other[:9] != made[0][:9] || other == made[0] {
		t.Fatalf("two makers at one time: %s, %s", made[0], other)
	}
	for _, bad := range []string{"", made[0][1:], made[0][1:] + "U", strings.ToLower(made[0])} {
		if queue.ValidID(bad) {
			t.Errorf("%q is no ID", bad)
		}
	}
}

func TestDelay(t *testing.T) {
	s, err := queue.Settings{Backoff: time.Second, MaxBackoff: time.Minute, Random: func() float64 { return 0.5 }}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for attempt, want := range map[int]time.Duration{0: 500, 1: 500, 2: 1000, 6: 16_000, 7: 30_000, 64: 30_000, 1_000_000: 30_000} {
		if got := s.Delay(attempt); got != want*time.Millisecond {
			t.Errorf("attempt %d: %v, want %v", attempt, got, want*time.Millisecond)
		}
	}
	s.Random = nil
	if s, err = s.WithDefaults(); err != nil {
		t.Fatal(err)
	}
	seen := make(map[time.Duration]bool)
	for range 100 {
		d := s.Delay(3)
		if d < 0 || d >= 4*time.Second {
			t.Fatalf("delay %v", d)
		}
		seen[d] = true
	}
	if len(seen) < 50 {
		t.Error("jobs that fail together come back together")
	}
}

func TestClip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, limit := string(rapid.SliceOf(rapid.Byte()).Draw(t, "s")), rapid.IntRange(0, 20).Draw(t, "limit")
		got := queue.Clip(s, limit)
		if len(got) > limit || !utf8.ValidString(got) || strings.ContainsRune(got, 0) {
			t.Fatalf("clipped to %q", got)
		}
		if clean := strings.ReplaceAll(s, "\x00", ""); utf8.ValidString(clean) && (len(clean) <= limit) != (got == clean) {
			t.Fatalf("%q, clipped to %d: %q", s, limit, got)
		}
	})
}

func TestSettings(t *testing.T) {
	if _, err := (queue.Settings{MaxAttempts: -1}).WithDefaults(); err == nil {
		t.Error("negative attempts")
	}
	if err := queue.Run(t.Context(), nil, nil, queue.RunOptions{Workers: -1}); err == nil {
		t.Error("negative workers")
	}
	s, err := queue.Settings{}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Prepare(new(queue.IDs), []queue.Job{{Kind: "good"}, {Key: strings.Repeat("x", 600), Payload: make([]byte, 1<<21), Version: -1}})
	for _, word := range []string{"job 2 of 2", "kind is missing", "key has 600 bytes", "store pictures elsewhere", "negative"} {
		if err == nil || !errors.Is(err, queue.ErrInvalid) || !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in: %v", word, err)
		}
	}
}
