package indexer_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sightline/indexer"
	"sightline/store"
	"sightline/store/change"
)

// shown is a record with pictures whose contents follow from their names.
func shown(id string, names ...string) indexer.Record {
	r := indexer.Record{Row: 1, Where: "line " + id, Item: store.Item{ID: id}}
	for _, name := range names {
		image := dataURL(pngOf(name))
		if strings.HasPrefix(name, "!") { // one that cannot be decoded
			image = dataURL([]byte(name))
		}
		r.Images = append(r.Images, image)
	}
	if len(r.Images) > 0 {
		r.Image = r.Images[0]
	}
	return r
}

// feedOf is a feed of records.
func feedOf(records ...indexer.Record) indexer.Feed {
	return func(yield func(indexer.Record, error) bool) {
		for i, r := range records {
			r.Row = i + 1
			if !yield(r, nil) {
				return
			}
		}
	}
}

// keys are what pictures of these names are stored under.
func keys(names ...string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = keyOf(pngOf(name))
	}
	return out
}

// wantPictures compares an entry with pictures by name, embeddings included.
func wantPictures(t *testing.T, w *world, id string, names ...string) {
	t.Helper()
	e, ok := w.entries[id]
	if !ok || !slices.Equal(keysOf(e), keys(names...)) {
		t.Fatalf("item %q has %v, want the pictures %q", id, keysOf(e), names)
	}
	vectors := [][]float32{e.Embedding}
	for _, v := range e.Views {
		vectors = append(vectors, v.Embedding)
	}
	for i, name := range names {
		if want := embedding(t, name); !slices.Equal(vectors[i], want) {
			t.Errorf("item %q, picture %d: embedding %v, want that of %s, %v", id, i+1, vectors[i], name, want)
		}
	}
}

// embedding is that of a picture by the fake encoder.
func embedding(t *testing.T, name string) []float32 {
	t.Helper()
	e := &fakeEncoder{t: t}
	pixels, err := e.Pixels(pngOf(name))
	if err != nil {
		t.Fatal(err)
	}
	return vectorOf(pixels)
}

func TestSeveralPictures(t *testing.T) {
	tests := []struct {
		name    string
		second  []string // pictures of the second import; "!" breaks one
		lose    string   // patch states lost in between
		encoded int
		state   indexer.State
		want    []string
		left    []int // numbers of pictures left out
	}{
		{name: "nothing new", second: []string{"a", "b", "c"}, state: indexer.Unchanged, want: []string{"a", "b", "c"}},
		{name: "another order", second: []string{"c", "a", "b"}, state: indexer.Written, want: []string{"c", "a", "b"}},
		{name: "one more", second: []string{"a", "b", "c", "d"}, encoded: 1, state: indexer.Written, want: []string{"a", "b", "c", "d"}},
		{name: "one less", second: []string{"a", "c"}, state: indexer.Written, want: []string{"a", "c"}},
		{name: "the main one only", second: []string{"a"}, state: indexer.Written, want: []string{"a"}},
		{name: "another main one", second: []string{"d", "b", "c"}, encoded: 1, state: indexer.Written, want: []string{"d", "b", "c"}},
		{name: "one twice", second: []string{"a", "b", "a", "c", "b"}, state: indexer.Unchanged, want: []string{"a", "b", "c"}},
		{name: "one broken", second: []string{"a", "!x", "c"}, state: indexer.Written, want: []string{"a", "c"}, left: []int{2}},
		{name: "all further ones broken", second: []string{"a", "!x", "!y"}, state: indexer.Written, want: []string{"a"}, left: []int{2, 3}},
		{name: "states lost", second: []string{"a", "b", "c"}, lose: "b", encoded: 1, state: indexer.Written, want: []string{"a", "b", "c"}},
		{name: "main one broken", second: []string{"!x", "b", "c"}, state: indexer.Failed, want: []string{"a", "b", "c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			sum := w.must(t, feedOf(shown("x", "a", "b", "c")), indexer.Options{})
			if sum.Encoded != 3 || len(w.states) != 3 {
				t.Fatalf("%+v, %d states", sum, len(w.states))
			}
			wantPictures(t, w, "x", "a", "b", "c")
			delete(w.states, keyOf(pngOf(tt.lose)))
			decoded := w.countDecoded()
			for again := range 2 { // which the third import finds unchanged
				sum, out, err := w.run(t.Context(), feedOf(shown("x", tt.second...)), indexer.Options{})
				if err != nil || len(out) != 1 {
					t.Fatal(err, out)
				}
				state, encoded := tt.state, tt.encoded
				if again > 0 && state == indexer.Written {
					state, encoded = indexer.Unchanged, 0
				}
				if out[0].State != state || sum.Encoded != encoded {
					t.Errorf("import %d: %+v, %d encoded; want %s, %d", again+2, out[0], sum.Encoded, state, encoded)
				}
				if state != indexer.Failed {
					wantLeftOut(t, sum, out[0], indexer.StageDecode, tt.left...)
				}
			}
			wantPictures(t, w, "x", tt.want...)
			if n := int(decoded.Load()); n > tt.encoded+2*(len(tt.left)+1) {
				t.Errorf("%d pictures decoded for %d new ones", n, tt.encoded)
			}
		})
	}
}

