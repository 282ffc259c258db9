package indexer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sightline/encoder"
	"sightline/indexer"
	"sightline/indexer/feed"
	"sightline/store"
	"sightline/store/features"
	"sightline/store/filter"
	"sightline/store/pictures"
)

func TestBrokenPicturesDoNotStopTheRun(t *testing.T) {
	var whole bytes.Buffer
	if err := jpeg.Encode(&whole, image.NewGray(image.Rect(0, 0, 64, 64)), nil); err != nil {
		t.Fatal(err)
	}
	dir := files(t, map[string]string{
		"a-cut.jpg": string(whole.Bytes()[:whole.Len()/3]), "b-empty.jpg": "", "c-text.png": "I am a text",
		"d-bomb.png": string(hugePNG()), "e-anim.gif": "GIF89a...............", "f-good.jpg": whole.String(),
		"g-\xff.png": string(pngOf("g")), "h-good.png": string(pngOf("h")),
		strings.Repeat("i", 130) + ".png": string(pngOf("i")),
	})
	w := newWorld(t)
	sum, out, err := w.run(t.Context(), open(t, dir), indexer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []indexer.Stage{"decode", "decode", "decode", "decode", "decode", "", "feed", "", "feed"}
	for i, o := range out {
		if o.Stage != want[i] || (o.State == indexer.Failed) != (want[i] != "") || (o.Reason == "") != (want[i] == "") {
			t.Errorf("%s: %s at %q: %s; want stage %q", o.Where, o.State, o.Stage, o.Reason, want[i])
		}
		if strings.Contains(o.Reason, "picture.Error") || strings.Contains(o.Reason, dir) {
			t.Errorf("%s: reason shows what users have no use for: %s", o.Where, o.Reason)
		}
	}
	if got := w.ids(); !slices.Equal(got, []string{"f-good", "h-good"}) {
		t.Errorf("index holds %v", got)
	}
	if len(out) != 9 || sum.Seen != 9 || sum.Written != 2 || sum.Failed != 7 || len(sum.Failures) != 7 || sum.Dropped != 0 {
		t.Errorf("summary %+v", sum)
	}
	if len(w.pictures) != 2 {
		t.Errorf("%d pictures stored, want the 2 sound ones", len(w.pictures))
	}
}

// hugePNG says that it is 30,000 × 30,000 and has next to no data.
func hugePNG() []byte {
	chunk := func(kind string, data []byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
		b = append(append(b, kind...), data...)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
	}
	head := binary.BigEndian.AppendUint32(nil, 30000)
	head = append(binary.BigEndian.AppendUint32(head, 30000), 8, 2, 0, 0, 0)
	return slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", head),
		chunk("IDAT", []byte{0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0, 1}), chunk("IEND", nil))
}

func TestSecondRun(t *testing.T) {
	tests := []struct {
		name      string
		feed      string // replaces the first feed, whose items are a and b
		change    func(w *world, dir string)
		encoded   int
		written   int
		unchanged int
		check     func(t *testing.T, before, after store.Entry) // of item a
	}{
		{name: "nothing new", unchanged: 2},
		{
			name:    "metadata only",
			feed:    `{"id":"a","image":"a.png","price":9}` + "\n" + `{"id":"b","image":"b.png"}`,
			written: 1, unchanged: 1,
			check: func(t *testing.T, before, after store.Entry) {
				if *after.Item.Price != 9 || !slices.Equal(before.Embedding, after.Embedding) || after.ContentHash == before.ContentHash {
					t.Errorf("before %+v, after %+v", before, after)
				}
			},
		},
		{
			name:    "another picture",
			change:  func(_ *world, dir string) { mustWrite(dir, "a.png", pngOf("other")) },
			encoded: 1, written: 1, unchanged: 1,
			check: func(t *testing.T, before, after store.Entry) {
				if before.Picture == after.Picture || slices.Equal(before.Embedding, after.Embedding) {
					t.Errorf("before %+v, after %+v", before, after)
				}
			},
		},
		{
			name:    "patch states lost",
			change:  func(w *world, _ string) { clear(w.states); clear(w.synced) },
			encoded: 2, written: 2,
		},
		{
			name:      "the same picture under another name",
			feed:      `{"id":"a","image":"copy.png"}` + "\n" + `{"id":"b","image":"b.png"}`,
			change:    func(_ *world, dir string) { mustWrite(dir, "copy.png", pngOf("a")) },
			written:   1,
			unchanged: 1,
		},
		{
			name:    "a newer version of the same content",
			feed:    `{"id":"a","image":"a.png","version":7}` + "\n" + `{"id":"b","image":"b.png"}`,
			written: 1, unchanged: 1,
			check: func(t *testing.T, _, after store.Entry) {
				if after.Item.Version != 7 {
					t.Errorf("version %d, want 7", after.Item.Version)
				}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := files(t, map[string]string{
				"a.png": string(pngOf("a")), "b.png": string(pngOf("b")),
				"feed.jsonl": `{"id":"a","image":"a.png"}` + "\n" + `{"id":"b","image":"b.png"}`,
			})
			w := newWorld(t)
			feed := filepath.Join(dir, "feed.jsonl")
			if sum, _, err := w.run(t.Context(), open(t, feed), indexer.Options{}); err != nil || sum.Written != 2 || sum.Encoded != 2 {
				t.Fatalf("first run: %+v, %v", sum, err)
			}
			before := w.entries["a"]
			if tt.feed != "" {
				mustWrite(dir, "feed.jsonl", []byte(tt.feed))
			}
			if tt.change != nil {
				tt.change(w, dir)
			}
			sum, _, err := w.run(t.Context(), open(t, feed), indexer.Options{})
			if err != nil || sum.Encoded != tt.encoded || sum.Written != tt.written || sum.Unchanged != tt.unchanged || sum.Failed != 0 {
				t.Fatalf("second run: %+v, %v", sum, err)
			}
			if tt.check != nil {
				tt.check(t, before, w.entries["a"])
			}
		})
	}
}

