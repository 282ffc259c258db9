package indexer_test

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/indexer"
)

func TestStopFinishesTheBatchUnderWayAndResumes(t *testing.T) {
	undisturbed := newWorld(t)
	if _, _, err := undisturbed.run(t.Context(), generated(100), indexer.Options{}); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	w.onImages = func(hard context.Context, _ int) error {
		if ctx.Err() != nil {
			t.Error("a batch was begun after the stop")
		}
		if w.images > 20 {
			stop() // Ctrl-C while this batch is in the encoder
		}
		return hard.Err()
	}
	sum, out, err := w.run(ctx, generated(100), indexer.Options{})
	if !errors.Is(err, context.Canceled) || !sum.Stopped {
		t.Fatalf("%+v, %v", sum, err)
	}
	if sum.Written != sum.Encoded || sum.Written != len(w.entries) || sum.Written <= 20 || sum.Written == 100 || len(out) != sum.Written {
		t.Errorf("%+v with %d entries and %d outcomes: what was encoded must be written", sum, len(w.entries), len(out))
	}
	if sum.Dropped != sum.Seen-sum.Written || sum.Failed != 0 {
		t.Errorf("%+v", sum)
	}
	w.onImages = nil
	before := w.images
	again, _, err := w.run(t.Context(), generated(100), indexer.Options{})
	if err != nil || again.Unchanged != before || again.Written != 100-before || w.images != 100 {
		t.Errorf("second run %+v, %v; %d pictures encoded in both", again, err, w.images)
	}
	if !reflect.DeepEqual(w.entries, undisturbed.entries) {
		t.Error("the index differs from that of an undisturbed run")
	}
}

func TestStopDropsABatchThatTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, stop := context.WithCancel(t.Context())
		w.onImages = func(hard context.Context, _ int) error {
			if w.images == 0 {
				return nil
			}
			stop()
			<-hard.Done() // a graph run that only a cancelled context ends
			return hard.Err()
		}
		start := time.Now()
		sum, _, err := w.run(ctx, generated(100), indexer.Options{Grace: 3 * time.Second})
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v, want the grace of 3 s", took)
		}
		if !errors.Is(err, context.Canceled) || !sum.Stopped || sum.Written != len(w.entries) || sum.Written == 0 || sum.Written > 8 {
			t.Errorf("%+v, %v", sum, err)
		}
	})
}

func TestStopBeforeTheStart(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	w := newWorld(t)
	sum, out, err := w.run(ctx, generated(10), indexer.Options{})
	if !errors.Is(err, context.Canceled) || sum.Seen != 0 || len(out) != 0 || !sum.Stopped {
		t.Errorf("%+v, %v, %v", sum, out, err)
	}
}

func TestStopWhileTheIndexIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		w.onSync = func() error {
			time.Sleep(time.Second)
			return nil
		}
		time.AfterFunc(2500*time.Millisecond, stop)
		sum, _, err := w.run(ctx, generated(1000), indexer.Options{})
		if !errors.Is(err, context.Canceled) || sum.Written != len(w.entries) || sum.Written < 8 || sum.Written != sum.Encoded {
			t.Errorf("%+v, %v, %d entries", sum, err, len(w.entries))
		}
	})
}

// behind is a feed of one sound item and 999 without a picture.
func behind(given *atomic.Int64) indexer.Feed {
	return func(yield func(indexer.Record, error) bool) {
		for r := range generated(1000) {
			if r.Row > 1 {
				r.Image = ""
			}
			if given.Add(1); !yield(r, nil) {
				return
			}
		}
	}
}

func TestReaderDoesNotRunAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var given atomic.Int64
		w.onPixels = func([]byte) {
			synctest.Wait() // the reader has read all that it will while the first item is stuck
			if n := given.Load(); n < 200 || n > 257 {
				t.Errorf("%d rows read ahead, want the window of 256", n)
			}
		}
		sum, out, err := w.run(t.Context(), behind(&given), indexer.Options{})
		if err != nil || sum.Written != 1 || sum.Failed != 999 || out[0].State != indexer.Written {
			t.Errorf("%+v, %v", sum, err)
		}
	})
}

func TestOutcomesBehindADroppedItemAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, stop := context.WithCancel(t.Context())
		w.onPixels = func([]byte) {
			synctest.Wait()
			stop()
		}
		sum, out, err := w.run(ctx, behind(new(atomic.Int64)), indexer.Options{})
		if !errors.Is(err, context.Canceled) || sum.Dropped != 1 || sum.Failed != sum.Seen-1 || sum.Failed < 200 || len(out) != sum.Failed {
			t.Errorf("%d seen, %d failed, %d dropped, %d outcomes, %v", sum.Seen, sum.Failed, sum.Dropped, len(out), err)
		}
		for i, o := range out {
			if o.Row != i+2 {
				t.Fatalf("outcome %d is of row %d", i, o.Row)
			}
		}
	})
}
