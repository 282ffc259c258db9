package embedded

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"sightline/store"
	"sightline/store/embedded/scan"
	"sightline/store/filter"
)

// TestSpread compares with going from slot to slot.
func TestSpread(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		const slots = 256
		views, set, want := newSlotSet(slots), newSlotSet(slots), newSlotSet(slots)
		longest := 1 + r.IntN(90) // longer than a word too
		for slot := 0; slot < slots; {
			in := r.IntN(2) == 0
			if in {
				set.add(slot)
				want.add(slot)
			}
			for slot++; slot < slots && r.IntN(longest) > 0; slot++ {
				views.add(slot)
				if in {
					want.add(slot)
				}
			}
		}
		set.spread(views)
		if !slices.Equal(set, want) {
			t.Fatalf("views %x:\ngot  %x\nwant %x", views, set, want)
		}
		set.spread(nil)
	}
}

// viewedEntry has up to most views. Coarse vectors make ties common.
func viewedEntry(r *rand.Rand, id string, most int) store.Entry {
	vector := func() []float32 {
		angle := float64(r.IntN(40)) / 40
		return []float32{float32(math.Cos(angle)), float32(math.Sin(angle))}
	}
	e := store.Entry{Item: store.Item{ID: id, Brand: fmt.Sprint(r.IntN(3)), Version: 1}, Picture: fmt.Sprintf("%064x", 0), Embedding: vector()}
	if r.IntN(3) > 0 {
		e.Item.GroupID = fmt.Sprint(r.IntN(12))
	}
	for n := range r.IntN(most + 1) {
		e.Views = append(e.Views, store.View{Picture: fmt.Sprintf("%064x", n+1), Embedding: vector()})
	}
	return e
}

// viewedMatrix is worn by writes and deletions until chunks were compacted, and
// holds live.
func viewedMatrix(t *testing.T, r *rand.Rand, most int) (*matrix, map[string]store.Entry) {
	t.Helper()
	m, live := testMatrix(t), make(map[string]store.Entry)
	id := func() string { return fmt.Sprintf("i%03d", r.IntN(250)) }
	for generation := range uint64(60) {
		var rows []row
		for range 30 {
			e := viewedEntry(r, id(), most)
			live[e.Item.ID] = e
			rows = append(rows, entryRow(e))
		}
		removed := []string{id(), id(), id()}
		for _, gone := range removed {
			delete(live, gone)
		}
		if err := m.apply(nil, rows, generation+1); err != nil {
			t.Fatal(err)
		}
		if err := m.apply(removed, nil, generation+1); err != nil {
			t.Fatal(err)
		}
		checkSlots(t, m, live)
	}
	return m, live
}

// checkSlots: an item's slots lie in a row in one chunk, nothing else is live,
// and memory is bounded.
func checkSlots(t *testing.T, m *matrix, live map[string]store.Entry) {
	t.Helper()
	s, slots := m.current.Load(), 0
	for id, e := range live {
		first, ok := m.slot(s, id)
		last := first + uint32(len(e.Views))
		slots += 1 + len(e.Views)
		if !ok || int(first)/m.slots != int(last)/m.slots || s.first(last) != first {
			t.Fatalf("%s with %d views: slots %d to %d (%v)", id, len(e.Views), first, last, ok)
		}
		for slot := first; slot <= last; slot++ {
			if !s.vectors.Has(slot) || s.record(slot).item.ID != id {
				t.Fatalf("slot %d is not that of %s", slot, id)
			}
		}
	}
	if s.vectors.Live() != slots || s.items() != len(live) {
		t.Fatalf("%d slots for %d items, want %d for %d", s.vectors.Live(), s.items(), slots, len(live))
	}
	if most := 2*slots/(testSlots-store.MaxViews) + 3; len(s.chunks) > most {
		t.Fatalf("%d chunks for %d slots, want at most %d", len(s.chunks), slots, most)
	}
}

// pictureHit is a hit without its item.
type pictureHit struct {
	id   string
	view int
	dot  float32
}

// sortedPictures sorts all pictures that a query may find and takes the first
// of each item or group.
func sortedPictures(live map[string]store.Entry, q store.Query) []pictureHit {
	var all, out []pictureHit
	for id, e := range live {
		if !e.Item.Matches(q.Filter) || slices.Contains(q.Exclude, id) {
			continue
		}
		all = append(all, pictureHit{id, 0, scan.Dot(q.Embedding, e.Embedding)})
		for i, v := range e.Views {
			all = append(all, pictureHit{id, i + 1, scan.Dot(q.Embedding, v.Embedding)})
		}
	}
	slices.SortFunc(all, func(a, b pictureHit) int {
		return cmp.Or(cmp.Compare(b.dot, a.dot), cmp.Compare(a.id, b.id), cmp.Compare(a.view, b.view))
	})
	seen := make(map[string]bool)
	for _, h := range all {
		key := "item " + h.id
		if group := live[h.id].Item.GroupID; q.GroupBy != "" && group != "" {
			key = "group " + group
		}
		if !seen[key] {
			seen[key] = true
			out = append(out, h)
		}
	}
	out = out[min(q.Offset, len(out)):]
	return out[:min(q.K, len(out))]
}