func mustWrite(dir, name string, data []byte) {
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		panic(err)
	}
}

func TestOlderVersionIsLeft(t *testing.T) {
	w := newWorld(t)
	record := indexer.Record{Row: 1, Image: dataURL(pngOf("a")), Item: store.Item{ID: "a", Title: "new", Version: 5}}
	if _, _, err := w.run(t.Context(), one(record), indexer.Options{}); err != nil {
		t.Fatal(err)
	}
	record.Item.Title, record.Item.Version = "old", 4
	sum, out, err := w.run(t.Context(), one(record), indexer.Options{})
	if err != nil || sum.Unchanged != 1 || w.entries["a"].Item.Title != "new" || !strings.Contains(out[0].Reason, "version 4 is older than version 5") {
		t.Errorf("%+v, %+v, %v", sum, out, err)
	}
}

func TestPatchStates(t *testing.T) {
	for _, exact := range []bool{false, true} {
		w := newWorld(t)
		w.grid = features.Full
		if _, _, err := w.run(t.Context(), generated(1), indexer.Options{Exact: exact}); err != nil {
			t.Fatal(err)
		}
		for _, r := range w.states {
			if (r.Float != nil) != exact || (r.Int8 != nil) == exact || r.Of != nil || encoder.States(r).Check() != nil {
				t.Errorf("exact %v: states %+v", exact, r)
			}
		}
		if len(w.states) != 1 {
			t.Errorf("%d states", len(w.states))
		}
	}
}

// TestPooledStates: the store decides, whatever the options say.
func TestPooledStates(t *testing.T) {
	w := newWorld(t)
	w.grid = features.Pooled
	if _, _, err := w.run(t.Context(), generated(3), indexer.Options{Exact: true}); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.states {
		if r.Int8 == nil || len(r.Of) != 2 || encoder.States(r).Check() != nil {
			t.Errorf("states %+v, want pooled ones in int8", r)
		}
	}
	if len(w.states) != 3 {
		t.Errorf("%d states", len(w.states))
	}
}

func TestRepeatedIDFailsNamingBothRows(t *testing.T) {
	feed := `{"id":"a","title":"first","image":"a.png"}
{"id":"b","image":"a.png"}

{"id":"a","title":"second","image":"a.png"}
{"image":"a.png"}
{"image":"a.png"}`
	dir := files(t, map[string]string{"a.png": string(pngOf("a")), "f.jsonl": feed})
	w := newWorld(t)
	sum, out, err := w.run(t.Context(), open(t, filepath.Join(dir, "f.jsonl")), indexer.Options{})
	if err != nil || sum.Written != 2 || sum.Failed != 3 || w.entries["a"].Item.Title != "first" {
		t.Fatalf("%+v, %v", sum, err)
	}
	if o := out[2]; o.Row != 4 || !strings.Contains(o.Reason, `row 4 has the id "a" of row 1`) {
		t.Errorf("outcome %+v", o)
	}
	for _, o := range out[3:] {
		if !strings.Contains(o.Reason, `"id" is missing`) {
			t.Errorf("outcome %+v, want a missing id and no repeated one", o)
		}
	}
}

