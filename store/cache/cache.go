package cache

import (
	"context"
	"sync/atomic"
	"time"
)

// Cache keeps values by key for a limited time. It may forget any of them at
// any moment. The package's tests check every rule given here.
//
// All methods may be called at the same time. Values returned belong to the
// caller; values passed in may be reused after the call.
type Cache interface {
	// Get returns the value of key. A failure of any kind is a miss, and so is
	// a ctx that has ended.
	Get(ctx context.Context, key string) (value []byte, ok bool)
	// Set keeps a copy of value, perhaps only after it has returned, and
	// perhaps not at all. It does so for a ctx that has ended too: the value
	// has been worked for already.
	Set(ctx context.Context, key string, value []byte)
	// Stats counts what happened since the start.
	Stats() Stats
	// Close writes what waits to be written and ends the cache's goroutines.
	// After it every Get misses and every Set is dropped. Closing twice is
	// harmless.
	Close() error
}

// Stats counts what a cache did since it was opened. Numbers of one call may be
// apart by operations under way.
type Stats struct {
	Hits      uint64
	Misses    uint64 // every Get that was no hit, for whatever reason
	Errors    uint64 // operations that Redis failed or answered with a value that is not ours
	Dropped   uint64 // values not kept: too large, queue full, breaker open, cache closed
	Evictions uint64 // entries that left memory by age or for lack of room
	Bytes     uint64 // held in memory now, by this package's reckoning
	Breaker   string // of Redis: "closed" (in use), "open" (left alone), "half-open" (being tried); "" without Redis
}

// What zero options stand for.
const (
	defaultTTL      = 10 * time.Minute
	defaultMaxEntry = 1 << 20 // bytes; an answer of 100 hits with long descriptions is 200 KB
)

// counters are the parts of Stats that are counted one by one.
type counters struct {
	hits, misses, errors, dropped atomic.Uint64
}

func (c *counters) stats() Stats {
	return Stats{Hits: c.hits.Load(), Misses: c.misses.Load(), Errors: c.errors.Load(), Dropped: c.dropped.Load()}
}

// found counts a Get and passes its result on.
func (c *counters) found(value []byte, ok bool) ([]byte, bool) {
	if !ok {
		c.misses.Add(1)
		return nil, false
	}
	c.hits.Add(1)
	return value, true
}
