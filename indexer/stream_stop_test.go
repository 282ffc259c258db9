package indexer_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/indexer"
	"sightline/store"
)

// A caller that gives up waits no longer, and its item goes no further.
func TestStreamCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.onImages = func(context.Context, int) error { time.Sleep(time.Minute); return nil }
		var canceled atomic.Int64
		w.fetcher = fetcher(func(ctx context.Context, _ string) ([]byte, error) {
			<-ctx.Done()
			canceled.Add(1)
			return nil, ctx.Err()
		})
		stream := w.stream(t, t.Context(), indexer.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		records := append(manyShown(30), indexer.Record{Item: store.Item{ID: "server"}, Image: "https://shop.example/slow"})
		var calls sync.WaitGroup
		for _, r := range records {
			calls.Go(func() {
				if _, err := stream.Do(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", r.Item.ID, err)
				}
			})
		}
		calls.Wait()
		if d := time.Since(begin); d != time.Second {
			t.Errorf("the calls took %v", d)
		}
		o := mustDo(t, stream, shown("x", "x"))
		if o.State != indexer.Written || w.images > 2*8 || canceled.Load() != 1 {
			t.Errorf("%+v; %d pictures of callers that had left were encoded, %d fetches ended", o, w.images-1, canceled.Load())
		}
	})
}

func TestStreamClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.onImages = func(context.Context, int) error { time.Sleep(time.Second); return nil }
		stream := w.stream(t, t.Context(), indexer.Options{})
		go func() {
			time.Sleep(500 * time.Millisecond)
			if err := stream.Close(); err != nil {
				t.Error(err)
			}
		}()
		all(t, stream, manyShown(20), func(i int, o indexer.Outcome, err error) {
			if err != nil || o.State != indexer.Written {
				t.Errorf("call %d: %+v, %v", i, o, err)
			}
		})
		if _, err := stream.Do(t.Context(), shown("x", "a")); !errors.Is(err, indexer.ErrStreamClosed) {
			t.Errorf("after Close: %v", err)
		}
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestStreamCloseLosesPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.onImages = func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }
		stream := w.stream(t, t.Context(), indexer.Options{Grace: 3 * time.Second})
		var calls sync.WaitGroup
		for _, r := range manyShown(20) {
			calls.Go(func() {
				if _, err := stream.Do(t.Context(), r); !errors.Is(err, indexer.ErrStreamClosed) {
					t.Errorf("%s: %v", r.Item.ID, err)
				}
			})
		}
		synctest.Wait()
		begin := time.Now()
		if err := stream.Close(); err == nil || time.Since(begin) != 3*time.Second {
			t.Errorf("Close took %v: %v", time.Since(begin), err)
		}
		calls.Wait()
	})
}

func TestStreamNeverUsed(t *testing.T) {
	stream := indexer.New(newWorld(t).parts(), indexer.Options{}).Stream(t.Context())
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
}

// When the stream's own context ends, what the vision tower is at is written and
// its callers are told so.
func TestStreamStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.onImages = func(context.Context, int) error { time.Sleep(time.Second); return nil }
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		stream := w.stream(t, ctx, indexer.Options{})
		time.AfterFunc(500*time.Millisecond, stop)
		var written, dropped atomic.Int64
		all(t, stream, manyShown(30), func(i int, o indexer.Outcome, err error) {
			switch {
			case err == nil && o.State == indexer.Written:
				written.Add(1)
			case errors.Is(err, context.Canceled):
				dropped.Add(1)
			default:
				t.Errorf("call %d: %+v, %v", i, o, err)
			}
		})
		if n := int(written.Load()); n == 0 || n > 8 || n != len(w.entries) || n+int(dropped.Load()) != 30 {
			t.Errorf("%d written, %d dropped, %d entries", n, dropped.Load(), len(w.entries))
		}
		if _, err := stream.Do(t.Context(), shown("x", "a")); !errors.Is(err, context.Canceled) {
			t.Errorf("after the stop: %v", err)
		}
	})
}