func TestOutcomesComeInFeedOrder(t *testing.T) {
	w := newWorld(t)
	w.onPixels = func([]byte) { time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond) }
	feed := func(yield func(indexer.Record, error) bool) {
		for r := range generated(600) {
			if r.Row%7 == 0 {
				r.Image = "gone.png"
			}
			if !yield(r, nil) {
				return
			}
		}
	}
	row := 0
	var last indexer.Progress
	observe := func(o indexer.Outcome, p indexer.Progress) {
		if o.Row != row+1 || p.Written+p.Failed != row+1 || p.At != int64(o.Row) || p.Of != 600 || p.Seen < o.Row {
			t.Errorf("after row %d: outcome %+v, progress %+v", row, o, p)
		}
		row, last = o.Row, p
	}
	sum, err := indexer.New(w.parts(), indexer.Options{Observe: observe, Decoders: 8}).Run(t.Context(), feed)
	if err != nil || row != 600 || sum.Failed != 85 || sum.Written != 515 || last.Rate <= 0 {
		t.Errorf("%+v, %v, last progress %+v", sum, err, last)
	}
}

func TestFailureListIsBounded(t *testing.T) {
	w := newWorld(t)
	feed := func(yield func(indexer.Record, error) bool) {
		for i := range 1500 {
			if !yield(indexer.Record{Row: i + 1}, &indexer.Fault{Stage: indexer.StageFeed, Err: errors.New("bad")}) {
				return
			}
		}
	}
	sum, out, err := w.run(t.Context(), feed, indexer.Options{})
	if err != nil || sum.Failed != 1500 || len(sum.Failures) != 1000 || len(out) != 1500 || sum.Failures[999].Row != 1000 {
		t.Errorf("failed %d, listed %d, %v", sum.Failed, len(sum.Failures), err)
	}
}

func TestBrokenFeedFinishesWhatItGave(t *testing.T) {
	gone := errors.New("disk gone")
	feed := func(yield func(indexer.Record, error) bool) {
		for r := range generated(20) {
			yield(r, nil)
		}
		yield(indexer.Record{}, gone)
	}
	w := newWorld(t)
	sum, _, err := w.run(t.Context(), feed, indexer.Options{})
	if !errors.Is(err, gone) || sum.Written != 20 || sum.Stopped {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestBrokenDependencyEndsTheRun(t *testing.T) {
	broken := errors.New("broken")
	fail := func() error { return broken }
	for name, set := range map[string]func(*world){
		"look up":            func(w *world) { w.onGet = fail },
		"store picture":      func(w *world) { w.onPut = fail },
		"encode":             func(w *world) { w.onImages = func(context.Context, int) error { return broken } },
		"store patch states": func(w *world) { w.onStates = fail },
		"sync":               func(w *world) { w.onSync = fail },
		"write to the index": func(w *world) { w.onUpsert = func([]store.Entry) error { return broken } },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			set(w)
			sum, _, err := w.run(t.Context(), generated(1000), indexer.Options{})
			if !errors.Is(err, broken) || name != "sync" && !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, want one that names %q", err, name)
			}
			if len(w.entries) != 0 || sum.Written != 0 || sum.Failed != 0 || sum.Dropped != sum.Seen || sum.Seen == 0 || sum.Stopped {
				t.Errorf("%d entries, summary %+v", len(w.entries), sum)
			}
		})
	}
}

func TestEntryThatTheIndexRefusesFailsAlone(t *testing.T) {
	w := newWorld(t)
	decoded := w.countDecoded()
	first := true
	w.onImages = func(_ context.Context, n int) error {
		// A full batch stands behind the first: the only decoder is at the 25th
		// behind this one, and sixteen at most are on their way to disk.
		for first && int(decoded.Load()) < n+25 {
			time.Sleep(time.Millisecond)
		}
		first = false
		return nil
	}
	var poison string
	w.onUpsert = func(entries []store.Entry) error {
		if poison == "" && len(entries) > 1 {
			poison = entries[1].Item.ID
		}
		for _, e := range entries {
			if e.Item.ID == poison {
				return fmt.Errorf("item %q: %w embedding", e.Item.ID, store.ErrInvalid)
			}
		}
		return nil
	}
	sum, _, err := w.run(t.Context(), generated(40), indexer.Options{Decoders: 1})
	if err != nil || sum.Written != 39 || sum.Failed != 1 || len(w.entries) != 39 {
		t.Fatalf("%+v, %v", sum, err)
	}
	if f := sum.Failures[0]; f.ID != poison || f.Stage != indexer.StageWrite {
		t.Errorf("failed: %+v, want %q at write", f, poison)
	}
	if w.largest < 2 || w.largest > 8 {
		t.Errorf("largest batch %d, want more than one and at most the default of 8", w.largest)
	}
}

