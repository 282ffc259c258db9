package embedded

import (
	"cmp"
	"context"
	"slices"
	"sort"
	"sync"

	"sightline/store"
	"sightline/store/filter"
)

// Scan implements store.Index. A full chunk's index has its ids sorted, so a
// page is a merge of the chunks from the cursor on: it costs a search in each
// and what is returned, not what the catalogue holds.
func (x *Index) Scan(ctx context.Context, after string, limit int, e filter.Expr) ([]store.Entry, error) {
	if err := x.usable(ctx); err != nil {
		return nil, err
	}
	if err := store.ValidateScan(limit); err != nil {
		return nil, err
	}
	done, err := x.matrix.admit(ctx, x.matrix.walks)
	if err != nil {
		return nil, err
	}
	defer done()
	snap := x.matrix.current.Load()
	slots, err := snap.page(ctx, after, limit, e)
	if err != nil {
		return nil, err
	}
	return snap.copies(slots), nil
}

// pageStep is how many slots are passed between looks at ctx.
const pageStep = 4096

// page returns the first limit slots, by id, behind after.
func (s *snapshot) page(ctx context.Context, after string, limit int, e filter.Expr) ([]uint32, error) {
	var mu sync.Mutex // guards runs
	var runs []*run
	err := s.visit(ctx, e, func(_, i int, matching slotSet) {
		r := s.run(i, after, matching)
		if r == nil {
			return
		}
		mu.Lock()
		runs = append(runs, r)
		mu.Unlock()
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(runs, func(a, b *run) int { return cmp.Compare(a.id, b.id) })
	var out []uint32
	for step := 1; len(runs) > 0 && len(out) < limit; step++ {
		out = append(out, runs[0].first+uint32(runs[0].slot))
		if !runs[0].next() {
			runs[0] = runs[len(runs)-1]
			runs = runs[:len(runs)-1]
		}
		sink(runs)
		if step%pageStep == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return out, nil
}

// sink restores a binary heap with the smallest id at its root after the root
// has changed.
func sink(runs []*run) {
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(runs); child++ {
			if runs[child].id < runs[least].id {
				least = child
			}
		}
		if least == i {
			return
		}
		runs[i], runs[least] = runs[least], runs[i]
		i = least
	}
}

// run is what a page may take from one chunk, in the order of ids.
type run struct {
	first   uint32 // slot of the chunk's first record
	records []*record
	slots   []uint16 // by id; those left to look at
	wanted  slotSet
	slot    uint16
	id      string // of slot
}

// run returns nil where a chunk has nothing for a page.
func (s *snapshot) run(i int, after string, matching slotSet) *run {
	r := &run{first: uint32(i * s.slots), records: s.chunks[i].records}
	if x := s.chunks[i].index.Load(); x != nil {
		ids := x.texts("id") // every item has one; of slots with the same, one is live
		from := sort.Search(len(ids.values), func(i int) bool { return ids.values[i] > after })
		r.slots = ids.slots[ids.starts[from]:]
	} else {
		r.slots = sortedBehind(after, r.records, matching)
	}
	r.wanted = matching
	if !r.next() {
		return nil
	}
	r.wanted = slices.Clone(matching) // which is the caller's
	return r
}

// sortedBehind does for a chunk without an index what the index has done for
// others.
func sortedBehind(after string, records []*record, matching slotSet) []uint16 {
	var slots []uint16
	for slot := range matching.all {
		if records[slot].item.ID > after {
			slots = append(slots, uint16(slot))
		}
	}
	slices.SortFunc(slots, func(a, b uint16) int { return cmp.Compare(records[a].item.ID, records[b].item.ID) })
	return slots
}

// next moves to the next wanted slot and returns whether there is one.
func (r *run) next() bool {
	for i, slot := range r.slots {
		if r.wanted.has(int(slot)) {
			r.slots, r.slot, r.id = r.slots[i+1:], slot, r.records[slot].item.ID
			return true
		}
	}
	return false
}
