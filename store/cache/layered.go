package cache

import (
	"context"
	"errors"
)

// Layered asks a near cache first and a far one after, and keeps near what it
// found far. Give the near one the shorter TTL: an entry can reach the age of
// both together.
type Layered struct{ near, far Cache }

// NewLayered puts near, which is usually a Memory, in front of far, which is
// usually a Redis. It owns both.
func NewLayered(near, far Cache) *Layered { return &Layered{near: near, far: far} }

// Get is Cache's.
func (l *Layered) Get(ctx context.Context, key string) ([]byte, bool) {
	if value, ok := l.near.Get(ctx, key); ok {
		return value, true
	}
	value, ok := l.far.Get(ctx, key)
	if ok {
		l.near.Set(ctx, key, value)
	}
	return value, ok
}

// Set is Cache's.
func (l *Layered) Set(ctx context.Context, key string, value []byte) {
	l.near.Set(ctx, key, value)
	l.far.Set(ctx, key, value)
}

// Stats is Cache's: a hit of either is a hit, and only what both lack is a
// miss. Ask the layers themselves for their shares.
func (l *Layered) Stats() Stats {
	near, far := l.near.Stats(), l.far.Stats()
	far.Hits += near.Hits
	far.Errors += near.Errors
	far.Dropped += near.Dropped
	far.Evictions += near.Evictions
	far.Bytes += near.Bytes
	return far
}

// Close is Cache's.
func (l *Layered) Close() error { return errors.Join(l.far.Close(), l.near.Close()) }
