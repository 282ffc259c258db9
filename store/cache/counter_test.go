package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"sightline/store/cache"
	"sightline/store/cache/redistest"
)

// newCounter makes the counter of one process.
func newCounter(t *testing.T, s *redistest.Server, maxAge time.Duration) *cache.Counter {
	t.Helper()
	return cache.NewCounter(newRedis(t, cache.RedisOptions{URL: s.URL(), Timeout: patient}), maxAge)
}

func mustGeneration(t *testing.T, c *cache.Counter) uint64 {
	t.Helper()
	generation, ok := c.Generation(t.Context())
	if !ok || generation == 0 {
		t.Fatalf("generation: got %d, %v", generation, ok)
	}
	return generation
}

func mustBump(t *testing.T, c *cache.Counter) {
	t.Helper()
	if err := c.Bump(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestCounter(t *testing.T) {
	s := redistest.Start(t)
	a, b := newCounter(t, s, 200*time.Millisecond), newCounter(t, s, 200*time.Millisecond)
	first := mustGeneration(t, a)
	if got := mustGeneration(t, b); got != first {
		t.Errorf("two processes have generations %d and %d", first, got)
	}
	mustBump(t, a)
	if got := mustGeneration(t, a); got <= first {
		t.Errorf("after its own Bump a process has generation %d, before %d", got, first)
	}
	time.Sleep(200 * time.Millisecond)
	if got := mustGeneration(t, b); got != mustGeneration(t, a) {
		t.Errorf("200ms after another's Bump a process has generation %d, not %d", got, mustGeneration(t, a))
	}
}

// What is known is used for maxAge, with no question to Redis.
func TestCounterAsksOnceAnAge(t *testing.T) {
	s := redistest.Start(t)
	c := newCounter(t, s, time.Hour)
	first := mustGeneration(t, c)
	mustBump(t, newCounter(t, s, time.Hour))
	if got := mustGeneration(t, c); got != first {
		t.Errorf("generation %d within its age, want %d", got, first)
	}
}

// A counter that was lost or set back begins at a number never used before.
func TestCounterNeverComesBack(t *testing.T) {
	s := redistest.Start(t)
	c := newCounter(t, s, time.Nanosecond)
	used := map[uint64]string{mustGeneration(t, c): "the beginning"}
	lose := map[string]func(){
		"deleted":        func() { s.Do("DEL sightline:generation") },
		"set back":       func() { s.Do("DECRBY sightline:generation 5") },
		"begun by INCR":  func() { s.Do("DEL sightline:generation"); s.Do("INCR sightline:generation") },
		"restarted":      func() { s.Kill(); s.Restart() },
		"deleted, Bump":  func() { s.Do("DEL sightline:generation"); mustBump(t, c) },
		"set back, Bump": func() { s.Do("DECRBY sightline:generation 5"); mustBump(t, c) },
	}
	for name, f := range lose {
		f()
		eventually(t, "the generation after "+name, func() bool { _, ok := c.Generation(t.Context()); return ok })
		generation := mustGeneration(t, c)
		if before, ok := used[generation]; ok {
			t.Errorf("%s: generation %d again, as after %s", name, generation, before)
		}
		used[generation] = name
		if got := mustGeneration(t, newCounter(t, s, time.Hour)); got != generation {
			t.Errorf("%s: a new process has generation %d, not %d", name, got, generation)
		}
	}
}

// While Redis hangs, what is in memory is given out for maxAge and no longer,
// although it is there.
func TestCounterDoesNotOutliveRedis(t *testing.T) {
	const maxAge = 500 * time.Millisecond
	s := redistest.Start(t)
	r := newRedis(t, cache.RedisOptions{URL: s.URL()})
	c := cache.NewCounter(r, maxAge)
	layered := cache.NewLayered(newMemory(t, cache.MemoryOptions{}), r)
	// lookup is what a search does.
	lookup := func() (known, hit bool) {
		generation, ok := c.Generation(t.Context())
		if !ok {
			return false, false
		}
		key, err := cache.Key{Fingerprint: "model", Generation: generation, Request: "red shoes"}.Hash()
		if err != nil {
			t.Fatal(err)
		}
		_, hit = layered.Get(t.Context(), key)
		if !hit {
			layered.Set(t.Context(), key, []byte("answer"))
		}
		return true, hit
	}
	eventually(t, "a hit", func() bool { _, hit := lookup(); return hit })
	s.Hang()
	end := time.Now().Add(maxAge)
	eventually(t, "the generation to be unknown", func() bool {
		late := time.Now().After(end)
		known, _ := lookup()
		if known && late {
			t.Fatalf("the generation is taken for known more than %v after Redis hung", maxAge)
		}
		return !known
	})
	for range 50 {
		if known, hit := lookup(); known || hit {
			t.Fatalf("Redis hangs: generation known %v, hit %v", known, hit)
		}
	}
	s.Wake()
	eventually(t, "hits again", func() bool { _, hit := lookup(); return hit })
}

// A Bump that Redis did not take, because it hangs or because it is full, is made
// up for before anything is cached again.
func TestCounterMakesUpForBumps(t *testing.T) {
	t.Run("hung", func(t *testing.T) { checkMakesUp(t, (*redistest.Server).Hang, (*redistest.Server).Wake) })
	t.Run("full", func(t *testing.T) {
		checkMakesUp(t, func(s *redistest.Server) { s.Do("CONFIG SET maxmemory 1") }, func(s *redistest.Server) { s.Do("CONFIG SET maxmemory 0") })
	})
}

func checkMakesUp(t *testing.T, fail, mend func(*redistest.Server)) {
	s := redistest.Start(t)
	r := newRedis(t, cache.RedisOptions{URL: s.URL()})
	c, other := cache.NewCounter(r, time.Hour), newCounter(t, s, time.Nanosecond)
	eventually(t, "the generation", func() bool { _, ok := c.Generation(t.Context()); return ok })
	before := mustGeneration(t, other)
	fail(s)
	for range 3 {
		if err := c.Bump(t.Context()); err == nil {
			t.Fatal("a Bump succeeded")
		}
	}
	if generation, ok := c.Generation(t.Context()); ok {
		t.Errorf("generation %d is taken for known although a Bump failed", generation)
	}
	mend(s)
	eventually(t, "the generation", func() bool { _, ok := c.Generation(t.Context()); return ok })
	if got := mustGeneration(t, other); got <= before {
		t.Errorf("the others' generation is %d as before the Bumps (%d)", got, before)
	}
	if got, _ := c.Generation(t.Context()); got != mustGeneration(t, other) {
		t.Errorf("generation %d here, %d at the others", got, mustGeneration(t, other))
	}
}

// A caller who leaves makes neither the others wait nor the breaker open.
func TestCounterLeavers(t *testing.T) {
	s := redistest.Start(t)
	r := newRedis(t, cache.RedisOptions{URL: s.URL(), Timeout: patient})
	c := cache.NewCounter(r, time.Nanosecond)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 5 {
		if _, ok := c.Generation(ended); ok {
			t.Error("a caller whose ctx has ended got a generation")
		}
		if err := c.Bump(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Bump with an ended ctx: %v", err)
		}
	}
	if got := r.Stats(); got.Breaker != "closed" || got.Errors != 0 {
		t.Errorf("callers who left count as failures of Redis: %+v", got)
	}
	mustGeneration(t, c)
}

// Bumps and questions of many processes at once: every Bump counts, and nobody
// sees the number go back.
func TestCounterConcurrent(t *testing.T) {
	s := redistest.Start(t)
	first := mustGeneration(t, newCounter(t, s, time.Hour))
	var wg sync.WaitGroup
	for range 3 {
		c := newCounter(t, s, time.Millisecond)
		for range 3 {
			wg.Go(func() {
				for range 30 {
					before, _ := c.Generation(t.Context())
					if err := c.Bump(t.Context()); err != nil {
						t.Error(err)
					}
					if after, ok := c.Generation(t.Context()); !ok || after <= before {
						t.Errorf("generation %d, %v after a Bump from %d", after, ok, before)
					}
				}
			})
		}
	}
	wg.Wait()
	if got, want := mustGeneration(t, newCounter(t, s, time.Hour)), first+3*3*30; got != want {
		t.Errorf("generation %d after all, want %d", got, want)
	}
}

func ExampleKey_Hash() {
	type request struct {
		Text string
		K    int
	}
	a, _ := cache.Key{Fingerprint: "blip-base", Generation: 7, Request: request{"red shoes", 10}}.Hash()
	b, _ := cache.Key{Fingerprint: "blip-base", Generation: 8, Request: request{"red shoes", 10}}.Hash()
	fmt.Println(len(a), a == b)
	// Output: 64 false
}
