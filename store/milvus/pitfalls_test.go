package milvus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"

	"sightline/store"
	"sightline/store/filter"
)

func plain(id string, version int64, v ...float32) store.Entry {
	return store.Entry{Item: store.Item{ID: id, Version: version}, Embedding: v}
}

// Milvus Lite reports what it did not foresee with a success code that the SDK
// believes.
func TestHiddenErrors(t *testing.T) {
	x := newIndex(t, 2, nil)
	mustUpsert(t, x, plain("a", 1, 1, 0))
	rows, err := x.server.query(t.Context(), x.items, "version == 99999999999999999999", wantVersion, 10)
	var refused *statusError
	if !errors.As(err, &refused) || refused.legacy != commonpb.ErrorCode_Success {
		t.Errorf("a query that fails inside Milvus Lite: %v, %v", rows, err)
	}
}

func TestDeletingEverythingIsRefused(t *testing.T) {
	x := newIndex(t, 2, nil)
	mustUpsert(t, x, plain("a", 1, 1, 0))
	for _, c := range []cond{"", always} {
		if err := x.server.remove(t.Context(), x.items, c); err == nil {
			t.Errorf("condition %q was accepted", c)
		}
	}
	if n, err := x.Count(t.Context(), nil); err != nil || n != 1 {
		t.Errorf("%d items, %v", n, err)
	}
}

// Of more equal cosines than a window holds the smallest ids must come first,
// also over the borders of pages.
func TestTiesBeyondWindow(t *testing.T) {
	x := newIndex(t, 2, func(o *Options) { o.FlushRows = 30 })
	var batch []store.Entry
	for _, i := range rand.Perm(150) {
		batch = append(batch, plain(fmt.Sprintf("i%03d", i), 1, 0.6, 0.8))
	}
	mustUpsert(t, x, batch[:100]...)
	mustUpsert(t, x, batch[100:]...)
	for offset := 0; offset < 150; offset += 7 {
		got := mustSearch(t, x, store.Query{Embedding: []float32{1, 0}, K: 3, Offset: offset})
		for i, id := range got {
			if want := fmt.Sprintf("i%03d", offset+i); id != want {
				t.Fatalf("place %d: %s, want %s", offset+i, id, want)
			}
		}
	}
}

// The scan of last resort must find what windows find.
func TestScanAgrees(t *testing.T) {
	x := newIndex(t, 8, func(o *Options) { o.FlushRows = 1000 })
	r := rand.New(rand.NewPCG(3, 4))
	var batch []store.Entry
	for i := range 2500 {
		e := store.Entry{Item: store.Item{ID: fmt.Sprint(i), GroupID: fmt.Sprint(i % 40), Attributes: map[string]any{"size": float64(i % 50)}}, Embedding: randomUnit(r, 8)}
		batch = append(batch, e)
	}
	mustUpsert(t, x, batch...)
	for _, q := range []store.Query{
		{K: 20},
		{K: 5, Offset: 30, GroupBy: "group_id"},
		{K: 30, Filter: parse(t, "size > 40")},
		{K: 30, GroupBy: "group_id", Filter: parse(t, "size > 47"), Exclude: []string{"48", "49"}},
	} {
		q.Embedding = randomUnit(r, 8)
		want := mustSearch(t, x, q)
		hits, err := x.scan(t.Context(), newRequest(q))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range hits {
			got = append(got, h.Item.ID)
		}
		if !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("%+v:\nscan   %v\nwindow %v", q, got, want)
		}
	}
}

