package scan

import (
	"cmp"
	"slices"
)

// Hit is a slot and the dot product of its vector with the query.
type Hit struct {
	Slot uint32
	Dot  float32 // as Dot computes it
}

// topK keeps the best limit hits of those pushed, in a binary heap with the
// worst kept one at the root. Not safe for concurrent use: each worker has its
// own.
type topK struct {
	limit int
	// before orders slots of equal Dot; nil means ascending.
	before func(a, b uint32) bool
	heap   []Hit
}

// compare orders best first.
func (t *topK) compare(a, b Hit) int {
	switch { // plain comparisons: cmp.Compare also looks for NaN, twice as slow
	case a.Dot > b.Dot:
		return -1
	case a.Dot < b.Dot:
		return 1
	case t.before == nil || a.Slot == b.Slot:
		return cmp.Compare(a.Slot, b.Slot)
	case t.before(a.Slot, b.Slot):
		return -1
	}
	return 1
}

func (t *topK) full() bool { return len(t.heap) == t.limit }

func (t *topK) push(h Hit) {
	switch {
	case !t.full():
		t.heap = append(t.heap, h)
		t.up(len(t.heap) - 1)
	case t.compare(h, t.heap[0]) < 0:
		t.heap[0] = h
		t.down(0)
	}
}

func (t *topK) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if t.compare(t.heap[i], t.heap[parent]) <= 0 {
			return
		}
		t.heap[i], t.heap[parent] = t.heap[parent], t.heap[i]
		i = parent
	}
}

func (t *topK) down(i int) {
	for {
		worst := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(t.heap); child++ {
			if t.compare(t.heap[child], t.heap[worst]) > 0 {
				worst = child
			}
		}
		if worst == i {
			return
		}
		t.heap[i], t.heap[worst] = t.heap[worst], t.heap[i]
		i = worst
	}
}

// ranked returns the kept hits best first. The heap is spent after it.
func (t *topK) ranked() []Hit {
	slices.SortFunc(t.heap, t.compare)
	return t.heap
}
