package embedded

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"sightline/store"
	"sightline/store/embedded/scan"
)

// noSlot stands in snapshot.moved for an item that is gone.
const noSlot = math.MaxUint32

// snapshot is the catalogue after one write. A reader takes one and needs no
// lock for what it holds.
type snapshot struct {
	slots      int      // per chunk
	chunks     []*chunk // by number; nil where a compacted one left a hole
	vectors    *scan.Snapshot
	views      int // live slots that are not the first of their item
	generation uint64
	// moved holds where the ids that the last write changed are now, while
	// matrix.where is being brought up to date; nil after.
	moved map[string]uint32
}

func (s *snapshot) items() int { return s.vectors.Live() - s.views }

func (s *snapshot) record(slot uint32) *record {
	return s.chunks[int(slot)/s.slots].records[int(slot)%s.slots]
}

// live returns the live slots of a chunk; nil for none. Never write to it.
func (s *snapshot) live(chunk int) slotSet { return s.vectors.LiveIn(chunk) }

// copies returns the items whose first slots these are.
func (s *snapshot) copies(slots []uint32) []store.Entry {
	out := make([]store.Entry, len(slots))
	for i, slot := range slots {
		rec := s.record(slot)
		out[i] = store.Entry{
			Item: rec.item.Clone(), Picture: rec.picture, ContentHash: rec.hash,
			Embedding: slices.Clone(s.vectors.Vector(slot)),
		}
		for n, picture := range rec.views() {
			vector := slices.Clone(s.vectors.Vector(slot + 1 + uint32(n)))
			out[i].Views = append(out[i].Views, store.View{Picture: picture, Embedding: vector})
		}
	}
	return out
}

// matrix is the in-memory index: one writer at a time, any number of readers.
type matrix struct {
	dim     int
	slots   int // per chunk
	current atomic.Pointer[snapshot]
	mu      sync.RWMutex      // guards where for readers; never held for more than settleStep changes
	where   map[string]uint32 // first slots
	// searches and walks admit calls of Search, and of Count, Facets and Scan.
	searches, walks *semaphore.Weighted

	// Only the writer uses these.
	vectors *scan.Matrix
	tail    *chunk   // where the next record goes; nil when there is no room
	full    []*chunk // that have no index yet
	free    []int    // numbers of compacted chunks, of which no block is left
}

func newMatrix(dim, slots int, generation uint64) (*matrix, error) {
	vectors, err := scan.NewBlocks(dim, slots)
	if err != nil {
		return nil, fmt.Errorf("make matrix: %w", err)
	}
	m := &matrix{dim: dim, slots: slots, where: make(map[string]uint32), vectors: vectors}
	m.searches, m.walks = semaphore.NewWeighted(admitted()), semaphore.NewWeighted(admitted())
	m.current.Store(&snapshot{slots: slots, vectors: vectors.Snapshot(), generation: generation})
	return m, nil
}

// apply removes and then writes, as one change that becomes visible at once.
// The caller lets only one apply run at a time. Readers never wait for more
// than a step of settle; chunks that were filled are indexed last, within the
// write but after its result became visible.
func (m *matrix) apply(removed []string, rows []row, generation uint64) error {
	next := m.begin(generation)
	next.moved = make(map[string]uint32, len(removed)+len(rows))
	for _, id := range removed {
		m.remove(next, id)
	}
	for _, r := range rows {
		m.remove(next, r.record.item.ID)
		if err := m.add(next, r); err != nil {
			return err
		}
	}
	sparse, err := m.compact(next)
	if err != nil {
		return err
	}
	m.publish(next)
	m.free = append(m.free, sparse...) // only now: a block must be let go before its slots are set again
	m.settle(next)
	m.indexFull()
	return nil
}

// begin returns a copy of the current snapshot for the writer to change.
func (m *matrix) begin(generation uint64) *snapshot {
	old := m.current.Load()
	return &snapshot{
		slots: m.slots, chunks: slices.Clone(old.chunks), generation: generation,
		views: old.views,
	}
}

func (m *matrix) publish(next *snapshot) {
	next.vectors = m.vectors.Publish()
	m.current.Store(next)
}

