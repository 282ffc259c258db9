package embedded

import (
	"cmp"
	"slices"
)

// candidate is one scanned vector that may become a hit.
type candidate struct {
	score  float32
	record *record
}

// compare orders best first: larger score, then smaller id.
func (c candidate) compare(d candidate) int {
	if c.score != d.score {
		return cmp.Compare(d.score, c.score)
	}
	return cmp.Compare(c.record.item.ID, d.record.item.ID)
}

// topK keeps the best limit candidates of those pushed, in a binary heap with
// the worst kept one at the root. Not safe for concurrent use: each worker has
// its own.
type topK struct {
	limit int
	heap  []candidate
}

func (t *topK) full() bool { return len(t.heap) == t.limit }

func (t *topK) push(c candidate) {
	switch {
	case !t.full():
		t.heap = append(t.heap, c)
		t.up(len(t.heap) - 1)
	case c.compare(t.heap[0]) < 0:
		t.heap[0] = c
		t.down(0)
	}
}

func (t *topK) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if t.heap[i].compare(t.heap[parent]) <= 0 {
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
			if t.heap[child].compare(t.heap[worst]) > 0 {
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

// ranked returns the kept candidates best first. The heap is spent after it.
func (t *topK) ranked() []candidate {
	slices.SortFunc(t.heap, candidate.compare)
	return t.heap
}