func (w *world) countDecoded() *atomic.Int64 {
	var n atomic.Int64
	w.onPixels = func([]byte) { n.Add(1) }
	return &n
}

// wantLeftOut checks an outcome's warnings and what the summary of one item
// makes of them.
func wantLeftOut(t *testing.T, sum indexer.Summary, o indexer.Outcome, stage indexer.Stage, numbers ...int) {
	t.Helper()
	var got []int
	for _, w := range o.Warnings {
		got = append(got, w.Picture)
		if w.Stage != stage || w.Reason == "" || w.Err == nil {
			t.Errorf("warning %+v, want stage %q and a reason", w, stage)
		}
	}
	if !slices.Equal(got, numbers) || sum.LeftOut != len(numbers) || len(sum.Incomplete) != min(1, len(numbers)) || sum.Failed != 0 {
		t.Errorf("left out %v, want %v; %+v", got, numbers, sum)
	}
}

// A picture at an address is left out while it is not there, and put in by the
// import that finds it.
func TestLeftOutPictureComesLater(t *testing.T) {
	s, w := newShopServer(t), newWorld(t)
	w.fetching(t)
	r := indexer.Record{Item: store.Item{ID: "x"}, Images: []string{s.set("/a.png", pngOf("a")), s.URL + "/b.png", s.set("/c.png", pngOf("c"))}}
	r.Image, r.Item.Images = r.Images[0], r.Images[1:]
	for i, state := range []indexer.State{indexer.Written, indexer.Unchanged} {
		sum, out, err := w.run(t.Context(), feedOf(r), indexer.Options{})
		if err != nil || out[0].State != state {
			t.Fatalf("import %d: %+v, %v", i+1, out, err)
		}
		wantLeftOut(t, sum, out[0], indexer.StageFetch, 2)
		wantPictures(t, w, "x", "a", "c")
	}
	s.set("/b.png", pngOf("b"))
	sum, out, err := w.run(t.Context(), feedOf(r), indexer.Options{})
	if err != nil || out[0].State != indexer.Written || sum.Encoded != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	wantLeftOut(t, sum, out[0], "")
	wantPictures(t, w, "x", "a", "b", "c")
	if w.entries["x"].Item.Images == nil {
		t.Error("the sources of further pictures are not kept")
	}
}

// Batches are of pictures: those of one item do not make one larger, and those
// of many items share it.
func TestBatchesAreOfPictures(t *testing.T) {
	w := newWorld(t)
	var records []indexer.Record
	for i := range 12 {
		var names []string
		for k := range 1 + 19*(i%2) {
			names = append(names, fmt.Sprintf("%d-%d", i, k))
		}
		records = append(records, shown(fmt.Sprint("item-", i), names...))
	}
	decoded := w.countDecoded()
	first := true
	w.onImages = func(_ context.Context, n int) error {
		// The only decoder is at the 25th behind this batch, and sixteen at most
		// are on their way to disk: eight are ready.
		for first && int(decoded.Load()) < n+25 {
			time.Sleep(time.Millisecond)
		}
		first = false
		return nil
	}
	sum := w.must(t, feedOf(records...), indexer.Options{Decoders: 1})
	if sum.Written != 12 || sum.Encoded != 6+6*20 || w.largest != 8 {
		t.Errorf("%+v; largest batch %d, want 8", sum, w.largest)
	}
	for i, r := range records {
		if got := len(w.entries[fmt.Sprint("item-", i)].Views); got != len(r.Images)-1 {
			t.Errorf("item %d has %d views, want %d", i, got, len(r.Images)-1)
		}
	}
}

// At most 20 pictures are taken, however many a reader gives.
func TestManyPictures(t *testing.T) {
	w := newWorld(t)
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprint("p", i))
	}
	w.must(t, feedOf(shown("x", names...)), indexer.Options{})
	wantPictures(t, w, "x", names[:store.MaxViews+1]...)
}

