package indexer_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sightline/encoder/picture"
	"sightline/indexer"
	"sightline/store"
	"sightline/store/fetch"
	"sightline/store/sources"
)

// shopServer serves pictures by name and counts requests.
type shopServer struct {
	*httptest.Server

	mu       sync.Mutex
	pictures map[string]string // body by path
	asked    map[string]int
	full     int // answers with a body
}

func newShopServer(t *testing.T) *shopServer {
	t.Helper()
	s := &shopServer{pictures: map[string]string{}, asked: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *shopServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[r.URL.Path]++
	body, ok := s.pictures[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	tag := fmt.Sprintf("\"%x\"", sha256.Sum256([]byte(body)))
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	s.full++
	_, _ = w.Write([]byte(body))
}

func (s *shopServer) set(path string, body []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pictures[path] = string(body)
	return s.URL + path
}

func (s *shopServer) counts() (asked, full int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.asked {
		asked += n
	}
	return asked, s.full
}

// fetching lets a world fetch from the server and remember what it found.
func (w *world) fetching(t *testing.T) {
	t.Helper()
	client, err := fetch.New(fetch.Options{
		Allow: []string{"127.0.0.0/8"}, Ports: allPorts(), Attempts: 1,
		Sniff: func(head []byte) bool { _, ok := picture.Sniff(head); return ok },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	w.fetcher = client
	if w.sources, err = sources.Open(t.Context(), filepath.Join(t.TempDir(), "sources.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.sources.Close() })
}

// allPorts, since a test server has any.
func allPorts() []uint16 {
	ports := make([]uint16, 0, 1<<16-1)
	for p := 1; p < 1<<16; p++ {
		ports = append(ports, uint16(p))
	}
	return ports
}

func rows(images map[string]string) indexer.Feed {
	return func(yield func(indexer.Record, error) bool) {
		row := 0
		for _, id := range []string{"a", "b", "c", "d"} {
			if image, ok := images[id]; ok {
				row++
				if !yield(indexer.Record{Row: row, Where: "line " + id, Item: store.Item{ID: id, Image: image}, Image: image}, nil) {
					return
				}
			}
		}
	}
}

func (w *world) must(t *testing.T, feed indexer.Feed, o indexer.Options) indexer.Summary {
	t.Helper()
	sum, _, err := w.run(t.Context(), feed, o)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func wantCounts(t *testing.T, sum indexer.Summary, written, unchanged, failed int) {
	t.Helper()
	if sum.Written != written || sum.Unchanged != unchanged || sum.Failed != failed {
		t.Errorf("%d written, %d unchanged, %d failed; want %d, %d, %d: %+v", sum.Written, sum.Unchanged, sum.Failed, written, unchanged, failed, sum.Failures)
	}
}

// A feed that is sent again fetches nothing; when it is time to ask, only what
// has changed is sent.
func TestPicturesAtAddresses(t *testing.T) {
	s, w := newShopServer(t), newWorld(t)
	w.fetching(t)
	feed := map[string]string{"a": s.set("/a.png", pngOf("a")), "b": s.set("/b.png", pngOf("b")), "c": s.URL + "/none.png", "d": s.set("/d.png", []byte("<html>"))}
	sum := w.must(t, rows(feed), indexer.Options{})
	wantCounts(t, sum, 2, 0, 2)
	for i, want := range []string{"404", "no picture"} {
		if f := sum.Failures[i]; f.Stage != indexer.StageFetch || !strings.Contains(strings.ToLower(f.Reason), want) {
			t.Errorf("failure %+v does not say %q", f, want)
		}
	}
	delete(feed, "c")
	delete(feed, "d")
	before, _ := s.counts()
	wantCounts(t, w.must(t, rows(feed), indexer.Options{}), 0, 2, 0)
	if asked, _ := s.counts(); asked != before {
		t.Errorf("%d requests for a feed that was sent again", asked-before)
	}
	_, full := s.counts()
	wantCounts(t, w.must(t, rows(feed), indexer.Options{Revalidate: -1}), 0, 2, 0)
	if asked, now := s.counts(); asked != before+2 || now != full {
		t.Errorf("%d requests and %d bodies to see that nothing has changed", asked-before, now-full)
	}
	s.set("/a.png", pngOf("another"))
	wantCounts(t, w.must(t, rows(feed), indexer.Options{Revalidate: -1}), 1, 1, 0)
}

// A picture that cannot be read is asked for again by the next run: the shop
// may have put it right.
func TestBrokenPictureIsFetchedAgain(t *testing.T) {
	s, w := newShopServer(t), newWorld(t)
	w.fetching(t)
	whole := pngOf("a")
	feed := map[string]string{"a": s.set("/a.png", whole[:len(whole)/2])}
	wantCounts(t, w.must(t, rows(feed), indexer.Options{}), 0, 0, 1)
	s.set("/a.png", whole)
	wantCounts(t, w.must(t, rows(feed), indexer.Options{}), 1, 0, 0)
}

// One address for two items is fetched once a run at most twice, and stored
// once; what the index lost is encoded from the stored copy.
func TestStoredPicturesAreNotFetched(t *testing.T) {
	s, w := newShopServer(t), newWorld(t)
	w.fetching(t)
	feed := map[string]string{"a": s.set("/a.png", pngOf("a"))}
	wantCounts(t, w.must(t, rows(feed), indexer.Options{}), 1, 0, 0)
	clear(w.states)
	before, _ := s.counts()
	wantCounts(t, w.must(t, rows(feed), indexer.Options{}), 1, 0, 0)
	if asked, _ := s.counts(); asked != before || w.images != 2 {
		t.Errorf("%d requests, %d pictures encoded", asked-before, w.images)
	}
	clear(w.pictures)
	delete(w.entries, "a")
	wantCounts(t, w.must(t, rows(feed), indexer.Options{}), 1, 0, 0)
	if asked, _ := s.counts(); asked != before+1 {
		t.Errorf("%d requests for a picture that is not stored any more", asked-before)
	}
}

func TestSourcesThatFailEndTheRun(t *testing.T) {
	s, w := newShopServer(t), newWorld(t)
	w.fetching(t)
	if err := w.sources.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.run(t.Context(), rows(map[string]string{"a": s.set("/a.png", pngOf("a"))}), indexer.Options{})
	if !errors.Is(err, store.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestDryRun(t *testing.T) {
	s, w := newShopServer(t), newWorld(t)
	w.fetching(t)
	feed := map[string]string{"a": s.set("/a.png", pngOf("a")), "b": s.set("/b.png", pngOf("b"))}
	wantCounts(t, w.must(t, rows(feed), indexer.Options{DryRun: true}), 2, 0, 0)
	if asked, _ := s.counts(); asked > 0 || len(w.entries) > 0 || len(w.pictures) > 0 || w.images > 0 {
		t.Errorf("a dry run asked %d times and left %d entries, %d pictures, %d encoded", asked, len(w.entries), len(w.pictures), w.images)
	}
	wantCounts(t, w.must(t, rows(feed), indexer.Options{}), 2, 0, 0)
	wantCounts(t, w.must(t, rows(feed), indexer.Options{DryRun: true}), 0, 2, 0)
	feed["c"] = "data:,x"
	sum := w.must(t, rows(feed), indexer.Options{DryRun: true, FullSync: true, Force: true})
	wantCounts(t, sum, 1, 2, 0) // the data URL is no picture, which only decoding tells
	delete(feed, "a")
	if sum := w.must(t, rows(feed), indexer.Options{DryRun: true, FullSync: true, Force: true}); sum.Deleted != 1 || len(w.entries) != 2 {
		t.Errorf("a dry run would delete %d and left %d entries", sum.Deleted, len(w.entries))
	}
}

func TestFullSync(t *testing.T) {
	s, w := newShopServer(t), newWorld(t)
	w.fetching(t)
	feed := map[string]string{"a": s.set("/a.png", pngOf("a")), "b": s.set("/b.png", pngOf("b")), "c": s.set("/c.png", pngOf("c")), "d": s.set("/d.png", pngOf("d"))}
	if sum := w.must(t, rows(feed), indexer.Options{FullSync: true}); sum.Deleted != 0 || len(w.entries) != 4 {
		t.Errorf("first sync: %+v", sum)
	}
	feed["b"] = s.URL + "/gone.png" // a failed row still names its item
	delete(feed, "d")
	sum, _, err := w.run(t.Context(), rows(feed), indexer.Options{FullSync: true})
	if !errors.Is(err, indexer.ErrNotDeleted) || !strings.Contains(err.Error(), "1 of 4 items") || sum.Deleted != 0 || len(w.entries) != 4 {
		t.Errorf("a quarter would vanish: %v, %+v", err, sum)
	}
	if sum := w.must(t, rows(feed), indexer.Options{FullSync: true, MaxVanish: 0.3}); sum.Deleted != 1 || strings.Join(w.ids(), " ") != "a b c" {
		t.Errorf("second sync: %+v, left %v", sum, w.ids())
	}
	_, _, err = w.run(t.Context(), rows(nil), indexer.Options{FullSync: true})
	if !errors.Is(err, indexer.ErrNotDeleted) {
		t.Errorf("an empty feed: %v", err)
	}
	if sum := w.must(t, rows(nil), indexer.Options{FullSync: true, Force: true}); sum.Deleted != 3 || len(w.entries) != 0 {
		t.Errorf("an empty feed, forced: %+v", sum)
	}
}

// A row that cannot be read might be any item's.
func TestFullSyncWithUnreadableRows(t *testing.T) {
	w := newWorld(t)
	w.must(t, rows(map[string]string{"a": dataURL(pngOf("a"))}), indexer.Options{})
	broken := func(yield func(indexer.Record, error) bool) {
		for record, err := range rows(map[string]string{"b": dataURL(pngOf("b"))}) {
			if !yield(record, err) {
				return
			}
		}
		yield(indexer.Record{Row: 2, Where: "line 2"}, &indexer.Fault{Stage: indexer.StageFeed, Err: errors.New("is not JSON")})
	}
	sum, _, err := w.run(t.Context(), broken, indexer.Options{FullSync: true, MaxVanish: 1})
	if !errors.Is(err, indexer.ErrNotDeleted) || !strings.Contains(err.Error(), "1 rows") || sum.Written != 1 || len(w.entries) != 2 {
		t.Errorf("%v, %+v", err, sum)
	}
	if sum := w.must(t, broken, indexer.Options{FullSync: true, MaxVanish: 1, Force: true}); sum.Deleted != 1 {
		t.Errorf("forced: %+v", sum)
	}
}

// A sync that is stopped, or whose feed breaks off, deletes nothing.
func TestFullSyncStopped(t *testing.T) {
	w := newWorld(t)
	w.must(t, rows(map[string]string{"a": dataURL(pngOf("a")), "b": dataURL(pngOf("b"))}), indexer.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	stopping := func(yield func(indexer.Record, error) bool) {
		for record, err := range rows(map[string]string{"a": dataURL(pngOf("a"))}) {
			yield(record, err)
		}
		cancel()
	}
	if sum, _, err := w.run(ctx, stopping, indexer.Options{FullSync: true, Force: true}); err == nil || sum.Deleted != 0 || len(w.entries) != 2 {
		t.Errorf("stopped: %v, %+v", err, sum)
	}
	breaking := func(yield func(indexer.Record, error) bool) { yield(indexer.Record{}, errors.New("connection reset")) }
	if sum, _, err := w.run(t.Context(), breaking, indexer.Options{FullSync: true, Force: true}); err == nil || sum.Deleted != 0 || len(w.entries) != 2 {
		t.Errorf("broken off: %v, %+v", err, sum)
	}
}
