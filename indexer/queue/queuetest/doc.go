// Package queuetest holds the rules that every queue.Queue keeps, as tests.
package queuetest

import (
	"sync"
	"testing"
	"time"

	"sightline/indexer/queue"
)

// Open makes an empty queue. Test closes it.
type Open func(t testing.TB, s queue.Settings) queue.Queue

// Clock is a time that stands still until it is moved on. Its methods may be
// called at the same time.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes one that shows a time of 2026.
func NewClock() *Clock { return &Clock{now: time.UnixMilli(1_790_000_000_000).UTC()} }

// Now is for queue.Settings.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the time on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// closing closes a queue; a second time is harmless.
func closing(t testing.TB, q queue.Queue) {
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}
