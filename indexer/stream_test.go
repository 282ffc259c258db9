package indexer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/indexer"
	"sightline/store"
	"sightline/store/fetch"
)

// fetcher is one of pictures by the function.
type fetcher func(ctx context.Context, address string) ([]byte, error)

func (f fetcher) Get(ctx context.Context, r fetch.Request) (fetch.Response, error) {
	data, err := f(ctx, r.URL)
	return fetch.Response{Data: data}, err
}

func (w *world) stream(t *testing.T, ctx context.Context, o indexer.Options) *indexer.Stream {
	t.Helper()
	s := indexer.New(w.parts(), o).Stream(ctx)
	t.Cleanup(func() { s.Close() })
	return s
}

// must is Do where nothing may break.
func mustDo(t *testing.T, s *indexer.Stream, r indexer.Record) indexer.Outcome {
	t.Helper()
	o, err := s.Do(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestStreamOutcomes(t *testing.T) {
	s, w := newShopServer(t), newWorld(t)
	w.fetching(t)
	stream := w.stream(t, t.Context(), indexer.Options{})
	at := func(id, address string) indexer.Record {
		return indexer.Record{Where: "item " + id, Item: store.Item{ID: id}, Image: address}
	}
	old := shown("x", "c")
	old.Item.Version = 3
	tests := []struct {
		name   string
		record indexer.Record
		state  indexer.State
		stage  indexer.Stage
		left   int
	}{
		{"new", shown("x", "a", "b"), indexer.Written, "", 0},
		{"again", shown("x", "a", "b"), indexer.Unchanged, "", 0},
		{"a picture left out", shown("x", "a", "!b"), indexer.Written, "", 1},
		{"a version", func() indexer.Record { r := shown("x", "a"); r.Item.Version = 4; return r }(), indexer.Written, "", 0},
		{"an older one", old, indexer.Unchanged, "", 0},
		{"at an address", at("y", s.set("/y.png", pngOf("y"))), indexer.Written, "", 0},
		{"at no address", at("z", s.URL+"/z.png"), indexer.Failed, indexer.StageFetch, 0},
		{"broken picture", shown("z", "!z"), indexer.Failed, indexer.StageDecode, 0},
		{"no id", shown("", "a"), indexer.Failed, indexer.StageFeed, 0},
		{"no picture", shown("z"), indexer.Failed, indexer.StageFetch, 0},
		{"a file", indexer.Record{Item: store.Item{ID: "z"}, Image: "go.mod"}, indexer.Failed, indexer.StageFetch, 0},
	}
	for _, tt := range tests {
		o := mustDo(t, stream, tt.record)
		if o.State != tt.state || o.Stage != tt.stage || o.ID != tt.record.Item.ID || o.Where != tt.record.Where || len(o.Warnings) != tt.left || o.Temporary {
			t.Errorf("%s: %+v; want %s, stage %q, %d left out", tt.name, o, tt.state, tt.stage, tt.left)
		}
		if (o.State == indexer.Failed) != (o.Err != nil) {
			t.Errorf("%s: cause %v", tt.name, o.Err)
		}
	}
}

// A worker has to know what is worth another try.
func TestTemporaryFailures(t *testing.T) {
	for kind, want := range map[fetch.Kind]bool{
		fetch.KindNotFound: false, fetch.KindRefused: false, fetch.KindNotPicture: false, fetch.KindTooLarge: false, fetch.KindNoHost: false,
		fetch.KindTimeout: true, fetch.KindServer: true, fetch.KindThrottled: true, fetch.KindDNS: true, fetch.KindHostDown: true, fetch.KindConnection: true,
	} {
		w := newWorld(t)
		w.fetcher = fetcher(func(_ context.Context, address string) ([]byte, error) {
			if strings.HasSuffix(address, "good") {
				return pngOf(address), nil
			}
			return nil, &fetch.Error{Kind: kind, Err: errors.New("is not to be had")}
		})
		stream := w.stream(t, t.Context(), indexer.Options{})
		r := indexer.Record{Item: store.Item{ID: "x"}, Image: "https://shop.example/bad"}
		if o := mustDo(t, stream, r); o.State != indexer.Failed || o.Temporary != want {
			t.Errorf("%v: %+v, want temporary %v", kind, o, want)
		}
		r.Images = []string{"https://shop.example/good", r.Image}
		r.Image = r.Images[0]
		if o := mustDo(t, stream, r); o.State != indexer.Written || len(o.Warnings) != 1 || o.Warnings[0].Temporary != want {
			t.Errorf("%v: %+v, want a warning that is temporary: %v", kind, o, want)
		}
	}
}

// all calls Do for each record at once.
func all(t *testing.T, s *indexer.Stream, records []indexer.Record, check func(int, indexer.Outcome, error)) {
	t.Helper()
	var calls sync.WaitGroup
	for i, r := range records {
		calls.Go(func() {
			o, err := s.Do(t.Context(), r)
			check(i, o, err)
		})
	}
	calls.Wait()
}

func manyShown(n int) []indexer.Record {
	out := make([]indexer.Record, n)
	for i := range out {
		out[i] = shown(fmt.Sprint("item-", i), fmt.Sprint("item-", i))
	}
	return out
}

func TestStreamSharesBatches(t *testing.T) {
	w := newWorld(t)
	decoded := w.countDecoded()
	batches := 0
	w.onImages = func(_ context.Context, n int) error {
		// The only decoder is at the 25th behind this batch, and sixteen at most are
		// on their way to disk: eight are ready.
		for batches == 0 && int(decoded.Load()) < n+25 {
			time.Sleep(time.Millisecond)
		}
		batches++
		return nil
	}
	stream := w.stream(t, t.Context(), indexer.Options{Decoders: 1})
	all(t, stream, manyShown(100), func(i int, o indexer.Outcome, err error) {
		if err != nil || o.State != indexer.Written || o.ID != fmt.Sprint("item-", i) {
			t.Errorf("call %d: %+v, %v", i, o, err)
		}
	})
	if len(w.entries) != 100 || w.images != 100 || w.largest != 8 || batches == 100 || w.upserts == 100 {
		t.Errorf("%d entries, %d pictures in %d batches of at most %d, %d writes", len(w.entries), w.images, batches, w.largest, w.upserts)
	}
}

// Neither a server that hangs nor the vision tower holds up what does not need
// them.
func TestStreamHasNoHeadOfLine(t *testing.T) {
	w := newWorld(t)
	release := make(chan struct{})
	w.fetcher = fetcher(func(context.Context, string) ([]byte, error) { <-release; return pngOf("slow"), nil })
	stream := w.stream(t, t.Context(), indexer.Options{})
	mustDo(t, stream, shown("x", "a"))
	w.onImages = func(context.Context, int) error { <-release; return nil }
	var slow sync.WaitGroup
	for _, r := range []indexer.Record{shown("tower", "b"), {Item: store.Item{ID: "server"}, Image: "https://shop.example/slow"}} {
		slow.Go(func() {
			if o, err := stream.Do(t.Context(), r); err != nil || o.State != indexer.Written {
				t.Errorf("%s: %+v, %v", r.Item.ID, o, err)
			}
		})
	}
	for i := range 50 {
		r := shown("x", "a")
		r.Item.Title = fmt.Sprint("title ", i)
		if o := mustDo(t, stream, r); o.State != indexer.Written {
			t.Errorf("another title: %+v", o)
		}
		if o := mustDo(t, stream, shown("y", "!broken")); o.State != indexer.Failed {
			t.Errorf("a broken picture: %+v", o)
		}
	}
	close(release)
	slow.Wait()
}

// While a dependency is broken every call gets its error; when it is back, calls
// go through. The pauses in between grow, and are bounded.
func TestStreamStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		away := errors.New("index away")
		var down atomic.Bool
		w.onGet = func() error {
			if down.Load() {
				return away
			}
			return nil
		}
		stream := w.stream(t, t.Context(), indexer.Options{})
		mustDo(t, stream, shown("x", "a"))
		down.Store(true)
		var took []time.Duration
		for range 10 {
			begin := time.Now()
			if _, err := stream.Do(t.Context(), shown("x", "a")); !errors.Is(err, away) {
				t.Errorf("got %v", err)
			}
			took = append(took, time.Since(begin))
		}
		if took[0] != 0 || took[1] != 100*time.Millisecond || took[2] != 200*time.Millisecond || took[9] != 10*time.Second {
			t.Errorf("pauses %v", took)
		}
		all(t, stream, manyShown(100), func(i int, _ indexer.Outcome, err error) {
			if !errors.Is(err, away) {
				t.Errorf("call %d: %v", i, err)
			}
		})
		down.Store(false)
		all(t, stream, manyShown(100), func(i int, o indexer.Outcome, err error) {
			if err != nil || o.State != indexer.Written {
				t.Errorf("call %d: %+v, %v", i, o, err)
			}
		})
		begin := time.Now()
		down.Store(true)
		for range 2 {
			_, _ = stream.Do(t.Context(), shown("x", "a"))
		}
		if d := time.Since(begin); d != 100*time.Millisecond {
			t.Errorf("the first pause after it was back took %v", d)
		}
	})
}

