package cache_test

import (
	"fmt"
	"runtime"
	"testing"

	"sightline/store/cache"
)

func newMemory(t testing.TB, o cache.MemoryOptions) *cache.Memory {
	t.Helper()
	m, err := cache.NewMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestMemory(t *testing.T) {
	runSuite(t, func(t *testing.T, l limits) cache.Cache {
		return newMemory(t, cache.MemoryOptions{TTL: l.ttl, MaxEntry: l.maxEntry})
	})
}

func TestLayeredMemory(t *testing.T) {
	runSuite(t, func(t *testing.T, l limits) cache.Cache {
		near := newMemory(t, cache.MemoryOptions{TTL: l.ttl / 4, MaxEntry: l.maxEntry})
		return cache.NewLayered(near, newMemory(t, cache.MemoryOptions{TTL: l.ttl, MaxEntry: l.maxEntry}))
	})
}

// A hit far away is near from then on, and counted once.
func TestLayeredFillsNear(t *testing.T) {
	near, far := newMemory(t, cache.MemoryOptions{}), newMemory(t, cache.MemoryOptions{})
	l := cache.NewLayered(near, far)
	far.Set(t.Context(), "a", []byte("value"))
	wantMiss(t, near, "a")
	wantValue(t, l, "a", "value")
	wantValue(t, near, "a", "value")
	wantMiss(t, l, "b")
	wantValue(t, l, "a", "value")
	if s := l.Stats(); s.Hits != 3 || s.Misses != 1 { // one of the hits was near's own
		t.Errorf("counted %d hits and %d misses, want 3 and 1", s.Hits, s.Misses)
	}
}

func TestMemoryStaysWithinItsBytes(t *testing.T) {
	const limit = 1 << 20
	m := newMemory(t, cache.MemoryOptions{MaxBytes: limit})
	for i := range 10_000 {
		m.Set(t.Context(), fmt.Sprintf("%064d", i), make([]byte, 1000))
	}
	eventually(t, "the cache to shrink", func() bool { return m.Stats().Bytes <= limit })
	s := m.Stats()
	if s.Bytes < limit/2 {
		t.Errorf("only %d of %d bytes are in use after 10,000 values of 1000", s.Bytes, limit)
	}
	// Evictions are counted behind the cache's back, some time after the bytes.
	eventually(t, "10,000 values of 1000 bytes, of a megabyte, to be counted as evicted", func() bool { return m.Stats().Evictions >= 9000 })
}

// What an entry is said to cost must not be less than what it costs.
func TestMemoryReckonsItsOverhead(t *testing.T) {
	const entries, size = 20_000, 64
	m := newMemory(t, cache.MemoryOptions{})
	before := heap()
	for i := range entries {
		m.Set(t.Context(), fmt.Sprintf("%064d", i), make([]byte, size))
	}
	used, reckoned := heap()-before, int64(m.Stats().Bytes)
	t.Logf("%d B an entry beyond key and value, %d reckoned", used/entries-64-size, reckoned/entries-64-size)
	if used > reckoned*5/4 {
		t.Errorf("%d entries take %d bytes of heap, reckoned as %d", entries, used, reckoned)
	}
	runtime.KeepAlive(m)
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one's finalisers let go
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

func TestMemoryRefusesOptions(t *testing.T) {
	for _, o := range []cache.MemoryOptions{{MaxBytes: -1}, {TTL: -1}, {MaxEntry: -1}} {
		if m, err := cache.NewMemory(o); err == nil {
			m.Close()
			t.Errorf("%+v is accepted", o)
		}
	}
}

func TestEmbeddings(t *testing.T) {
	e, err := cache.NewEmbeddings(0)
	if err != nil {
		t.Fatal(err)
	}
	mine := []float32{1, 2, 3}
	e.Set("model", "red shoes", mine)
	mine[0] = 9
	got, ok := e.Get("model", "red shoes")
	if !ok || fmt.Sprint(got) != "[1 2 3]" {
		t.Fatalf("got %v, %v", got, ok)
	}
	got[0] = 9
	if got, _ := e.Get("model", "red shoes"); got[0] != 1 {
		t.Error("a caller's change of an embedding reached the cache")
	}
	for _, k := range [][2]string{{"model", "red"}, {"other", "red shoes"}, {"modelred ", "shoes"}, {"model", "red shoes "}} {
		if _, ok := e.Get(k[0], k[1]); ok {
			t.Errorf("model %q, text %q: found another's embedding", k[0], k[1])
		}
	}
	if s := e.Stats(); s.Hits != 2 || s.Misses != 4 {
		t.Errorf("counted %d hits and %d misses, want 2 and 4", s.Hits, s.Misses)
	}
}

func TestEmbeddingsStayWithinTheirBytes(t *testing.T) {
	const limit = 1 << 20
	e, err := cache.NewEmbeddings(limit)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		e.Set("model", fmt.Sprint("text ", i), make([]float32, 256))
	}
	eventually(t, "the cache to shrink", func() bool { return e.Stats().Bytes <= limit })
	if s := e.Stats(); s.Bytes < limit/2 || s.Evictions < 3500 {
		t.Errorf("%d bytes in use, %d evictions, after 5000 embeddings of 1 KiB", s.Bytes, s.Evictions)
	}
	e.Set("model", "huge", make([]float32, 1<<15))
	if _, ok := e.Get("model", "huge"); ok || e.Stats().Dropped != 1 {
		t.Error("an embedding of 128 KiB is kept, or not counted as dropped")
	}
	if _, err := cache.NewEmbeddings(-1); err == nil {
		t.Error("negative bytes are accepted")
	}
}
