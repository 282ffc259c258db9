package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sightline/store"
	"sightline/store/embedded/scan"
)

func TestDot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 70).Draw(t, "n")
		vector := rapid.SliceOfN(rapid.Float32Range(-4, 4), n, n)
		a, b := vector.Draw(t, "a"), vector.Draw(t, "b")
		var want float64
		for i := range a {
			want += float64(a[i]) * float64(b[i])
		}
		if got := scan.Dot(a, b); math.Abs(float64(got)-want) > 1e-3 {
			t.Fatalf("dot %g, want %g", got, want)
		}
	})
}

func TestTopK(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scores := rapid.SliceOf(rapid.IntRange(0, 5)).Draw(t, "scores")
		best := &topK{limit: rapid.IntRange(1, 12).Draw(t, "limit")}
		var all []candidate
		for i, score := range scores {
			c := candidate{score: float32(score), record: &record{item: store.Item{ID: fmt.Sprintf("%03d", i*7%101)}}}
			all = append(all, c)
			best.push(c)
		}
		slices.SortFunc(all, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.record.item.ID, b.record.item.ID))
		})
		if want := all[:min(best.limit, len(all))]; !slices.Equal(best.ranked(), want) {
			t.Fatalf("got %v, want %v", best.ranked(), want)
		}
	})
}

// TestSnapshotOutlivesWrites takes a snapshot, then overwrites and deletes
// everything with compaction, and searches the old snapshot.
func TestSnapshotOutlivesWrites(t *testing.T) {
	m := newMatrix(2, 4, 0)
	write := func(generation uint64) {
		var rows []row
		for i := range 10 {
			item := store.Item{ID: fmt.Sprintf("i%d", i), Version: int64(generation)}
			rows = append(rows, row{record: &record{item: item}, vector: []float32{1, 0}})
		}
		m.apply(nil, rows, generation)
	}
	write(1)
	q := store.Query{Embedding: []float32{1, 0}, K: 100}
	old := newSearch(m, q)
	for generation := range uint64(20) {
		write(generation + 2)
	}
	var ids []string
	for i := range 10 {
		ids = append(ids, fmt.Sprintf("i%d", i))
	}
	m.apply(ids, nil, 30)
	got := old.run(t.Context()).ranked()
	if len(got) != 10 {
		t.Fatalf("the old snapshot has %d items, want 10", len(got))
	}
	for _, c := range got {
		if c.record.item.Version != 1 {
			t.Errorf("the old snapshot shows %+v", c.record.item)
		}
	}
	if got := newSearch(m, q).run(t.Context()).ranked(); len(got) != 0 {
		t.Errorf("the new snapshot shows %d deleted items", len(got))
	}
}

func TestMemoryStaysBounded(t *testing.T) {
	const live, slots = 20, 4
	m := newMatrix(2, slots, 0)
	for generation := range uint64(500) {
		id := fmt.Sprint("i", rand.IntN(live))
		m.apply(nil, []row{{record: &record{item: store.Item{ID: id}}, vector: []float32{1, 0}}}, generation+1)
		if most := 2*live/slots + 2; len(m.current.Load().chunks) > most {
			t.Fatalf("%d chunks for at most %d items, want at most %d", len(m.current.Load().chunks), live, most)
		}
	}
}

// countdown is a context that is cancelled after it was looked at n times.
type countdown struct {
	context.Context
	n int
}

func (c *countdown) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

func TestSearchStopsBetweenChunks(t *testing.T) {
	x := mustOpen(t, t.TempDir())
	var batch []store.Entry
	for i := range 4 * 3 {
		batch = append(batch, plain(fmt.Sprint(i), 1))
	}
	if err := x.Upsert(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	s := newSearch(x.matrix, store.Query{Embedding: batch[0].Embedding, K: 20})
	if got := s.work(&countdown{Context: t.Context(), n: 2}); len(got.heap) != 8 {
		t.Errorf("scanned %d vectors before stopping, want 8", len(got.heap))
	}
	for n := range 3 {
		before := x.matrix.current.Load()
		err := x.Upsert(&countdown{Context: t.Context(), n: n}, []store.Entry{plain("0", 9), plain("new", 9)})
		if !errors.Is(err, context.Canceled) || x.matrix.current.Load() != before {
			t.Errorf("cancelled after %d looks: %v", n, err)
		}
	}
	if n, err := x.Delete(&countdown{Context: t.Context(), n: 3}, []string{"0", "1", "2"}); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("delete: %d, %v", n, err)
	}
	if got := len(x.matrix.entries([]string{"0", "1", "2"})); got != 3 {
		t.Errorf("%d of 3 items left after a cancelled delete", got)
	}
}