// TestViewsAreExact searches catalogues with few and many views per item, full
// chunks and compacted ones, and compares with sorting every picture.
func TestViewsAreExact(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	brand := filter.In{Field: "brand", Values: []filter.Value{{Type: filter.String, Text: "1"}}}
	for _, most := range []int{0, 1, 3, store.MaxViews} {
		m, live := viewedMatrix(t, r, most)
		x := &Index{matrix: m}
		for i := range 120 {
			angle := r.Float64()
			q := store.Query{
				Embedding: []float32{float32(math.Cos(angle)), float32(math.Sin(angle))},
				K:         []int{1, 7, 60, 500}[i%4], Offset: r.IntN(20) * (i % 2),
			}
			if i%3 == 0 {
				q.Filter = filter.Not{Kid: brand}
			}
			if i%5 < 2 {
				q.Exclude = []string{fmt.Sprintf("i%03d", r.IntN(250)), "unknown"}
			}
			if i%7 < 3 {
				q.GroupBy = "group_id"
			}
			hits, err := x.Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]pictureHit, len(hits))
			for j, h := range hits {
				got[j] = pictureHit{h.Item.ID, h.View, float32(h.ITC)}
			}
			if want := sortedPictures(live, q); !slices.Equal(got, want) {
				t.Fatalf("up to %d views, k %d, offset %d, grouped by %q:\ngot  %v\nwant %v", most, q.K, q.Offset, q.GroupBy, got, want)
			}
		}
	}
}

// TestManyViewsInFront: the nearest items have more equally near pictures than
// hits are wanted, and a search goes on behind them.
func TestManyViewsInFront(t *testing.T) {
	m := testMatrix(t)
	var rows []row
	for i := range 100 {
		e := store.Entry{Item: store.Item{ID: fmt.Sprintf("i%03d", i)}, Embedding: []float32{0, 1}}
		for range store.MaxViews * (i % 50 / 49) { // two items in a hundred
			e.Views = append(e.Views, store.View{Picture: fmt.Sprintf("%064x", i), Embedding: []float32{1, 0}})
		}
		rows = append(rows, entryRow(e))
	}
	if err := m.apply(nil, rows, 1); err != nil {
		t.Fatal(err)
	}
	hits, err := (&Index{matrix: m}).Search(t.Context(), store.Query{Embedding: []float32{1, 0}, K: 4})
	if err != nil || len(hits) != 4 {
		t.Fatalf("%d hits, %v; want 4", len(hits), err)
	}
	for i, want := range []string{"i049", "i099", "i000", "i001"} {
		if hits[i].Item.ID != want {
			t.Errorf("hit %d is %s, want %s", i, hits[i].Item.ID, want)
		}
	}
}

// FuzzViews: what is decoded is encoded again, and sizes that are none are
// refused.
func FuzzViews(f *testing.F) {
	for _, n := range []int{0, 1, 47, 48, 49, 96, 48 * store.MaxViews, 48 * (store.MaxViews + 1)} {
		f.Add(bytes.Repeat([]byte{0x3f, 0x80, 1}, n)[:n])
	}
	f.Fuzz(func(t *testing.T, blob []byte) {
		vectors, keys, err := decodeViews(nil, blob, testDim)
		if size := viewKeyBytes + 4*testDim; (len(blob)%size != 0 || len(blob) > size*store.MaxViews) != (err != nil) {
			t.Fatalf("%d bytes: %v", len(blob), err)
		}
		if err != nil {
			return
		}
		r := row{record: &record{further: &keys}}
		for v := range slices.Chunk(vectors, testDim) {
			r.views = append(r.views, v)
		}
		again, err := encodeViews(r)
		if err != nil || !bytes.Equal(again, blob) {
			t.Fatalf("%x became %x, %v", blob, again, err)
		}
	})
}

// TestOldCatalogue: one of schema version 1 is read as it is by a Reader, and
// gets views once it is opened for writing.
func TestOldCatalogue(t *testing.T) {
	dir := t.TempDir()
	x := mustOpen(t, dir)
	if err := x.Upsert(t.Context(), []store.Entry{plain("a", 1), plain("b", 1)}); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	onFile(t, dir, "ALTER TABLE items DROP COLUMN views; PRAGMA user_version = 1")
	readAll := func() []store.Entry {
		t.Helper()
		reader, err := OpenReader(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		got, err := reader.Scan(t.Context(), "", 10, nil)
		if err != nil || len(got) != 2 {
			t.Fatalf("read %+v, %v; want two items", got, err)
		}
		return got
	}
	if got := readAll(); got[0].Views != nil {
		t.Errorf("read %+v", got[0])
	}
	x = mustOpen(t, dir)
	e := plain("a", 2)
	e.Picture, e.Views = fmt.Sprintf("%064x", 1), []store.View{{Picture: fmt.Sprintf("%064x", 2), Embedding: []float32{1, 0, 0, 0}}}
	if err := x.Upsert(t.Context(), []store.Entry{e}); err != nil {
		t.Fatal(err)
	}
	if got := readAll(); len(got[0].Views) != 1 || got[0].Views[0].Picture != e.Views[0].Picture || got[0].Views[0].Embedding[0] != 1 {
		t.Errorf("read %+v, want %+v", got[0], e)
	}
	onFile(t, dir, "PRAGMA user_version = 99")
	if _, err := OpenReader(t.Context(), dir); err == nil {
		t.Error("read a catalogue of a later schema version")
	}
}

// TestNoViewsIsNull: what has no views takes no space for them, and an item that
// loses its views gives it back.
func TestNoViewsIsNull(t *testing.T) {
	x := mustOpen(t, t.TempDir())
	e := plain("a", 1)
	e.Picture, e.Views = fmt.Sprintf("%064x", 1), []store.View{{Picture: fmt.Sprintf("%064x", 2), Embedding: []float32{1, 0, 0, 0}}}
	for _, batch := range [][]store.Entry{{e}, {plain("a", 1), plain("b", 1)}} {
		if err := x.Upsert(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	if err := x.db.QueryRowContext(t.Context(), "SELECT count(*) FROM items WHERE views IS NULL").Scan(&n); err != nil || n != 2 {
		t.Errorf("%d rows without views, %v; want 2", n, err)
	}
}
