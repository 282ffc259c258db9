package scan

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// parallel lets a test meet several workers on any machine.
func parallel(t *testing.T, n int) {
	old := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
}

// bruteForce sorts the Dot of every slot that is live and allowed.
func bruteForce(r Request, vectors [][]float32, live bitmap) []Hit {
	var hits []Hit
	for slot, v := range vectors {
		if live.has(slot) && (r.Allowed == nil || slot/64 < len(r.Allowed) && bitmap(r.Allowed).has(slot)) {
			hits = append(hits, Hit{Slot: uint32(slot), Dot: Dot(r.Query, v)})
		}
	}
	if r.Same != nil { // leaves the best of those that belong together
		slices.SortStableFunc(hits, func(a, b Hit) int { return cmp.Compare(b.Dot, a.Dot) })
		var taken []Hit
		for _, h := range hits {
			if !slices.ContainsFunc(taken, func(other Hit) bool { return r.Same(h.Slot, other.Slot) }) {
				taken = append(taken, h)
			}
		}
		hits = taken
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		if a.Dot != b.Dot || r.Before == nil || a.Slot == b.Slot {
			return cmp.Or(cmp.Compare(b.Dot, a.Dot), cmp.Compare(a.Slot, b.Slot))
		}
		if r.Before(a.Slot, b.Slot) {
			return -1
		}
		return 1
	})
	return hits[:min(r.K, len(hits))]
}

// drawBitmap returns words with a share of their bits set.
func drawBitmap(t *rapid.T, r *rand.Rand, words int) bitmap {
	share := rapid.SampledFrom([]float64{0, 0.01, 0.5, 1}).Draw(t, "share of slots")
	out := make(bitmap, words)
	for slot := range 64 * words {
		if r.Float64() < share {
			out.set(slot)
		}
	}
	return out
}

// drawRuns returns for each slot where its run begins. A block of 64 ends all
// runs.
func drawRuns(r *rand.Rand, slots int) []int {
	longest, runs := 1+r.IntN(20), make([]int, slots)
	for slot := range runs {
		if runs[slot] = slot; slot%64 > 0 && slot-runs[slot-1] < longest && r.IntN(4) > 0 {
			runs[slot] = runs[slot-1]
		}
	}
	return runs
}

// evenOut sets all slots of a run or none.
func (b bitmap) evenOut(runs []int) {
	for slot := range min(len(runs), 64*len(b)) {
		switch first := runs[slot]; {
		case first == slot:
		case b.has(first):
			b.set(slot)
		default:
			b.clear(slot)
		}
	}
}

// TestSearchIsExact compares with sorting all dot products, for vectors of
// every shape, copies and near copies among them, in blocks of 64.
func TestSearchIsExact(t *testing.T) {
	parallel(t, 3)
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		m := newMatrix(rapid.IntRange(1, 140).Draw(t, "dim"), 64, rapid.SampledFrom(kernels()).Draw(t, "kernel"))
		vectors := m.fill(t, rapid.SampledFrom([]int{0, 1, 63, 64, 65, 200, 500}).Draw(t, "slots"), r)
		live := drawBitmap(t, r, 8)
		var runs []int
		if rapid.Bool().Draw(t, "runs") {
			runs = drawRuns(r, len(vectors))
			live.evenOut(runs)
		}
		for slot := range vectors {
			if !live.has(slot) {
				m.Clear(uint32(slot))
			}
		}
		ask := Request{Query: drawVector(t, m.dim), K: rapid.IntRange(0, 600).Draw(t, "k")}
		if len(vectors) > 0 && rapid.Bool().Draw(t, "stored query") {
			ask.Query = vectors[r.IntN(len(vectors))]
		}
		if rapid.Bool().Draw(t, "filtered") {
			ask.Allowed = drawBitmap(t, r, rapid.IntRange(0, 10).Draw(t, "words"))
		}
		if runs != nil {
			bitmap(ask.Allowed).evenOut(runs)
			ask.Same = func(a, b uint32) bool { return runs[a] == runs[b] }
		}
		if rapid.Bool().Draw(t, "ordered") {
			place := r.Perm(len(vectors))
			ask.Before = func(a, b uint32) bool { return place[a] < place[b] }
		}
		got, err := m.Publish().Search(t.Context(), ask)
		if want := bruteForce(ask, vectors, live); err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v\ngot  %v\nwant %v", err, got, want)
		}
	})
}

// TestTies ranks equal dot products against the order of slots. The zero query
// has them, and intervals of no width.
func TestTies(t *testing.T) {
	m := newMatrix(2, 64, kernels()[0])
	const n = 64 * 3
	for slot := range uint32(n) {
		if err := m.Set(slot, []float32{0, 1}); err != nil {
			t.Fatal(err)
		}
	}
	s := m.Publish()
	for _, query := range [][]float32{{0, 0}, {1, 0}, {0.6, 0.8}} {
		hits, err := s.Search(t.Context(), Request{Query: query, K: 5, Before: func(a, b uint32) bool { return a > b }})
		if err != nil || len(hits) != 5 {
			t.Fatal(hits, err)
		}
		for i, h := range hits {
			if h.Slot != uint32(n-1-i) {
				t.Errorf("query %v, place %d: slot %d, want %d", query, i, h.Slot, n-1-i)
			}
		}
	}
}

