package cache

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
)

// stampSize is the length of the time that stands before a value in the cache.
const stampSize = 8

// Loaded is what a load found.
type Loaded struct {
	Value []byte
	Keep  bool // in the cache; false for an answer that another try may better, as one that failed open
}

// Load works an answer out. It gets the values of a caller's ctx, not its
// deadline: it needs one of its own. When its ctx ends, nobody waits any more.
type Load func(ctx context.Context) (Loaded, error)

// FetcherOptions tune a Fetcher. Zero values turn their part off.
type FetcherOptions struct {
	// FreshFor is the age from which a value is still given out, but worked out
	// anew in the background (stale-while-revalidate). It must be below the
	// cache's TTL to have a use; 0 means that a value is good until its TTL.
	FreshFor time.Duration
	// Refreshes bounds the background loads under way at a time, so that they
	// leave the machine to those who wait; 0 stands for 1.
	Refreshes int
}

// FetchStats counts what a Fetcher did since it was made.
type FetchStats struct {
	Loads     uint64 // calls of a load, those in the background too
	Joined    uint64 // callers who shared the lookup or load of another
	Stale     uint64 // values given out past FreshFor
	NotKept   uint64 // loads that said so
	Failed    uint64 // loads that ended with an error or a panic
	Abandoned uint64 // callers whose ctx ended before there was an answer
}

// Fetcher answers from a cache, or else by a load of which there is one a key
// at a time. All methods may be called at the same time.
type Fetcher struct {
	cache   Cache
	options FetcherOptions
	flight  flight[answer]

	mu         sync.Mutex // guards what follows
	refreshing map[string]context.CancelFunc
	closed     bool
	refreshes  sync.WaitGroup

	loads, joined, stale, notKept, failed, abandoned atomic.Uint64
}

type answer struct {
	value  []byte
	cached bool
	stale  bool
}

// NewFetcher makes a Fetcher in front of cache, which stays the caller's.
func NewFetcher(cache Cache, o FetcherOptions) *Fetcher {
	o.Refreshes = max(o.Refreshes, 1)
	return &Fetcher{cache: cache, options: o, refreshing: make(map[string]context.CancelFunc)}
}

// Fetch returns the value of key from the cache (cached is true) or else from
// load. Callers of one key share one lookup and one load: each leaves at once
// when its ctx ends, with ctx's error, while the load goes on for the others,
// and when all have left it is cancelled. An error of load goes to all who wait
// for it and is not kept; so does a panic, once for each of them. The value
// belongs to the caller.
//
// Callers who may share a load must be content with the same: what makes a
// difference, such as a deadline that leads to a lesser answer, belongs into
// the key or makes Keep false.
func (f *Fetcher) Fetch(ctx context.Context, key string, load Load) (value []byte, cached bool, err error) {
	a, joined, err := f.flight.do(ctx, key, func(ctx context.Context) (answer, error) { return f.find(ctx, key, load) })
	if joined {
		f.joined.Add(1)
	}
	if err != nil {
		if ctx.Err() != nil {
			f.abandoned.Add(1)
		}
		return nil, false, err
	}
	if a.stale {
		f.stale.Add(1)
		f.refresh(ctx, key, load)
	}
	return append([]byte{}, a.value...), a.cached, nil // others hold the same
}

// find looks into the cache and loads what is not there.
func (f *Fetcher) find(ctx context.Context, key string, load Load) (answer, error) {
	if stamped, ok := f.cache.Get(ctx, key); ok && len(stamped) >= stampSize {
		age := time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(stamped))))
		stale := f.options.FreshFor > 0 && age > f.options.FreshFor
		return answer{value: stamped[stampSize:], cached: true, stale: stale}, nil
	}
	value, err := f.load(ctx, key, load)
	return answer{value: value}, err
}

// load works the value out and keeps it.
func (f *Fetcher) load(ctx context.Context, key string, load Load) ([]byte, error) {
	f.loads.Add(1)
	failed := true // until it is known otherwise: load may panic
	defer func() {
		if failed {
			f.failed.Add(1)
		}
	}()
	began := time.Now() // the value may lack what happened since
	loaded, err := load(ctx)
	if err != nil {
		return nil, err
	}
	failed = false
	if !loaded.Keep {
		f.notKept.Add(1)
		return loaded.Value, nil
	}
	stamped := binary.BigEndian.AppendUint64(make([]byte, 0, stampSize+len(loaded.Value)), uint64(began.UnixNano()))
	f.cache.Set(ctx, key, append(stamped, loaded.Value...))
	return loaded.Value, nil
}

// refresh works key's value out in the background, unless that is being done or
// there are too many already: then a later caller's turn will come.
func (f *Fetcher) refresh(ctx context.Context, key string, load Load) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.refreshing[key]; ok || f.closed || len(f.refreshing) >= f.options.Refreshes {
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.refreshing[key] = cancel
	f.refreshes.Go(func() {
		defer f.refreshed(key, cancel)
		_, _ = f.load(ctx, key, load) // counted there; callers have the old value
	})
}

// refreshed ends a refresh. A panic is counted like an error, for it must not
// end the process on behalf of a caller who has an answer.
func (f *Fetcher) refreshed(key string, cancel context.CancelFunc) {
	_ = recover() // counted by load
	cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.refreshing, key)
}

// Stats counts what happened since the start; the cache has its own.
func (f *Fetcher) Stats() FetchStats {
	return FetchStats{
		Loads: f.loads.Load(), Joined: f.joined.Load(), Stale: f.stale.Load(),
		NotKept: f.notKept.Load(), Failed: f.failed.Load(), Abandoned: f.abandoned.Load(),
	}
}

// Close cancels all loads and waits until they have ended. Fetch goes on
// working after it, each call by itself. Close the cache later.
func (f *Fetcher) Close() error {
	f.mu.Lock()
	f.closed = true
	for _, cancel := range f.refreshing {
		cancel()
	}
	f.mu.Unlock()
	f.refreshes.Wait()
	f.flight.close()
	return nil
}