// discard is an index that is always empty.
type discard struct{}

func (discard) Scan(context.Context, string, int, filter.Expr) ([]store.Entry, error) {
	return nil, nil
}

func (discard) Delete(context.Context, []string) (int, error) { return 0, nil }

func (discard) Get(context.Context, []string) ([]store.Entry, error) { return nil, nil }
func (discard) Upsert(context.Context, []store.Entry) error          { return nil }
func (discard) Has(string) bool                                      { return false }
func (discard) Put(context.Context, string, features.Record) error   { return nil }
func (discard) Sync() error                                          { return nil }
func (discard) Grid() features.Grid                                  { return features.Full }

// hashOnly names pictures and keeps none.
type hashOnly struct{}

func (hashOnly) Get(context.Context, string) ([]byte, error) { return nil, pictures.ErrNotFound }

func (hashOnly) Has(string) bool { return false }

func (hashOnly) Put(_ context.Context, data []byte) (string, error) {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

func TestTenThousandItemsInConstantMemory(t *testing.T) {
	w := newWorld(t)
	parts := w.parts()
	parts.Index, parts.Features, parts.Pictures = discard{}, discard{}, hashOnly{}
	goroutines := runtime.NumGoroutine()
	var most, ahead int
	var heap [2]uint64
	observe := func(o indexer.Outcome, p indexer.Progress) {
		most, ahead = max(most, runtime.NumGoroutine()-goroutines), max(ahead, p.Seen-o.Row)
		switch o.Row {
		case 2000:
			heap[0] = liveHeap()
		case 9500: // before the reader ends and lets go of its ids
			heap[1] = liveHeap()
		}
	}
	image := dataURL(pngOf("all"))
	feed := func(yield func(indexer.Record, error) bool) {
		for i := range 10_000 {
			if !yield(indexer.Record{Row: i + 1, Image: image, Item: store.Item{ID: fmt.Sprint("sku-", i)}}, nil) {
				return
			}
		}
	}
	sum, err := indexer.New(parts, indexer.Options{Observe: observe, Decoders: 2}).Run(t.Context(), feed)
	if err != nil || sum.Written != 10_000 {
		t.Fatalf("%+v, %v", sum, err)
	}
	t.Logf("at most %d goroutines, %d rows ahead; live heap %d kB at row 2000, %d kB at row 9500", most, ahead, heap[0]>>10, heap[1]>>10)
	// Reader, 32 fetchers, 2 decoders, 16 filers of copies, encoder, keeper of
	// states, writer, the test's context; each decoder resizes on all CPUs.
	if most > 39+16+2*runtime.GOMAXPROCS(0) || ahead > 256 {
		t.Errorf("%d goroutines, %d rows ahead", most, ahead)
	}
	// 7500 ids at about 40 bytes, in a map that doubles.
	if grown := int64(heap[1]) - int64(heap[0]); grown > 2<<20 {
		t.Errorf("live heap grew by %d kB", grown>>10)
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestSummaryJSON(t *testing.T) {
	sum, _, err := newWorld(t).run(t.Context(), feed.Read(strings.NewReader("{\n"), feed.Options{}), indexer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sum.Seconds = 0
	sum.StageSeconds = map[indexer.Stage]float64{indexer.StageFeed: 1}
	sum.Failures[0].Reason = "why"
	got, err := json.Marshal(sum)
	want := `{"seen":1,"written":0,"unchanged":0,"failed":1,"deleted":0,"dropped":0,"encoded":0,` +
		`"failures":[{"row":1,"where":"line 1","state":"failed","stage":"feed","reason":"why"}],"left_out":0,"incomplete":[],` +
		`"stopped":false,"seconds":0,"stage_seconds":{"feed":1}}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
}

func TestOnePictureOfTwoItemsIsStoredOnce(t *testing.T) {
	w := newWorld(t)
	puts := 0
	w.onStates = func() error {
		puts++
		return nil
	}
	feed := func(yield func(indexer.Record, error) bool) {
		for r := range generated(12) {
			r.Image = dataURL(pngOf("shared"))
			yield(r, nil)
		}
	}
	sum, _, err := w.run(t.Context(), feed, indexer.Options{})
	if err != nil || sum.Written != 12 || puts != 1 || len(w.pictures) != 1 {
		t.Errorf("%+v, %v: %d states, %d pictures", sum, err, puts, len(w.pictures))
	}
}