// Whichever dependency breaks, those in flight get its error, and nothing is
// left over.
func TestStreamBrokenDependency(t *testing.T) {
	broken := errors.New("broken")
	for name, set := range map[string]func(*world, error){
		"index":    func(w *world, err error) { w.onUpsert = func([]store.Entry) error { return err } },
		"model":    func(w *world, err error) { w.onImages = func(context.Context, int) error { return err } },
		"pictures": func(w *world, err error) { w.onPut = func() error { return err } },
		"states":   func(w *world, err error) { w.onStates = func() error { return err } },
		"sync":     func(w *world, err error) { w.onSync = func() error { return err } },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				stream := w.stream(t, t.Context(), indexer.Options{})
				set(w, broken)
				all(t, stream, manyShown(40), func(i int, _ indexer.Outcome, err error) {
					if !errors.Is(err, broken) {
						t.Errorf("call %d: %v", i, err)
					}
				})
				synctest.Wait() // all stages have ended
				set(w, nil)
				all(t, stream, manyShown(40), func(i int, o indexer.Outcome, err error) {
					if err != nil || o.State != indexer.Written {
						t.Errorf("call %d: %+v, %v", i, o, err)
					}
				})
			})
		})
	}
}

// A server may send nothing at all.
func TestEmptyPicture(t *testing.T) {
	w := newWorld(t)
	w.fetcher = fetcher(func(context.Context, string) ([]byte, error) { return nil, nil })
	stream := w.stream(t, t.Context(), indexer.Options{})
	if o := mustDo(t, stream, indexer.Record{Item: store.Item{ID: "x"}, Image: "https://shop.example/a"}); o.Stage != indexer.StageDecode {
		t.Errorf("%+v, want a failure at decode", o)
	}
}

// Two writes to one item at once: both come to an end, and the item is one of
// them.
func TestStreamOneItemAtOnce(t *testing.T) {
	w := newWorld(t)
	stream := w.stream(t, t.Context(), indexer.Options{})
	records := make([]indexer.Record, 40)
	for i := range records {
		records[i] = shown("x", fmt.Sprint("p", i%5), fmt.Sprint("q", i%3))
		records[i].Item.Title = fmt.Sprint("title ", i)
	}
	all(t, stream, records, func(i int, o indexer.Outcome, err error) {
		if err != nil || o.State != indexer.Written {
			t.Errorf("call %d: %+v, %v", i, o, err)
		}
	})
	var i int
	if _, err := fmt.Sscanf(w.entries["x"].Item.Title, "title %d", &i); err != nil {
		t.Fatal(err)
	}
	wantPictures(t, w, "x", fmt.Sprint("p", i%5), fmt.Sprint("q", i%3))
}