// HNSW on Lite finds two ids among thousands in few searches only.
func TestSelectiveFilterOnHNSW(t *testing.T) {
	x := newIndex(t, 32, func(o *Options) { o.FlushRows, o.hnsw = 4000, true })
	r := rand.New(rand.NewPCG(5, 6))
	var batch []store.Entry
	for i := range 4000 {
		batch = append(batch, store.Entry{Item: store.Item{ID: fmt.Sprint(i), Brand: fmt.Sprint(i / 20)}, Embedding: randomUnit(r, 32)})
	}
	mustUpsert(t, x, batch...)
	waitIndexed(t, x)
	short := 0
	for i := range 10 {
		q := store.Query{Embedding: randomUnit(r, 32), K: 10, Filter: parse(t, fmt.Sprintf(`brand = "%d"`, i*13))}
		if len(windowOf(t, x, q, 10).rows) < 10 {
			short++
		}
		if got := mustSearch(t, x, q); !slices.Equal(got, bruteForce(batch, q)) {
			t.Errorf("brand %d: %v, want %v", i*13, got, bruteForce(batch, q))
		}
	}
	t.Logf("%d of 10 searches of Milvus itself came back short", short)
}

func windowOf(t *testing.T, x *Index, q store.Query, size int) *window {
	t.Helper()
	w := &window{collection: x.items, fields: wantEntry[1:], size: size}
	if err := x.window(t.Context(), newRequest(q), w); err != nil {
		t.Fatal(err)
	}
	return w
}

// waitIndexed waits until Lite's background work has put an index on disk.
func waitIndexed(t *testing.T, x *Index) {
	t.Helper()
	eventually(t, "the index", func() bool { return len(onDisk(t, x, "*.idx")) > 0 })
}

func onDisk(t *testing.T, x *Index, pattern string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(shared.Dir(), func(path string, entry os.DirEntry, err error) error {
		if ok, _ := filepath.Match(pattern, filepath.Base(path)); ok && strings.Contains(path, x.items) && !strings.Contains(path, x.tombs) {
			found = append(found, path)
		}
		return nil // the server renames and removes files meanwhile
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

func bruteForce(all []store.Entry, q store.Query) []string {
	r := newRequest(q)
	rows := make([]row, len(all))
	for i, e := range all {
		rows[i] = row{id: e.Item.ID, vector: e.Embedding, payload: payload{Item: e.Item}}
	}
	var ids []string
	for _, h := range r.page(r.rank(r.candidates(rows))) {
		ids = append(ids, h.Item.ID)
	}
	return ids
}

// A flush beside a write loses acknowledged deletes in Milvus Lite, and a read
// beside it sees neither the old table nor the new: here they take turns.
func TestFlushesBesideWritesAndReads(t *testing.T) {
	x := newIndex(t, 4, func(o *Options) { o.FlushRows, o.FlushIdle = 40, time.Millisecond })
	r := rand.New(rand.NewPCG(7, 8))
	var constant []store.Entry
	for i := range 50 {
		constant = append(constant, store.Entry{Item: store.Item{ID: fmt.Sprint("constant ", i)}, Embedding: randomUnit(r, 4)})
	}
	mustUpsert(t, x, constant...)
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var reads atomic.Int64
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				n, err := x.Count(ctx, filter.Prefix{Field: "id", Text: "constant"})
				if ctx.Err() == nil && (err != nil || n != len(constant)) {
					t.Errorf("a reader saw %d of %d items, %v", n, len(constant), err)
				}
				reads.Add(1)
			}
		})
	}
	var deleted []string
	for round := range 60 {
		batch := make([]store.Entry, 10)
		for i := range batch {
			batch[i] = store.Entry{Item: store.Item{ID: fmt.Sprint(round, " ", i)}, Embedding: randomUnit(r, 4)}
		}
		mustUpsert(t, x, batch...)
		gone := []string{batch[1].Item.ID, batch[7].Item.ID}
		if n, err := x.Delete(t.Context(), gone); err != nil || n != 2 {
			t.Fatal(n, err)
		}
		deleted = append(deleted, gone...)
		time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
	}
	stop()
	readers.Wait()
	if back, err := x.Get(t.Context(), deleted); err != nil || len(back) > 0 {
		t.Errorf("%d of %d deleted items came back, %v", len(back), len(deleted), err)
	}
	if n, err := x.Count(t.Context(), nil); err != nil || n != len(constant)+60*8 {
		t.Errorf("%d items, %v", n, err)
	}
	t.Logf("%d reads beside", reads.Load())
}

