package scan

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// state is a snapshot and what it should hold.
type state struct {
	snap *Snapshot
	want map[uint32]float32 // slot -> first component
}

func (s state) check(t *rapid.T) {
	if s.snap.Live() != len(s.want) {
		t.Fatalf("%d live, want %d", s.snap.Live(), len(s.want))
	}
	for slot := range uint32(5 * 64) {
		v, want := s.snap.Vector(slot), s.want[slot]
		if _, live := s.want[slot]; live != (v != nil) || live && v[0] != want {
			t.Fatalf("slot %d holds %v, want %g (%v)", slot, v, want, live)
		}
	}
	hits, err := s.snap.Search(t.Context(), Request{Query: []float32{1, 0, 0}, K: 1000})
	if err != nil || len(hits) != len(s.want) {
		t.Fatalf("%d hits, want %d (%v)", len(hits), len(s.want), err)
	}
	for _, h := range hits {
		if s.want[h.Slot] != h.Dot {
			t.Fatalf("slot %d has %g, want %g", h.Slot, h.Dot, s.want[h.Slot])
		}
	}
}

// TestSnapshots writes at random over four blocks and compares each snapshot
// with a map, when it is made and again after everything that followed.
func TestSnapshots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMatrix(3, 64, kernels()[0])
		live := make(map[uint32]float32)
		var states []state
		publish := func(*rapid.T) {
			states = append(states, state{snap: m.Publish(), want: maps.Clone(live)})
			states[len(states)-1].check(t)
		}
		slots := rapid.Uint32Range(0, 4*64-1)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				slot, x := slots.Draw(t, "slot"), rapid.Float32Range(-1, 1).Filter(func(x float32) bool { return x*x > 1e-9 }).Draw(t, "x")
				if err := m.Set(slot, []float32{x, 0, 0}); err != nil {
					t.Fatal(err)
				}
				live[slot] = x
			},
			"clear": func(t *rapid.T) {
				slot := slots.Draw(t, "slot")
				m.Clear(slot)
				delete(live, slot)
			},
			"clear block": func(t *rapid.T) {
				first := slots.Draw(t, "slot") / 64 * 64
				for slot := first; slot < first+64; slot++ {
					m.Clear(slot)
					delete(live, slot)
				}
			},
			"publish": publish,
		})
		publish(t)
		for _, s := range states {
			s.check(t)
		}
	})
}

// TestBlocksMove pins down when a block is copied and when it is let go.
func TestBlocksMove(t *testing.T) {
	m := newMatrix(1, 64, twin)
	set := func(slot uint32) *block {
		if err := m.Set(slot, []float32{1}); err != nil {
			t.Fatal(err)
		}
		return m.Publish().parts[0].block
	}
	first := set(0)
	if set(1) != first {
		t.Error("a new slot moved its block")
	}
	m.Clear(1)
	second := set(0)
	if second == first {
		t.Error("overwriting a published slot changed it in place")
	}
	if set(1) != second {
		t.Error("a slot that was empty when its block was copied moved it again")
	}
	m.Clear(0)
	m.Clear(1)
	if s := m.Publish(); s.parts[0].block != nil || s.Live() != 0 {
		t.Error("an empty block is kept")
	}
	if set(0) == second {
		t.Error("a block came back")
	}
}

// TestConcurrentWriter has each published state hold vectors of one kind only,
// in slots that wander through four blocks, and readers that check this.
func TestConcurrentWriter(t *testing.T) {
	for _, k := range kernels() { // the race detector sees what the Go twin reads
		t.Run(k.String(), func(t *testing.T) {
			m := newMatrix(2, 64, k)
			m.write(t, 0)
			done := make(chan struct{})
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					for {
						select {
						case <-done:
							return
						default:
							m.Snapshot().checkOneKind(t)
						}
					}
				})
			}
			for generation := 1; generation < 300; generation++ {
				m.write(t, generation)
			}
			close(done)
			wg.Wait()
		})
	}
}

const perState = 40

// write replaces all vectors. Slots repeat every 256, published ones included:
// the step is smaller than a state, so states overlap.
func (m *Matrix) write(t *testing.T, generation int) {
	const step = 30
	angle := float64(generation)
	for i := range perState {
		if generation > 0 && i < step {
			m.Clear(uint32(((generation-1)*step + i) % 256))
		}
	}
	for i := range perState {
		slot := uint32((generation*step + i) % 256)
		if err := m.Set(slot, []float32{float32(math.Cos(angle)), float32(math.Sin(angle))}); err != nil {
			t.Error(err)
		}
	}
	m.Publish()
}

func (s *Snapshot) checkOneKind(t *testing.T) {
	hits, err := s.Search(t.Context(), Request{Query: []float32{0.6, 0.8}, K: 100})
	if err != nil || len(hits) != perState {
		t.Errorf("%d hits, want %d (%v)", len(hits), perState, err)
		return
	}
	first := s.Vector(hits[0].Slot)
	for _, h := range hits {
		if v := s.Vector(h.Slot); !slices.Equal(v, first) || h.Dot != hits[0].Dot {
			t.Errorf("slot %d holds %v at %g, slot %d %v", h.Slot, v, h.Dot, hits[0].Slot, first)
		}
	}
}

// fill puts n vectors of one shape, or of all in turn, into slots from 0 on.
func (m *Matrix) fill(t *rapid.T, n int, r *rand.Rand) [][]float32 {
	all := make([][]float32, n)
	kinds := names(shapes)
	if rapid.Bool().Draw(t, "one shape") {
		kinds = []string{rapid.SampledFrom(kinds).Draw(t, "shape")}
	}
	copies := rapid.SampledFrom([]float64{0, 0.3, 0.99}).Draw(t, "share of copies")
	for slot := range all {
		v := make([]float32, m.dim)
		if slot > 0 && r.Float64() < copies {
			nudge(r, v, all[r.IntN(slot)])
		} else {
			shapes[kinds[r.IntN(len(kinds))]](r, v)
		}
		all[slot] = v
		if err := m.Set(uint32(slot), v); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// nudge copies a vector, half of the time with one component moved by the
// smallest step, so that dot products are equal or one step apart.
func nudge(r *rand.Rand, v, from []float32) {
	copy(v, from)
	if i := r.IntN(len(v)); v[i] != 0 && r.IntN(2) == 0 {
		v[i] = math.Nextafter32(v[i], 0)
	}
}
