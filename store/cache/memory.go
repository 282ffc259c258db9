package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/maypok86/otter/v2/stats"
)

// entryOverhead is what an entry costs beyond its key and value, in bytes: 118
// to 123 by measurement with 20,000 entries.
const entryOverhead = 128

// maxWeight bounds one entry: otter counts an entry's weight in 32 bits.
const maxWeight = 1 << 30

// MemoryOptions bound a Memory.
type MemoryOptions struct {
	MaxBytes int           // of all entries with their keys and bookkeeping; 0 stands for 64 MiB
	TTL      time.Duration // from the last Set of a key; 0 stands for 10 minutes
	MaxEntry int           // bytes of one value; larger ones are dropped; 0 stands for 1 MiB, or MaxBytes where that is less
}

func (o MemoryOptions) withDefaults() (MemoryOptions, error) {
	if o.MaxBytes < 0 || o.TTL < 0 || o.MaxEntry < 0 {
		return o, errors.New("cache in memory: MaxBytes, TTL and MaxEntry must not be negative")
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
	}
	if o.TTL == 0 {
		o.TTL = defaultTTL
	}
	if o.MaxEntry == 0 {
		o.MaxEntry = defaultMaxEntry
	}
	o.MaxEntry = min(o.MaxEntry, o.MaxBytes, maxWeight/2)
	return o, nil
}

// Memory is a Cache in this process. It keeps what is asked for often
// (W-TinyLFU) and starts empty.
type Memory struct {
	entries  *otter.Cache[string, []byte]
	maxEntry int
	closed   atomic.Bool
	counters counters
}

// NewMemory makes an empty cache. It holds one goroutine, which removes what
// has expired once a second, until Close.
func NewMemory(o MemoryOptions) (*Memory, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	entries, err := otter.New(&otter.Options[string, []byte]{
		MaximumWeight:    uint64(o.MaxBytes),
		Weigher:          func(key string, value []byte) uint32 { return uint32(len(key) + len(value) + entryOverhead) },
		ExpiryCalculator: otter.ExpiryWriting[string, []byte](o.TTL),
		StatsRecorder:    stats.NewCounter(),
	})
	if err != nil {
		return nil, fmt.Errorf("cache in memory: %w", err)
	}
	return &Memory{entries: entries, maxEntry: o.MaxEntry}, nil
}

// Get is Cache's. A hit of 4 KB takes 1.2 µs, most of it the copy.
func (m *Memory) Get(ctx context.Context, key string) ([]byte, bool) {
	if ctx.Err() != nil || m.closed.Load() {
		return m.counters.found(nil, false)
	}
	value, ok := m.entries.GetIfPresent(key)
	if !ok {
		return m.counters.found(nil, false)
	}
	return m.counters.found(bytes.Clone(value), true)
}

// Set is Cache's. What it keeps can be read when it returns.
func (m *Memory) Set(_ context.Context, key string, value []byte) {
	if len(value) > m.maxEntry || len(key) > maxWeight/4 || m.closed.Load() {
		m.counters.dropped.Add(1)
		return
	}
	m.entries.Set(key, append(make([]byte, 0, len(value)), value...)) // not nil for an empty value
}

// Stats is Cache's.
func (m *Memory) Stats() Stats {
	s := m.counters.stats()
	s.Evictions, s.Bytes = m.entries.Stats().Evictions, m.entries.WeightedSize()
	return s
}

// Close is Cache's. It frees the entries.
func (m *Memory) Close() error {
	if !m.closed.Swap(true) {
		m.entries.StopAllGoroutines()
		m.entries.InvalidateAll()
	}
	return nil
}