// TestAscending has every vector beat all before it, the worst order there is:
// nothing can be left out until the end, and the list of candidates is pruned.
func TestAscending(t *testing.T) {
	m := newMatrix(2, 64, kernels()[0])
	const n = 64 * 100
	for slot := range uint32(n) {
		if err := m.Set(slot, []float32{float32(slot+1) / n, 0}); err != nil {
			t.Fatal(err)
		}
	}
	c := newScan(m.Publish(), Request{Query: []float32{1, 0}, K: 10}, 1)
	w := c.workers[0]
	w.propose(t.Context())
	if len(w.kept) > 4*64 {
		t.Errorf("%d candidates kept of %d, want at most four blocks", len(w.kept), n)
	}
	hits, err := m.Snapshot().Search(t.Context(), Request{Query: []float32{1, 0}, K: 10})
	if err != nil || hits[0].Slot != n-1 || hits[9].Slot != n-10 {
		t.Errorf("%v, %v", hits, err)
	}
}

// TestBoundIsTight pins down how much is left for float32 on data like a
// catalogue's (bench_test.go): more would still be exact, but slow.
func TestBoundIsTight(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	m := newMatrix(benchDim, 1024, kernels()[0])
	centres := clustered(t, r, m, 20_000)
	for k, most := range map[int]int{10: 60, 200: 800} {
		total := 0
		for range 20 {
			c := newScan(m.Snapshot(), Request{Query: near(r, centres[r.IntN(len(centres))], 1), K: k}, 1)
			w := c.workers[0]
			w.propose(t.Context())
			floor := c.raise(func(w *worker) *topK { return &w.sure })
			w.kept = slices.DeleteFunc(w.kept, func(c candidate) bool { return c.upper < floor })
			total += len(w.kept)
		}
		t.Logf("k=%d: %d candidates", k, total/20)
		if total/20 > most {
			t.Errorf("k=%d leaves %d candidates, want at most %d", k, total/20, most)
		}
	}
}

// countdown is a context that is cancelled after it was looked at n times.
type countdown struct {
	context.Context
	n *atomic.Int64
}

func (c countdown) Err() error {
	if c.n.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

func TestSearchStopsBetweenBlocks(t *testing.T) {
	m := newMatrix(1, 64, kernels()[0])
	for slot := range uint32(64 * 5) {
		if err := m.Set(slot, []float32{1}); err != nil {
			t.Fatal(err)
		}
	}
	m.Publish()
	for looks := int64(0); ; looks++ {
		ctx := countdown{Context: t.Context(), n: new(atomic.Int64)}
		ctx.n.Store(looks)
		hits, err := m.Snapshot().Search(ctx, Request{Query: []float32{1}, K: 7})
		if err == nil {
			if looks < 5 || len(hits) != 7 {
				t.Errorf("%d hits after %d looks at five blocks", len(hits), looks)
			}
			break
		}
		if !errors.Is(err, context.Canceled) || hits != nil {
			t.Errorf("after %d looks: %v, %v", looks, hits, err)
		}
	}
	w := newScan(m.Snapshot(), Request{Query: []float32{1}, K: 7}, 1).workers[0]
	w.propose(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w.decide(ctx, lowest); len(w.best.heap) != 0 {
		t.Errorf("compared %d of %d candidates after the end", len(w.best.heap), len(w.kept))
	}
}

func TestSearchFindsNothing(t *testing.T) {
	m := newMatrix(1, 64, kernels()[0])
	for _, k := range []int{-1, 0, 3} {
		if hits, err := m.Snapshot().Search(t.Context(), Request{Query: []float32{1}, K: k}); len(hits) != 0 || err != nil {
			t.Errorf("empty matrix, k %d: %v, %v", k, hits, err)
		}
	}
	if err := m.Set(100, []float32{1}); err != nil {
		t.Fatal(err)
	}
	s := m.Publish()
	if s.Vector(3) != nil || s.Vector(101) != nil || s.Vector(1000) != nil || s.Vector(100) == nil {
		t.Error("Vector of slots that hold none")
	}
	for _, k := range []int{-1, 0} {
		if hits, err := s.Search(t.Context(), Request{Query: []float32{1}, K: k}); len(hits) != 0 || err != nil {
			t.Errorf("k %d: %v, %v", k, hits, err)
		}
	}
}

func TestTopK(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scores := rapid.SliceOf(rapid.IntRange(0, 5)).Draw(t, "scores")
		best := &topK{limit: rapid.IntRange(1, 12).Draw(t, "limit")}
		var all []Hit
		for i, score := range scores {
			h := Hit{Slot: uint32(i * 7 % 101), Dot: float32(score)}
			all = append(all, h)
			best.push(h)
		}
		slices.SortFunc(all, func(a, b Hit) int { return cmp.Or(cmp.Compare(b.Dot, a.Dot), cmp.Compare(a.Slot, b.Slot)) })
		if want := all[:min(best.limit, len(all))]; !slices.Equal(best.ranked(), want) {
			t.Fatalf("got %v, want %v", best.ranked(), want)
		}
	})
}
