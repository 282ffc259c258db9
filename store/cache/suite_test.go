package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"sightline/store/cache"
)

// limits are what a cache under test is opened with. The suite stores little,
// so nothing is evicted for lack of room.
type limits struct {
	ttl      time.Duration
	maxEntry int
}

// runSuite checks every rule of cache.Cache. open returns a new empty cache;
// the suite closes it.
func runSuite(t *testing.T, open func(t *testing.T, l limits) cache.Cache) {
	for _, rule := range []struct {
		name  string
		check func(t *testing.T, c cache.Cache)
	}{
		{"unknown key", checkUnknown},
		{"set and get", checkSetGet},
		{"replace", checkReplace},
		{"ownership", checkOwnership},
		{"too large", checkTooLarge},
		{"ended context", checkEnded},
		{"many at once", checkConcurrent},
		{"counts", checkCounts},
		{"closed", checkClosed},
	} {
		t.Run(rule.name, func(t *testing.T) {
			c := open(t, limits{ttl: time.Minute, maxEntry: 4096})
			rule.check(t, c)
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	t.Run("expires", func(t *testing.T) {
		c := open(t, limits{ttl: 300 * time.Millisecond, maxEntry: 4096})
		defer c.Close()
		checkExpires(t, c)
	})
}

// put sets a value and waits until it can be read.
func put(t *testing.T, c cache.Cache, key, value string) {
	t.Helper()
	c.Set(t.Context(), key, []byte(value))
	eventually(t, "the value of "+key, func() bool {
		got, ok := c.Get(t.Context(), key)
		return ok && string(got) == value
	})
}

func wantMiss(t *testing.T, c cache.Cache, key string) {
	t.Helper()
	if value, ok := c.Get(t.Context(), key); ok || value != nil {
		t.Errorf("get %.40q: got %.40q, %v; want a miss", key, value, ok)
	}
}

func wantValue(t *testing.T, c cache.Cache, key, want string) {
	t.Helper()
	if value, ok := c.Get(t.Context(), key); !ok || string(value) != want {
		t.Errorf("get %.40q: got %.40q, %v; want %.40q", key, value, ok, want)
	}
}

func checkUnknown(t *testing.T, c cache.Cache) {
	wantMiss(t, c, "a")
	wantMiss(t, c, "")
}

func checkSetGet(t *testing.T, c cache.Cache) {
	values := map[string]string{
		"plain": "value", "empty": "", "": "of the empty key", "binary": "\x00\x01\r\n$-1\r\n\xff",
		"key with \x00\r\n and spaces": "x", "largest": strings.Repeat("z", 4096),
	}
	for key, value := range values {
		put(t, c, key, value)
	}
	for key, value := range values {
		wantValue(t, c, key, value)
	}
	wantMiss(t, c, "plai")
	wantMiss(t, c, "plain ")
}

func checkReplace(t *testing.T, c cache.Cache) {
	put(t, c, "a", "first, and longer than the second")
	put(t, c, "a", "second")
	put(t, c, "a", "")
}

func checkOwnership(t *testing.T, c cache.Cache) {
	mine := []byte("value")
	c.Set(t.Context(), "a", mine)
	copy(mine, "VALUE")
	eventually(t, "the value", func() bool { _, ok := c.Get(t.Context(), "a"); return ok })
	wantValue(t, c, "a", "value")
	got, _ := c.Get(t.Context(), "a")
	copy(got, "XXXXX")
	wantValue(t, c, "a", "value")
}

func checkTooLarge(t *testing.T, c cache.Cache) {
	before := c.Stats().Dropped
	c.Set(t.Context(), "large", make([]byte, 4097))
	put(t, c, "after", "it") // so that a queued write would have come through
	wantMiss(t, c, "large")
	if c.Stats().Dropped == before {
		t.Error("the value that was too large is not counted as dropped")
	}
}

func checkEnded(t *testing.T, c cache.Cache) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c.Set(ended, "a", []byte("worked for"))
	eventually(t, "the value set with an ended context", func() bool { _, ok := c.Get(t.Context(), "a"); return ok })
	errors := c.Stats().Errors
	if _, ok := c.Get(ended, "a"); ok {
		t.Error("a Get with an ended context hit")
	}
	if c.Stats().Errors != errors {
		t.Error("an ended context counts as an error of the cache")
	}
}

func checkConcurrent(t *testing.T, c cache.Cache) {
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 100 {
				key := fmt.Sprint("key ", (g+i)%10)
				c.Set(t.Context(), key, []byte(strings.Repeat(key, 1+i)))
				if value, ok := c.Get(t.Context(), key); ok && !bytes.Equal(value, []byte(strings.Repeat(key, len(value)/len(key)))) {
					t.Errorf("the value of %q is %.40q", key, value)
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "the last value", func() bool { // a queue may be full of the others still
		c.Set(t.Context(), "key 0", []byte("at the end"))
		value, ok := c.Get(t.Context(), "key 0")
		return ok && string(value) == "at the end"
	})
}

func checkCounts(t *testing.T, c cache.Cache) {
	put(t, c, "a", "value")
	before := c.Stats()
	wantValue(t, c, "a", "value")
	wantValue(t, c, "a", "value")
	wantMiss(t, c, "b")
	after := c.Stats()
	if hits, misses := after.Hits-before.Hits, after.Misses-before.Misses; hits != 2 || misses != 1 {
		t.Errorf("2 hits and 1 miss counted as %d and %d", hits, misses)
	}
	if after.Errors != 0 || after.Dropped != 0 {
		t.Errorf("%d errors and %d drops counted where there were none", after.Errors, after.Dropped)
	}
}

func checkClosed(t *testing.T, c cache.Cache) {
	put(t, c, "a", "value")
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	wantMiss(t, c, "a")
	dropped := c.Stats().Dropped
	c.Set(t.Context(), "b", []byte("value"))
	wantMiss(t, c, "b")
	if c.Stats().Dropped == dropped {
		t.Error("a Set after Close is not counted as dropped")
	}
}

func checkExpires(t *testing.T, c cache.Cache) {
	var start time.Time
	eventually(t, "the value", func() bool { // again where the machine was busy for longer than it lives
		start = time.Now()
		c.Set(t.Context(), "a", []byte("value"))
		for time.Since(start) < 300*time.Millisecond {
			if _, ok := c.Get(t.Context(), "a"); ok {
				return true
			}
		}
		return false
	})
	eventually(t, "the value to expire", func() bool { _, ok := c.Get(t.Context(), "a"); return !ok })
	if age := time.Since(start); age < 300*time.Millisecond {
		t.Errorf("the value expired after %v, not 300ms", age)
	}
}
