package embedded

import (
	"fmt"
	"sync/atomic"

	"sightline/store"
)

// record is what the index keeps beside a vector. It never changes once it is
// reachable; a new version of an item is a new record in a new slot.
type record struct {
	item    store.Item
	picture string
	hash    string
	// further is views. Behind a pointer, since a slice here would take each item
	// without views over the border of a size of Go's memory, 32 bytes for nothing.
	further *[]string
}

// chunk is the records of one block of the vectors' slots: record i is in slot
// number*slots + i. Slots are filled in order and never rewritten; which are
// live, a snapshot's vectors say. All slots of an item are in one chunk.
type chunk struct {
	number  int       // of the block; changes hands when the chunk is compacted
	records []*record // [slots]
	filled  int       // slots with a record; for the writer only, as is dead
	dead    int       // slots that were live once
	index   atomic.Pointer[chunkIndex]
}

func (c *chunk) isFull() bool { return c.filled == len(c.records) }

// row is an entry on its way into the matrix. Vectors are copied.
type row struct {
	record *record
	vector []float32
	views  [][]float32 // in the order of record.views
}

// put fills the next slots and returns the first of them.
func (m *matrix) put(next *snapshot, r row) (uint32, error) {
	c := m.roomFor(next, r.record.slots())
	first := uint32(c.number*m.slots + c.filled)
	if err := m.vectors.Set(first, r.vector); err != nil {
		return 0, err
	}
	c.add(r.record)
	for i, v := range r.views {
		if err := m.vectors.Set(first+1+uint32(i), v); err != nil {
			return 0, fmt.Errorf("view %d: %w", i+1, err)
		}
		c.add(r.record)
	}
	next.views += len(r.views)
	if c.isFull() {
		m.full = append(m.full, c)
		m.tail = nil
	}
	return first, nil
}

func (c *chunk) add(rec *record) {
	c.records[c.filled] = rec
	c.filled++
}

// roomFor returns the chunk that the next slots are in. Where the last one has
// too few left, they stay empty: at most MaxViews.
func (m *matrix) roomFor(next *snapshot, slots int) *chunk {
	if c := m.tail; c != nil && c.filled+slots > m.slots {
		nobody := &record{}
		c.dead += m.slots - c.filled
		for !c.isFull() {
			c.add(nobody)
		}
		m.full = append(m.full, c)
		m.tail = nil
	}
	if m.tail == nil {
		m.tail = m.newChunk(next)
	}
	return m.tail
}

func (m *matrix) newChunk(next *snapshot) *chunk {
	c := &chunk{number: len(next.chunks), records: make([]*record, m.slots)}
	if n := len(m.free); n > 0 {
		c.number, m.free = m.free[n-1], m.free[:n-1]
		next.chunks[c.number] = c
	} else {
		next.chunks = append(next.chunks, c)
	}
	return c
}
