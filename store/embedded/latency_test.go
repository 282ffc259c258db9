package embedded

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"sightline/store"
)

// mixedIndex has a catalogue in memory and a database that only gets what is
// written from now on: a write does not care what else is there.
func mixedIndex(tb testing.TB, items int) (*Index, *shop) {
	tb.Helper()
	x, s := memoryIndex(tb, items)
	db, err := openDatabase(tb.Context(), filepath.Join(tb.TempDir(), "catalogue.db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	x.db, x.tombstones = db, make(map[string]tombstone)
	_, err = db.ExecContext(tb.Context(), "INSERT INTO catalogue (id, fingerprint, dim) VALUES (1, 'm', ?)", benchDim)
	if err != nil {
		tb.Fatal(err)
	}
	return x, s
}

// latencies calls one after the other until ctx ends and returns how long each
// call took, sorted.
func latencies(ctx context.Context, call func() error) ([]time.Duration, error) {
	var took []time.Duration
	for ctx.Err() == nil {
		start := time.Now()
		if err := call(); err != nil && !errors.Is(err, context.Canceled) {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took, nil
}

// spread names the middle and the worst of sorted durations.
func spread(took []time.Duration) string {
	if len(took) == 0 {
		return "none"
	}
	at := func(share float64) time.Duration {
		return took[int(share*float64(len(took)-1))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %v, p99 %v, p99.9 %v, most %v of %d", at(0.5), at(0.99), at(0.999), at(1), len(took))
}

// TestReadsDoNotWait runs one change of 50,000 items, far more than a batch
// has, and reads meanwhile: a reader that waits for the change as a whole takes
// as long as it does. The bound leaves room for a busy machine.
func TestReadsDoNotWait(t *testing.T) {
	x, s := memoryIndex(t, 10_000)
	rows := make([]row, 50_000)
	for i := range rows {
		rows[i] = row{record: &record{item: store.Item{ID: fmt.Sprint("new ", i)}}, vector: s.product}
	}
	ids, err := x.matrix.current.Load().ids(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func() error{
		"get": func() error { _, err := x.Get(t.Context(), ids[:10]); return err },
		"search": func() error {
			_, err := x.Search(t.Context(), store.Query{Embedding: s.product, K: 10, Exclude: ids[:10]})
			return err
		},
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	worst := make(map[string]time.Duration)
	var mu sync.Mutex // guards worst
	var readers sync.WaitGroup
	for name, call := range calls {
		readers.Go(func() {
			took, err := latencies(ctx, call)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			worst[name] = took[len(took)-1]
			mu.Unlock()
			t.Logf("%s: %s", name, spread(took))
		})
	}
	start := time.Now()
	for generation := range uint64(3) {
		err = errors.Join(err, x.matrix.apply(nil, rows, generation+2))
	}
	each := time.Since(start) / 3
	stop()
	readers.Wait()
	t.Logf("a change took %v", each)
	if err != nil {
		t.Fatal(err)
	}
	for name, took := range worst {
		if took > max(each/2, 50*time.Millisecond) {
			t.Errorf("one %s took %v during a change of %v", name, took, each)
		}
	}
}

// BenchmarkMixed gives latencies of searches and Gets while batches of 1000 are
// written, of the batches while eight goroutines search, and of each alone.
func BenchmarkMixed(b *testing.B) {
	x, s := mixedIndex(b, 100_000)
	ids, err := x.matrix.current.Load().ids(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	search := func() error { _, err := x.Search(b.Context(), store.Query{Embedding: s.product, K: 10}); return err }
	get := func() error { _, err := x.Get(b.Context(), ids[:10]); return err }
	batch := make([]store.Entry, 1000)
	for i := range batch {
		batch[i] = s.entry(i)
	}
	upsert := func() error { return x.Upsert(b.Context(), batch) }
	apply := func() error {
		rows := x.winners(batch)
		return x.matrix.apply(nil, rows, x.matrix.current.Load().generation+1)
	}
	for _, c := range []struct {
		name string
		call func() error
		next []func() error
	}{
		{"search alone", search, nil},
		{"search, one writes", search, []func() error{upsert}},
		{"search, one searches", search, []func() error{search}},
		{"get alone", get, nil},
		{"get, one writes", get, []func() error{upsert}},
		{"get, one changes memory", get, []func() error{apply}},
		{"upsert alone", upsert, nil},
		{"upsert, eight search", upsert, slices.Repeat([]func() error{search}, 8)},
		{"memory alone", apply, nil},
		{"memory, eight search", apply, slices.Repeat([]func() error{search}, 8)},
		{"search, seven search", search, slices.Repeat([]func() error{search}, 7)},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				ctx, stop := context.WithTimeout(b.Context(), 3*time.Second)
				var others sync.WaitGroup
				for _, other := range c.next {
					others.Go(func() {
						if _, err := latencies(ctx, other); err != nil {
							b.Error(err)
						}
					})
				}
				took, err := latencies(ctx, c.call)
				stop()
				others.Wait()
				if err != nil {
					b.Fatal(err)
				}
				b.Logf("%s: %s", c.name, spread(took))
			}
		})
	}
}