// Milvus Lite reads rows by id one after the other, while a write goes on.
func TestReadsSeeWholeWrites(t *testing.T) {
	x := newIndex(t, 2, nil)
	write := func(version int64) []string {
		var ids []string
		var batch []store.Entry
		for i := range 400 {
			ids = append(ids, fmt.Sprint(i))
			batch = append(batch, plain(ids[i], version, 1, 0))
		}
		mustUpsert(t, x, batch...)
		return ids
	}
	ids := write(0)
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				got, err := x.Get(ctx, ids)
				if ctx.Err() != nil {
					return
				}
				if err != nil || len(got) != len(ids) || got[0].Item.Version != got[len(got)-1].Item.Version {
					t.Errorf("%d items, %v; or of two versions", len(got), err)
					return
				}
			}
		})
	}
	for version := range int64(15) {
		write(version)
	}
	stop()
	readers.Wait()
}

// Rows that are not flushed are slow to search.
func TestIdleFlush(t *testing.T) {
	x := newIndex(t, 2, func(o *Options) { o.FlushIdle = 20 * time.Millisecond })
	mustUpsert(t, x, plain("a", 1, 1, 0))
	eventually(t, "a flush", func() bool { return len(onDisk(t, x, "*.parquet")) > 0 })
}

func TestCloseFlushes(t *testing.T) {
	x := newIndex(t, 2, nil)
	mustUpsert(t, x, plain("a", 1, 1, 0))
	if found := onDisk(t, x, "*.parquet"); len(found) > 0 {
		t.Errorf("flushed too early: %v", found)
	}
	if err := x.Close(); err != nil || len(onDisk(t, x, "*.parquet")) == 0 {
		t.Errorf("not flushed by Close, %v", err)
	}
}

// counter is a generation of several processes.
type counter struct {
	value   atomic.Uint64
	unknown atomic.Bool
}

func (c *counter) Generation(context.Context) (uint64, bool) {
	return c.value.Load(), !c.unknown.Load()
}

func (c *counter) Bump(context.Context) error {
	c.value.Add(1)
	return nil
}

func TestCounter(t *testing.T) {
	shared := shared.Server(t)
	n := &counter{}
	n.value.Store(1 << 60)
	first := openCatalogue(t, shared, func(o *Options) { o.Counter = n })
	second := openCatalogue(t, shared, func(o *Options) { o.Counter, o.Prefix = n, first.server.options.Prefix })
	writer, reader := openIndex(t, first, "m", 2), openIndex(t, second, "m", 2)
	generation := func() uint64 {
		s, err := reader.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Generation
	}
	before := generation()
	mustUpsert(t, writer, plain("a", 1, 1, 0))
	if now := generation(); now != before+1 {
		t.Errorf("generation %d after another process's write, %d before", now, before)
	}
	n.unknown.Store(true)
	if a, b := generation(), generation(); a == b || a == before+1 {
		t.Errorf("an unknown generation is %d and %d; it must be new each time", a, b)
	}
}

func TestCosineIsExact(t *testing.T) {
	x := newIndex(t, 64, nil)
	r := rand.New(rand.NewPCG(9, 10))
	var batch []store.Entry
	for i := range 200 {
		batch = append(batch, store.Entry{Item: store.Item{ID: fmt.Sprint(i)}, Embedding: randomUnit(r, 64)})
	}
	mustUpsert(t, x, batch...)
	q := store.Query{Embedding: randomUnit(r, 64), K: 50}
	hits, err := x.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	floor := windowOf(t, x, q, 50).floor
	if len(hits) != 50 || hits[49].ITC-floor > margin/4 || floor-hits[49].ITC > margin/4 {
		t.Errorf("Milvus gives %g where the cosine is %g", floor, hits[49].ITC)
	}
}
