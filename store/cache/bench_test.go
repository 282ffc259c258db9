package cache

import (
	"context"
	"fmt"
	"testing"
)

const benchValue = 4096 // bytes: an answer of ten hits

func BenchmarkKey(b *testing.B) {
	k := Key{Fingerprint: "a1b2c3d4e5f60718", Generation: 1795684965836003170, Request: fullQuestion()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Hash(); err != nil {
			b.Fatal(err)
		}
	}
}

func benchMemory(b *testing.B) (*Memory, []string) {
	b.Helper()
	m, err := NewMemory(MemoryOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = m.Close() })
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = fmt.Sprintf("%064d", i)
		m.Set(b.Context(), keys[i], make([]byte, benchValue))
	}
	return m, keys
}

func BenchmarkMemoryGet(b *testing.B) {
	m, keys := benchMemory(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, ok := m.Get(b.Context(), keys[i%len(keys)]); !ok {
			b.Fatal("a miss")
		}
		i++
	}
}

func BenchmarkMemorySet(b *testing.B) {
	m, keys := benchMemory(b)
	value := make([]byte, benchValue)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.Set(b.Context(), keys[i%len(keys)], value)
		i++
	}
}

// BenchmarkFetchHit is what an answer from memory costs a search, without its
// key.
func BenchmarkFetchHit(b *testing.B) {
	m, keys := benchMemory(b)
	f := NewFetcher(m, FetcherOptions{})
	b.Cleanup(func() { _ = f.Close() })
	never := func(context.Context) (Loaded, error) { return Loaded{}, context.Canceled }
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, cached, err := f.Fetch(b.Context(), keys[i%len(keys)], never); err != nil || !cached {
			b.Fatal(cached, err)
		}
		i++
	}
}

func BenchmarkFrame(b *testing.B) {
	frame := appendFrame(nil, "key", make([]byte, benchValue))
	b.SetBytes(int64(len(frame)))
	for b.Loop() {
		if _, err := decodeFrame("key", frame); err != nil {
			b.Fatal(err)
		}
	}
}
