package embedded

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/bits"

	"sightline/store"
	"sightline/store/embedded/scan"
)

// An item with further pictures has a run of slots in one chunk: the first for
// its own picture, one for each view behind it, all with the same record. Only
// the first slot stands for the item: filters, counts and pages know no other.
// A search scans them all and takes the best of each item's (scan.Request.Same).

// views returns the keys of the further pictures.
func (r *record) views() []string {
	if r.further == nil {
		return nil
	}
	return *r.further
}

// slots is how many the item takes.
func (r *record) slots() int { return 1 + len(r.views()) }

// isView says whether a slot is not the first of its item.
func isView(records []*record, slot int) bool { return slot > 0 && records[slot-1] == records[slot] }

// entryRow shares the embeddings of the entry, and nothing else that can change.
func entryRow(e store.Entry) row {
	r := row{record: &record{item: e.Item.Clone(), picture: e.Picture, hash: e.ContentHash}, vector: e.Embedding}
	if len(e.Views) == 0 {
		return r
	}
	keys := make([]string, len(e.Views))
	r.record.further = &keys
	r.views = make([][]float32, len(e.Views))
	for i, v := range e.Views {
		keys[i], r.views[i] = v.Picture, v.Embedding
	}
	return r
}

// rowAt returns what is stored from the first slot of an item on, as add takes
// it. For the writer.
func (m *matrix) rowAt(first uint32, rec *record) row {
	r := row{record: rec, vector: m.vectors.Vector(first)}
	for i := range rec.views() {
		r.views = append(r.views, m.vectors.Vector(first+1+uint32(i)))
	}
	return r
}

// viewKeyBytes is what the key of a view takes on disk, in front of its vector.
const viewKeyBytes = 32

// encodeViews returns nil, which is NULL, for an item without further pictures.
func encodeViews(r row) ([]byte, error) {
	var out []byte
	for i, picture := range r.record.views() {
		key, err := hex.DecodeString(picture)
		if err != nil || len(key) != viewKeyBytes {
			return nil, fmt.Errorf("picture key %q passed every check and is none. This is a bug", picture)
		}
		out = append(append(out, key...), encodeVector(r.views[i])...)
	}
	return out, nil
}

// decodeViews appends the vectors to v and returns the keys.
func decodeViews(v []float32, blob []byte, dim int) ([]float32, []string, error) {
	size := viewKeyBytes + 4*dim
	if len(blob)%size != 0 || len(blob) > size*store.MaxViews {
		return v, nil, fmt.Errorf("%d bytes of views, want at most %d times %d", len(blob), store.MaxViews, size)
	}
	if len(blob) == 0 {
		return v, nil, nil
	}
	keys := make([]string, 0, len(blob)/size)
	for ; len(blob) > 0; blob = blob[size:] {
		keys = append(keys, hex.EncodeToString(blob[:viewKeyBytes]))
		v = appendVector(v, blob[viewKeyBytes:size])
	}
	return v, keys, nil
}

// first returns the first slot of the item that a live slot belongs to.
func (s *snapshot) first(slot uint32) uint32 {
	records := s.chunks[int(slot)/s.slots].records
	at := int(slot) % s.slots
	for isView(records, at) {
		at--
		slot--
	}
	return slot
}

// dropViews leaves of a set of live slots the first of each item.
func (s *snapshot) dropViews(i int, set slotSet) {
	if s.views == 0 {
		return
	}
	if x := s.chunks[i].index.Load(); x != nil {
		set.andNot(x.views) // nil where the chunk has none
		return
	}
	for slot := range set.all {
		if isView(s.chunks[i].records, slot) {
			set.remove(slot)
		}
	}
}

// addViews adds to a set of first slots the others of the same items.
func (s *snapshot) addViews(i int, set slotSet) {
	if s.views == 0 {
		return
	}
	if x := s.chunks[i].index.Load(); x != nil {
		set.spread(x.views)
		return
	}
	for slot := range s.live(i).all {
		if isView(s.chunks[i].records, slot) && set.has(slot-1) {
			set.add(slot)
		}
	}
}

// spread adds each run of slots in views whose slot in front is in the set,
// which has none of views yet. A run that is to be added gets a one at its low
// end, and the sum's carry passes through all of it: some 100 ns for 4096 slots.
func (s slotSet) spread(views slotSet) {
	var carry, last uint64
	for i, word := range views {
		ends := (s[i]<<1 | last) & word
		last = s[i] >> 63
		var sum uint64
		sum, carry = bits.Add64(word, ends, carry)
		s[i] |= (word ^ sum) & word
	}
}

// dropItems takes the items of hits, with all their slots, out of what is
// allowed.
func (s *search) dropItems(ctx context.Context, hits []scan.Hit) error {
	if s.allowed == nil {
		if err := s.allow(ctx, nil); err != nil {
			return err
		}
	}
	for _, h := range hits {
		s.drop(s.snap.first(h.Slot))
	}
	return nil
}

// drop takes one item out of what is allowed, which is not nil.
func (s *search) drop(first uint32) {
	for slot := first; slot < first+uint32(s.snap.record(first).slots()); slot++ {
		s.allowed[slot/64] &^= 1 << (slot % 64)
	}
}