// However many pictures an item has, each fetcher holds one at a time.
func TestPicturesOfAnItemAreFetchedOneByOne(t *testing.T) {
	var now, most atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		_, _ = w.Write(pngOf(r.URL.Path))
	}))
	defer server.Close()
	w := newWorld(t)
	w.fetching(t)
	var records []indexer.Record
	for i := range 20 {
		r := indexer.Record{Item: store.Item{ID: fmt.Sprint("item-", i)}}
		for k := range 10 {
			r.Images = append(r.Images, fmt.Sprintf("%s/%d-%d.png", server.URL, i, k))
		}
		records = append(records, r)
	}
	sum := w.must(t, feedOf(records...), indexer.Options{Fetchers: 3})
	if sum.Written != 20 || sum.Encoded != 200 || most.Load() > 3 {
		t.Errorf("%+v; %d requests at once, want at most 3", sum, most.Load())
	}
}

func TestStoredNames(t *testing.T) {
	a, b := keyOf(pngOf("a")), keyOf(pngOf("b"))
	gone := keyOf(pngOf("gone"))
	tests := []struct {
		name    string
		images  []string
		reason  string
		encoded int
		read    int
		left    []int
	}{
		{name: "as before", images: []string{change.Stored(a), change.Stored(b)}},
		{name: "another order", images: []string{change.Stored(b), change.Stored(a)}},
		{name: "a stored one that another item has", images: []string{change.Stored(a), change.Stored(keyOf(pngOf("other")))}, encoded: 1, read: 1},
		{name: "one that is not stored", images: []string{change.Stored(a), change.Stored(gone)}, left: []int{2}},
		{name: "the main one is not stored", images: []string{change.Stored(gone)}, reason: "no picture is stored"},
		{name: "no key", images: []string{change.Stored("../../etc/passwd")}, reason: "no picture is stored"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.must(t, feedOf(shown("x", "a", "b"), shown("y", "other")), indexer.Options{})
			read := 0
			w.onRead = func() { read++ }
			r := indexer.Record{Item: store.Item{ID: "x"}, Image: tt.images[0], Images: tt.images}
			sum, out, err := w.run(t.Context(), feedOf(r), indexer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if tt.reason != "" {
				if out[0].State != indexer.Failed || out[0].Stage != indexer.StageFetch || !strings.Contains(out[0].Reason, tt.reason) || out[0].Temporary {
					t.Errorf("%+v, want a failure at fetch: %s", out[0], tt.reason)
				}
				return
			}
			wantLeftOut(t, sum, out[0], indexer.StageFetch, tt.left...)
			if sum.Encoded != tt.encoded || read != tt.read {
				t.Errorf("%d encoded, %d read; want %d, %d", sum.Encoded, read, tt.encoded, tt.read)
			}
		})
	}
}

// TestStoredFeed embeds a catalogue for another model: nothing but its pictures
// is needed, and the entries are the same but for what the model makes.
func TestStoredFeed(t *testing.T) {
	w := newWorld(t)
	w.must(t, feedOf(shown("x", "a", "b"), shown("y", "c"), shown("z", "b", "d", "a")), indexer.Options{})
	w.entries["none"] = store.Entry{Item: store.Item{ID: "none"}, Embedding: unit(1, 2, 3)}
	other := newWorld(t)
	other.pictures = w.pictures
	sum, out, err := other.run(t.Context(), indexer.Stored(t.Context(), (*fakeIndex)(w), len(w.entries)), indexer.Options{})
	if err != nil || sum.Written != 3 || sum.Failed != 1 || sum.Encoded != 6 {
		t.Fatalf("%+v, %v", sum, err)
	}
	if o := out[0]; o.ID != "none" || !strings.Contains(o.Reason, "has no picture") {
		t.Errorf("an item without pictures: %+v", o)
	}
	delete(w.entries, "none")
	if !reflect.DeepEqual(other.entries, w.entries) {
		t.Errorf("got %+v\nwant %+v", other.entries, w.entries)
	}
	read := 0
	w.onRead = func() { read++ }
	if sum := w.must(t, indexer.Stored(t.Context(), (*fakeIndex)(w), 3), indexer.Options{}); sum.Unchanged != 3 || read != 0 {
		t.Errorf("over itself: %+v, %d pictures read", sum, read)
	}
}

// A stored copy that cannot be read is one item's trouble, and of a picture at
// an address none at all.
func TestDamagedCopies(t *testing.T) {
	s, w := newShopServer(t), newWorld(t)
	w.fetching(t)
	feed := rows(map[string]string{"a": s.set("/a.png", pngOf("a"))})
	w.must(t, feed, indexer.Options{})
	clear(w.states)
	w.damaged = keyOf(pngOf("a"))
	if _, out, err := w.run(t.Context(), indexer.Stored(t.Context(), (*fakeIndex)(w), 1), indexer.Options{}); err != nil || out[0].Stage != indexer.StageFetch {
		t.Errorf("named by its key: %+v, %v", out, err)
	}
	wantCounts(t, w.must(t, feed, indexer.Options{}), 1, 0, 0)
}
