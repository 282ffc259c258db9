package cache

import (
	"context"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Redis is a Cache that several processes share. Writes are made by one
// goroutine from a queue, so Set never waits. A Redis that is down costs the
// first three operations up to Timeout each, then one a second.
type Redis struct {
	options  RedisOptions
	client   *redis.Client
	guard    *guard
	counters counters

	mu      sync.RWMutex // guards closed, and queue against sends after its close
	closed  bool
	queue   chan write
	writing sync.WaitGroup
}

type write struct {
	key   string // without the prefix
	frame []byte
}

// NewRedis makes a cache in the Redis at o.URL. It does not dial: a Redis that
// is not there yet is used when it comes. Errors are about the options only.
// ctx lends its values, not its end, to the writes; they end with Close.
func NewRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("cache in Redis: %w", err)
	}
	c, err := o.client()
	if err != nil {
		return nil, fmt.Errorf("cache in Redis: %w", err)
	}
	r := &Redis{options: o, client: redis.NewClient(c), guard: newGuard(o.Timeout, o.Changed), queue: make(chan write, o.Queue)}
	if o.Hook != nil {
		r.client.AddHook(o.Hook)
	}
	ctx = context.WithoutCancel(ctx)
	r.writing.Go(func() {
		for w := range r.queue {
			r.write(ctx, w)
		}
	})
	return r, nil
}

// Get is Cache's. It takes one round trip, and at most Timeout.
func (r *Redis) Get(ctx context.Context, key string) ([]byte, bool) {
	if ctx.Err() != nil {
		return r.counters.found(nil, false)
	}
	frame, err := r.read(ctx, key)
	if err != nil || len(frame) == 0 {
		r.failed(err)
		return r.counters.found(nil, false)
	}
	value, err := decodeFrame(key, frame)
	r.failed(err)
	return r.counters.found(value, err == nil)
}

// read returns what lies under key, nothing when nothing does. It asks for no
// more than we would have written, lest something huge of another program's be
// read into memory first.
func (r *Redis) read(ctx context.Context, key string) (frame []byte, err error) {
	err = r.guard.do(ctx, func(ctx context.Context) error {
		frame, err = r.client.GetRange(ctx, r.name(key), 0, int64(frameHeader+r.options.MaxEntry)).Bytes()
		return absent(err)
	})
	return frame, err
}

// name is the key in Redis; the counter of generations lies beside, not among,
// the values.
func (r *Redis) name(key string) string { return r.options.Prefix + "value:" + key }

// failed counts a failure of Redis.
func (r *Redis) failed(err error) {
	if err != nil && !refused(err) {
		r.counters.errors.Add(1)
	}
}

// Set is Cache's. It copies value into the queue and returns.
func (r *Redis) Set(_ context.Context, key string, value []byte) {
	if len(value) > r.options.MaxEntry || !r.enqueue(write{key, appendFrame(make([]byte, 0, frameHeader+len(value)), key, value)}) {
		r.counters.dropped.Add(1)
	}
}

func (r *Redis) enqueue(w write) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return false
	}
	select {
	case r.queue <- w:
		return true
	default:
		return false
	}
}

func (r *Redis) write(ctx context.Context, w write) {
	err := r.guard.do(ctx, func(ctx context.Context) error {
		return r.client.Set(ctx, r.name(w.key), w.frame, r.options.TTL).Err()
	})
	if refused(err) {
		r.counters.dropped.Add(1)
	}
	r.failed(err)
}

// Stats is Cache's. Evictions and bytes are Redis's own business, so they are
// 0.
func (r *Redis) Stats() Stats {
	s := r.counters.stats()
	s.Breaker = r.guard.breaker.State().String()
	return s
}

// Close is Cache's. With a Redis that does not answer it drops the queue after
// three timeouts, as the breaker opens.
func (r *Redis) Close() error {
	r.mu.Lock()
	again := r.closed
	r.closed = true
	if !again {
		close(r.queue)
	}
	r.mu.Unlock()
	r.writing.Wait()
	if again {
		return nil
	}
	if err := r.client.Close(); err != nil {
		return fmt.Errorf("close cache in Redis: %w", err)
	}
	return nil
}
