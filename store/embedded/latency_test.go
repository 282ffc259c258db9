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
	db, err := catalogue().Open(tb.Context(), filepath.Join(tb.TempDir(), "catalogue.db"))
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

// TestChangeNeedsNoLock: a change becomes visible to searches while another
// reader holds the lock, so it neither takes the lock before nor holds it
// meanwhile.
func TestChangeNeedsNoLock(t *testing.T) {
	m := testMatrix(t)
	var rows []row
	for i := range 3 * testSlots {
		rows = append(rows, testRow(fmt.Sprint("item ", i), 1))
	}
	if err := m.apply(nil, rows, 1); err != nil {
		t.Fatal(err)
	}
	m.mu.RLock()
	applied := make(chan error)
	go func() { applied <- m.apply([]string{"item 0"}, rows[1:], 2) }()
	for start := time.Now(); m.current.Load().generation != 2; time.Sleep(time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatal("a change waits for a reader of ids")
		}
	}
	s := &search{snap: m.current.Load(), query: []float32{1, 0}}
	if hits, err := s.nearest(t.Context(), 1000); err != nil || len(hits) != len(rows)-1 {
		t.Errorf("%d hits, %v; want %d", len(hits), err, len(rows)-1)
	}
	m.mu.RUnlock()
	if err := <-applied; err != nil {
		t.Error(err)
	}
}

// TestReadsDoNotWait times reads during changes of 20,000 items, far more than a
// batch has, and beside them Gets from another index that nobody changes and
// searches of the same snapshots that ask for no lock: what the machine does to
// those, it may do to the others.
func TestReadsDoNotWait(t *testing.T) {
	x, s := memoryIndex(t, 10_000)
	still := &Index{matrix: testMatrix(t)}
	if err := still.matrix.apply(nil, []row{testRow("a", 1)}, 1); err != nil {
		t.Fatal(err)
	}
	rows := make([]row, 20_000)
	for i := range rows {
		rows[i] = row{record: &record{item: store.Item{ID: fmt.Sprint("new ", i)}}, vector: s.product}
	}
	ids := []string{"sku-0000000", "sku-0007919", "sku-0015838"}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex // guards most
	most := make(map[string]time.Duration)
	var readers sync.WaitGroup
	for name, call := range map[string]func() error{
		"get":       func() error { _, err := x.Get(t.Context(), ids); return err },
		"still get": func() error { _, err := still.Get(t.Context(), []string{"a"}); return err },
		"still search": func() error {
			free := &search{snap: x.matrix.current.Load(), query: s.product}
			err := free.allow(t.Context(), nil) // as an Exclude makes it
			if err == nil {
				_, err = free.nearest(t.Context(), 10)
			}
			return err
		},
		"search": func() error {
			_, err := x.Search(t.Context(), store.Query{Embedding: s.product, K: 10, Exclude: ids})
			return err
		},
	} {
		readers.Go(func() {
			took, err := latencies(ctx, call)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			most[name] = took[len(took)-1]
			t.Logf("%s: %s", name, spread(took))
		})
	}
	var err error
	for generation := range uint64(3) {
		err = errors.Join(err, x.matrix.apply(nil, rows, generation+2))
	}
	stop()
	readers.Wait()
	if err != nil {
		t.Error(err)
	}
	for _, name := range []string{"get", "search"} {
		if bound := 50*time.Millisecond + 5*most["still "+name]; most[name] > bound {
			t.Errorf("a %s took %v, want %v at most", name, most[name], bound)
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
