package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// counterFloor is below every number that a counter is begun with: the clock in
// nanoseconds, 1.79e18 in 2026. So a counter that was lost, with a Redis
// restarted empty or an entry evicted, cannot come back to a number under which
// answers lie.
const counterFloor = 1 << 60

var errOwed = errors.New("a change of the catalogue has not reached the counter yet")

// Counter is the generation of a catalogue that several processes serve and
// change, kept in Redis. All methods may be called at the same time.
//
// A process sees another's Bump after MaxAge at most. Its own it sees at once.
type Counter struct {
	redis  *Redis
	maxAge time.Duration
	flight flight[uint64]

	mu    sync.Mutex // guards what follows
	value uint64     // the newest number known; 0 when none is
	asked time.Time  // when it was asked for
	owed  uint64     // Bumps that failed
}

// NewCounter makes the counter under r's prefix. What is known is used for
// maxAge; 0 stands for 1 s, which is one question to Redis a second however
// many searches there are.
func NewCounter(r *Redis, maxAge time.Duration) *Counter {
	if maxAge <= 0 {
		maxAge = time.Second
	}
	return &Counter{redis: r, maxAge: maxAge}
}

// Generation returns the number to put into keys. It is not known (ok is false)
// while Redis does not answer and what was known is older than MaxAge, or a
// Bump of this process has not reached Redis: then answers in memory may be
// outdated too, so search without any cache. It waits for Redis at most
// RedisOptions.Timeout.
func (c *Counter) Generation(ctx context.Context) (generation uint64, ok bool) {
	if value, ok := c.known(); ok {
		return value, true
	}
	value, _, err := c.flight.do(ctx, "", c.refresh)
	return value, err == nil
}

func (c *Counter) known() (uint64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value, c.value > 0 && c.owed == 0 && time.Since(c.asked) < c.maxAge
}

// Bump moves the generation on, so that no answer of before is found again.
// Call it when searches can see the change. An error says that Redis was not
// reached: this process then does without cached answers until it has made up
// for it, which every Generation tries, while others may give out old answers
// for as long as Redis keeps them (TTL). Bump tries at once, whatever the
// breaker says.
func (c *Counter) Bump(ctx context.Context) error {
	known, _ := c.snapshot()
	asked := time.Now()
	var value uint64
	err := c.redis.guard.try(ctx, func(ctx context.Context) (err error) {
		value, err = c.increment(ctx, known)
		return err
	})
	if err != nil {
		c.redis.failed(err)
		c.owe()
		return fmt.Errorf("bump generation: %w", err)
	}
	_, _ = c.settle(value, asked, 0) // an earlier Bump may be owed still; this one is done
	return nil
}

// refresh asks Redis, and makes up for Bumps that failed: one does for all.
func (c *Counter) refresh(ctx context.Context) (uint64, error) {
	known, owed := c.snapshot()
	asked := time.Now()
	var value uint64
	err := c.redis.guard.do(ctx, func(ctx context.Context) (err error) {
		if owed > 0 {
			value, err = c.increment(ctx, known)
		} else {
			value, err = c.get(ctx, known)
		}
		return err
	})
	if err != nil {
		c.redis.failed(err)
		return 0, fmt.Errorf("generation: %w", err)
	}
	return c.settle(value, asked, owed)
}

func (c *Counter) get(ctx context.Context, known uint64) (uint64, error) {
	value, err := c.redis.client.Get(ctx, c.name()).Uint64()
	if absent(err) != nil {
		return 0, err
	}
	return c.begun(ctx, value, known)
}

func (c *Counter) increment(ctx context.Context, known uint64) (uint64, error) {
	value, err := c.redis.client.Incr(ctx, c.name()).Uint64()
	if err != nil {
		return 0, err
	}
	return c.begun(ctx, value, known)
}

// begun begins the counter anew where it was lost: it is below every beginning,
// or has gone back, as when a replica took over that had not heard all.
func (c *Counter) begun(ctx context.Context, value, known uint64) (uint64, error) {
	if value >= max(known, counterFloor) {
		return value, nil
	}
	value = max(uint64(time.Now().UnixNano()), known+1)
	if err := c.redis.client.Set(ctx, c.name(), value, 0).Err(); err != nil {
		return 0, err
	}
	return value, nil
}

func (c *Counter) name() string { return c.redis.options.Prefix + "generation" }

func (c *Counter) snapshot() (value, owed uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value, c.owed
}

func (c *Counter) owe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owed++
}

// settle notes a number that was asked for at a time and made up for so many
// Bumps. It returns the newest one, since a Bump may have overtaken the
// question.
func (c *Counter) settle(value uint64, asked time.Time, paid uint64) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owed -= paid
	if value > c.value || (value == c.value && asked.After(c.asked)) {
		c.value, c.asked = value, asked
	}
	if c.owed > 0 { // by a Bump that failed meanwhile
		return 0, errOwed
	}
	return c.value, nil
}
