package cache_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"sightline/store/cache"
	"sightline/store/cache/redistest"
)

func TestRedis(t *testing.T) {
	s := redistest.Start(t)
	var p prefixes
	runSuite(t, func(t *testing.T, l limits) cache.Cache {
		return newRedis(t, cache.RedisOptions{URL: s.URL(), Prefix: p.next(), TTL: l.ttl, MaxEntry: l.maxEntry, Timeout: patient})
	})
}

func TestLayeredRedis(t *testing.T) {
	s := redistest.Start(t)
	var p prefixes
	runSuite(t, func(t *testing.T, l limits) cache.Cache {
		near := newMemory(t, cache.MemoryOptions{TTL: l.ttl / 4, MaxEntry: l.maxEntry})
		return cache.NewLayered(near, newRedis(t, cache.RedisOptions{URL: s.URL(), Prefix: p.next(), TTL: l.ttl, MaxEntry: l.maxEntry, Timeout: patient}))
	})
}

// patient is a timeout for tests in which Redis is well and the machine may be
// busy.
const patient = 20 * time.Second

// Two processes share values; two prefixes do not.
func TestRedisShares(t *testing.T) {
	s := redistest.Start(t)
	a := newRedis(t, cache.RedisOptions{URL: s.URL(), Timeout: patient})
	b := newRedis(t, cache.RedisOptions{URL: s.URL() + "/0", Timeout: patient})
	put(t, a, "key", "value")
	wantValue(t, b, "key", "value")
	wantMiss(t, newRedis(t, cache.RedisOptions{URL: s.URL(), Prefix: "other:", Timeout: patient}), "key")
	wantMiss(t, newRedis(t, cache.RedisOptions{URL: s.URL() + "/3", Timeout: patient}), "key")
}

// What another program wrote, and what was cut, changed or moved, is a miss.
func TestRedisForeignValues(t *testing.T) {
	s := redistest.Start(t)
	r := newRedis(t, cache.RedisOptions{URL: s.URL(), MaxEntry: 1000, Timeout: patient})
	put(t, r, "key", "value")
	put(t, r, "other", "value of other")
	for _, damage := range []string{
		"SET sightline:value:key text", `SET sightline:value:key ""`, "COPY sightline:value:other sightline:value:key REPLACE",
		"SETRANGE sightline:value:key 6 X", "APPEND sightline:value:key X", "SETRANGE sightline:value:key 100000 X", "HSET hash a b",
		"RENAME hash sightline:value:key",
	} {
		s.Do(damage)
		if !strings.HasPrefix(damage, "HSET") {
			wantMiss(t, r, "key")
		}
		if strings.HasPrefix(damage, "SETRANGE") || strings.HasPrefix(damage, "APPEND") {
			s.Do("DEL sightline:value:key")
			put(t, r, "key", "value")
		}
	}
	if got := r.Stats().Errors; got != 6 { // an empty text is no error but nothing
		t.Errorf("%d errors counted, want 6", got)
	}
	put(t, r, "key", "written over whatever was there")
}

// Of something huge at a key of ours no more is read than we would have written.
func TestRedisHugeForeignValue(t *testing.T) {
	const huge = 64 << 20
	s := redistest.Start(t)
	r := newRedis(t, cache.RedisOptions{URL: s.URL(), MaxEntry: 1000, Timeout: patient})
	wantMiss(t, r, "key") // the connection is made
	s.Do(fmt.Sprintf("SETRANGE sightline:value:key %d X", huge))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	wantMiss(t, r, "key")
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > huge/4 {
		t.Errorf("a Get took %d bytes for a foreign value of %d", got, huge)
	}
}

func TestRedisPassword(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "open sesame")
	put(t, newRedis(t, cache.RedisOptions{URL: s.URL(), Password: "open sesame", Timeout: patient}), "key", "value")
	var causes []error
	wrong := newRedis(t, cache.RedisOptions{
		URL: s.URL(), Password: "wrong secret", Timeout: patient,
		Changed: func(_ string, cause error) { causes = append(causes, cause) },
	})
	for range 3 {
		wantMiss(t, wrong, "key")
	}
	if len(causes) != 1 || !strings.Contains(causes[0].Error(), "WRONGPASS") || strings.Contains(fmt.Sprint(causes), "secret") {
		t.Errorf("the causes told are %v", causes)
	}
	if s := wrong.Stats(); s.Breaker != "open" || s.Errors != 3 {
		t.Errorf("%+v, want an open breaker after 3 errors", s)
	}
}

// Close writes what waits, and a full queue drops instead of waiting.
func TestRedisQueue(t *testing.T) {
	s := redistest.Start(t)
	r := newRedis(t, cache.RedisOptions{URL: s.URL(), Queue: 50, Timeout: patient})
	s.Hang()
	start := time.Now()
	for i := range 200 {
		r.Set(t.Context(), fmt.Sprint("key ", i), []byte("value"))
	}
	if took := time.Since(start); took > patient/4 {
		t.Errorf("200 Sets took %v with a Redis that hangs", took)
	}
	if got := r.Stats().Dropped; got < 149 || got > 150 { // the writer holds one
		t.Errorf("%d values dropped of 200 with a queue of 50", got)
	}
	s.Wake()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	again := newRedis(t, cache.RedisOptions{URL: s.URL(), Timeout: patient})
	for i := range 50 {
		wantValue(t, again, fmt.Sprint("key ", i), "value")
	}
}

// A full Redis keeps answering reads, and writes that it refuses do not open
// the breaker between them.
func TestRedisFull(t *testing.T) {
	s := redistest.Start(t)
	r := newRedis(t, cache.RedisOptions{URL: s.URL(), Timeout: patient})
	put(t, r, "key", "value")
	s.Do("CONFIG SET maxmemory 1")
	for i := range 5 {
		r.Set(t.Context(), "more", []byte("value"))
		eventually(t, "the refused write", func() bool { return r.Stats().Errors == uint64(i+1) })
		wantValue(t, r, "key", "value")
	}
	if s := r.Stats(); s.Breaker != "closed" {
		t.Errorf("breaker %s after writes that were refused", s.Breaker)
	}
}

func BenchmarkRedisGet(b *testing.B) {
	s := redistest.Start(b)
	r := newRedis(b, cache.RedisOptions{URL: s.URL(), Timeout: patient})
	r.Set(b.Context(), "key", make([]byte, 4096))
	eventually(b, "the value", func() bool { _, ok := r.Get(b.Context(), "key"); return ok })
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := r.Get(b.Context(), "key"); !ok {
			b.Fatal("a miss")
		}
	}
}
