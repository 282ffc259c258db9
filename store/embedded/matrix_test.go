package embedded

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"sightline/store"
	"sightline/store/embedded/scan"
)

// testSlots is the smallest chunk there is.
const testSlots = 64

func testMatrix(t *testing.T) *matrix {
	t.Helper()
	m, err := newMatrix(2, testSlots, 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func testRow(id string, version int64) row {
	return row{record: &record{item: store.Item{ID: id, Version: version, Brand: "b"}}, vector: []float32{1, 0}}
}

// TestSnapshotOutlivesWrites takes a snapshot, then overwrites and deletes
// everything with compaction, and searches the old snapshot.
func TestSnapshotOutlivesWrites(t *testing.T) {
	m := testMatrix(t)
	var ids []string
	for i := range 2*testSlots + 10 {
		ids = append(ids, fmt.Sprintf("i%d", i))
	}
	apply := func(removed []string, written []string, generation uint64) {
		t.Helper()
		var rows []row
		for _, id := range written {
			rows = append(rows, testRow(id, int64(generation)))
		}
		if err := m.apply(removed, rows, generation); err != nil {
			t.Fatal(err)
		}
	}
	apply(nil, ids, 1)
	old := m.current.Load()
	for generation := range uint64(20) {
		apply(nil, ids, generation+2)
	}
	apply(ids, nil, 30)
	s := &search{snap: old, query: []float32{1, 0}}
	got, err := s.nearest(t.Context(), 1000)
	if err != nil || len(got) != len(ids) {
		t.Fatalf("the old snapshot has %d items, %v; want %d", len(got), err, len(ids))
	}
	for _, e := range old.copies(slotsOf(got)) {
		if e.Item.Version != 1 || e.Embedding[0] != 1 {
			t.Errorf("the old snapshot shows %+v", e)
		}
	}
	if n := m.current.Load().items(); n != 0 {
		t.Errorf("the new snapshot shows %d deleted items", n)
	}
}

func slotsOf(hits []scan.Hit) []uint32 {
	slots := make([]uint32, len(hits))
	for i, h := range hits {
		slots[i] = h.Slot
	}
	return slots
}

func TestMemoryStaysBounded(t *testing.T) {
	const live = 5 * testSlots
	m := testMatrix(t)
	for generation := range uint64(5000) {
		id := fmt.Sprint("i", rand.IntN(live))
		if err := m.apply(nil, []row{testRow(id, 1)}, generation+1); err != nil {
			t.Fatal(err)
		}
		s := m.current.Load()
		if most := 2*live/testSlots + 2; len(s.chunks) > most {
			t.Fatalf("%d chunks for at most %d items, want at most %d", len(s.chunks), live, most)
		}
		if n := s.items(); n != len(m.where) {
			t.Fatalf("%d live slots for %d items", n, len(m.where))
		}
	}
}

// TestWriterAndReadersAgree: while where is brought up to date, readers find
// what the snapshot says.
func TestFindDuringSettle(t *testing.T) {
	m := testMatrix(t)
	if err := m.apply(nil, []row{testRow("a", 1), testRow("b", 1), testRow("c", 1)}, 1); err != nil {
		t.Fatal(err)
	}
	next := m.begin(2)
	next.moved = make(map[string]uint32)
	m.remove(next, "a")
	m.remove(next, "b")
	if err := m.add(next, testRow("b", 2)); err != nil {
		t.Fatal(err)
	}
	before, slots := m.find([]string{"a", "b", "c"})
	if got := before.copies(slots); len(got) != 3 || got[1].Item.Version != 1 {
		t.Errorf("before it is published: %+v", got)
	}
	m.publish(next)
	for name, step := range map[string]func(){"published": func() {}, "settled": func() { m.settle(next) }} {
		step()
		s, slots := m.find([]string{"a", "b", "c"})
		if got := s.copies(slots); len(got) != 2 || got[0].Item.Version != 2 || got[1].Item.ID != "c" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// countdown is a context that is cancelled after it was looked at n times, by
// one goroutine or several.
type countdown struct {
	context.Context
	mu sync.Mutex
	n  int
}

func (c *countdown) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

func TestCallsStopBetweenChunks(t *testing.T) {
	x := mustOpen(t, t.TempDir())
	var batch []store.Entry
	for i := range 3 * testSlots {
		batch = append(batch, plain(fmt.Sprintf("%03d", i), 1))
	}
	if err := x.Upsert(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	var looked atomic.Int64 // chunks are visited by several goroutines
	err := x.matrix.current.Load().visit(&countdown{Context: t.Context(), n: 2}, nil, func(_, _ int, set slotSet) { looked.Add(int64(set.count())) })
	if !errors.Is(err, context.Canceled) || looked.Load() > 2*testSlots {
		t.Errorf("visited %d items before stopping (%v), want at most two chunks", looked.Load(), err)
	}
	for n := range 3 {
		before := x.matrix.current.Load()
		err := x.Upsert(&countdown{Context: t.Context(), n: n}, []store.Entry{plain("000", 9), plain("new", 9)})
		if !errors.Is(err, context.Canceled) || x.matrix.current.Load() != before {
			t.Errorf("cancelled after %d looks: %v", n, err)
		}
	}
	if n, err := x.Delete(&countdown{Context: t.Context(), n: 3}, []string{"000", "001", "002"}); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("delete: %d, %v", n, err)
	}
	if got := len(mustGet(t, x, "000", "001", "002")); got != 3 {
		t.Errorf("%d of 3 items left after a cancelled delete", got)
	}
}

func mustGet(t *testing.T, x *Index, ids ...string) []store.Entry {
	t.Helper()
	entries, err := x.Get(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