// settleStep is how many changes of where readers wait for, some 0.3 ms. Less
// would be worse: readers that have waited get their turn between two steps, and
// the writer waits until a processor was free for each of them.
const settleStep = 2048

// settle brings where up to date with a published snapshot. Readers look at its
// moved first, so it does not matter to them how far this has come.
func (m *matrix) settle(s *snapshot) {
	m.mu.Lock()
	step := 0
	for id, slot := range s.moved {
		if slot == noSlot {
			delete(m.where, id)
		} else {
			m.where[id] = slot
		}
		if step++; step%settleStep == 0 {
			m.mu.Unlock()
			m.mu.Lock()
		}
	}
	m.mu.Unlock()
	settled := *s
	settled.moved = nil
	m.current.Store(&settled)
}

// find returns the current snapshot and where it has the given ids, in their
// order; unknown ones are left out. where cannot change meanwhile, and the
// snapshot is taken under the same lock, so both are of one moment.
func (m *matrix) find(ids []string) (*snapshot, []uint32) {
	if len(ids) == 0 {
		return m.current.Load(), nil
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.current.Load()
	slots := make([]uint32, 0, len(ids))
	for _, id := range ids {
		if slot, ok := m.slot(s, id); ok {
			slots = append(slots, slot)
		}
	}
	return s, slots
}

// slot is for the writer, and for readers that hold mu.
func (m *matrix) slot(s *snapshot, id string) (uint32, bool) {
	if slot, ok := s.moved[id]; ok {
		return slot, slot != noSlot
	}
	slot, ok := m.where[id]
	return slot, ok
}

// version returns the stored version of a live item. Only the writer may call
// it, between writes.
func (m *matrix) version(id string) (int64, bool) {
	s := m.current.Load()
	slot, ok := m.slot(s, id)
	if !ok {
		return 0, false
	}
	return s.record(slot).item.Version, true
}

func (m *matrix) remove(next *snapshot, id string) {
	slot, ok := m.slot(next, id)
	if !ok {
		return
	}
	rec := next.record(slot)
	m.clear(next, slot, rec)
	next.chunks[int(slot)/m.slots].dead += rec.slots()
	next.moved[id] = noSlot
}

// clear empties all slots of an item.
func (m *matrix) clear(next *snapshot, first uint32, rec *record) {
	for slot := first; slot < first+uint32(rec.slots()); slot++ {
		m.vectors.Clear(slot)
	}
	next.views -= len(rec.views())
}

func (m *matrix) add(next *snapshot, r row) error {
	slot, err := m.put(next, r)
	if err != nil {
		return fmt.Errorf("item %q passed every check and does not fit the matrix. This is a bug: %w", r.record.item.ID, err)
	}
	next.moved[r.record.item.ID] = slot
	return nil
}

// compact drops full chunks of which half or more is gone, after moving the
// rest to the end, and returns their numbers. Memory therefore stays below
// twice what is live plus one chunk, and a write moves at most as many slots as
// earlier writes removed.
func (m *matrix) compact(next *snapshot) (sparse []int, err error) {
	for i, c := range next.chunks {
		if c != nil && c.isFull() && 2*c.dead >= m.slots {
			sparse = append(sparse, i)
		}
	}
	for _, i := range sparse {
		err = errors.Join(err, m.move(next, next.chunks[i]))
		next.chunks[i] = nil
	}
	return sparse, err
}

// move puts what is live in a chunk elsewhere.
func (m *matrix) move(next *snapshot, c *chunk) error {
	m.full = slices.DeleteFunc(m.full, func(d *chunk) bool { return d == c })
	for i, rec := range c.records {
		from := uint32(c.number*m.slots + i)
		if at, ok := m.slot(next, rec.item.ID); !ok || at != from {
			continue
		}
		if err := m.add(next, m.rowAt(from, rec)); err != nil {
			return err
		}
		m.clear(next, from, rec)
	}
	return nil
}

// indexFull indexes the chunks that have become full: one or none after most
// writes, all of them at start-up.
func (m *matrix) indexFull() {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, c := range m.full {
		group.Go(func() error {
			c.index.Store(newChunkIndex(c.records))
			return nil
		})
	}
	_ = group.Wait() // none fails
	m.full = nil
}
