package embedded

import (
	"slices"
	"sync"
	"sync/atomic"

	"sightline/store"
)

// record is what the index keeps beside a vector. It never changes once it is
// reachable; a new version of an item is a new record in a new slot.
type record struct {
	item    store.Item
	picture string
	hash    string
}

// chunk is a block of slots. Vectors lie one after the other, so a scan reads
// memory in order; blocks instead of one array let the matrix grow without
// copying it and let a snapshot be a short list of pointers. Slots are filled
// in order and then never rewritten.
type chunk struct {
	vectors []float32 // [slots, dim]
	records []*record // [slots]
	// removed holds for each slot the generation from which on it is gone, 0
	// while it is live: a search at an earlier generation still sees it.
	removed []atomic.Uint64
	dead    int                        // removed slots; used by the writer only
	index   atomic.Pointer[chunkIndex] // nil while there is none
}

func newChunk(slots, dim int) *chunk {
	return &chunk{
		vectors: make([]float32, slots*dim),
		records: make([]*record, slots),
		removed: make([]atomic.Uint64, slots),
	}
}

func (c *chunk) vector(slot, dim int) []float32 { return c.vectors[slot*dim : (slot+1)*dim] }

// snapshot is the catalogue after one write. A search takes one and needs no
// lock; the writer only adds slots beyond tail and marks slots with later
// generations, neither of which the snapshot can see.
type snapshot struct {
	chunks     []*chunk
	tail       int // filled slots of the last chunk; all others are full
	items      int
	generation uint64
}

// filled returns how many slots of chunk i the snapshot may read.
func (s *snapshot) filled(i int) int {
	if i == len(s.chunks)-1 {
		return s.tail
	}
	return len(s.chunks[i].records)
}

// has says whether a filled slot is live in the snapshot.
func (s *snapshot) has(at location) bool {
	removed := at.chunk.removed[at.slot].Load()
	return removed == 0 || removed > s.generation
}

type location struct {
	chunk *chunk
	slot  int
}

func (l location) record() *record { return l.chunk.records[l.slot] }

// matrix is the in-memory index: one writer at a time, any number of readers.
type matrix struct {
	dim     int
	slots   int // per chunk
	current atomic.Pointer[snapshot]
	mu      sync.RWMutex // guards where for readers; held for the length of one apply
	where   map[string]location
}

func newMatrix(dim, slots int, generation uint64) *matrix {
	m := &matrix{dim: dim, slots: slots, where: make(map[string]location)}
	m.current.Store(&snapshot{generation: generation})
	return m
}

// row is an entry on its way into the matrix. vector is copied.
type row struct {
	record *record
	vector []float32
}

// apply removes and then writes, as one change that becomes visible at once.
// The caller lets only one apply run at a time. Chunks that it filled are
// indexed afterwards, within the write but without the lock.
func (m *matrix) apply(removed []string, rows []row, generation uint64) {
	m.change(removed, rows, generation)
	for i, chunks := 0, m.current.Load().chunks; i < len(chunks)-1; i++ {
		if c := chunks[i]; c.index.Load() == nil {
			c.index.Store(newChunkIndex(c.records))
		}
	}
}

func (m *matrix) change(removed []string, rows []row, generation uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.current.Load()
	next := &snapshot{chunks: slices.Clone(old.chunks), tail: old.tail, generation: generation}
	for _, id := range removed {
		m.remove(id, generation)
	}
	for _, r := range rows {
		m.remove(r.record.item.ID, generation)
		m.append(next, r)
	}
	m.compact(next)
	next.items = len(m.where)
	m.current.Store(next)
}

func (m *matrix) remove(id string, generation uint64) {
	at, ok := m.where[id]
	if !ok {
		return
	}
	at.chunk.removed[at.slot].Store(generation)
	at.chunk.dead++
	delete(m.where, id)
}

func (m *matrix) append(next *snapshot, r row) {
	if len(next.chunks) == 0 || next.tail == m.slots {
		next.chunks = append(next.chunks, newChunk(m.slots, m.dim))
		next.tail = 0
	}
	at := location{chunk: next.chunks[len(next.chunks)-1], slot: next.tail}
	at.chunk.records[at.slot] = r.record
	copy(at.chunk.vector(at.slot, m.dim), r.vector)
	m.where[r.record.item.ID] = at
	next.tail++
}

// compact drops full chunks of which half or more is gone, after moving the
// rest to the end. Memory therefore stays below twice what is live plus one
// chunk, and a write moves at most as many slots as earlier writes removed.
func (m *matrix) compact(next *snapshot) {
	var sparse []*chunk
	for i, c := range next.chunks {
		if i < len(next.chunks)-1 && 2*c.dead >= m.slots {
			sparse = append(sparse, c)
		}
	}
	if sparse == nil {
		return
	}
	next.chunks = slices.DeleteFunc(next.chunks, func(c *chunk) bool { return slices.Contains(sparse, c) })
	for _, c := range sparse {
		for slot, rec := range c.records {
			if c.removed[slot].Load() == 0 {
				m.append(next, row{record: rec, vector: c.vector(slot, m.dim)})
			}
		}
	}
}

// entries copies what is stored for ids, in their order.
func (m *matrix) entries(ids []string) []store.Entry {
	m.mu.RLock()
	found := make([]location, 0, len(ids))
	for _, id := range ids {
		if at, ok := m.where[id]; ok {
			found = append(found, at)
		}
	}
	m.mu.RUnlock()
	return m.copies(found)
}

// copies needs no lock, since filled slots never change.
func (m *matrix) copies(found []location) []store.Entry {
	out := make([]store.Entry, len(found))
	for i, at := range found {
		rec := at.record()
		out[i] = store.Entry{
			Item: rec.item.Clone(), Picture: rec.picture, ContentHash: rec.hash,
			Embedding: slices.Clone(at.chunk.vector(at.slot, m.dim)),
		}
	}
	return out
}

// version returns the stored version of a live item. Only the writer may call
// it, since only the writer changes where.
func (m *matrix) version(id string) (int64, bool) {
	at, ok := m.where[id]
	if !ok {
		return 0, false
	}
	return at.record().item.Version, true
}
