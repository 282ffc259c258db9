package features

import (
	"context"
	"errors"
	"io/fs"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/store/bucket"
	"sightline/store/bucket/buckettest"
)

// patient is a timeout of reads for tests in which the bucket is well and the
// machine may be busy.
const patient = time.Minute

func mustOpenBucket(t *testing.T, objects Objects, o BucketOptions) *Bucket {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = patient
	}
	b, err := OpenBucket(t.Context(), objects, "model", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func memory(t *testing.T) *bucket.Bucket {
	t.Helper()
	objects, err := bucket.Open(t.Context(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	return objects
}

// weather comes between a Bucket and its objects.
type weather struct {
	Objects
	down  atomic.Bool // everything fails
	hang  atomic.Bool // everything waits for its ctx
	delay time.Duration
	reads atomic.Int64
}

var errDown = errors.New("down")

func (w *weather) pass(ctx context.Context) error {
	if w.down.Load() {
		return errDown
	}
	if w.hang.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(w.delay)
	return nil
}

func (w *weather) Read(ctx context.Context, name string, limit int64) ([]byte, error) {
	w.reads.Add(1)
	if err := w.pass(ctx); err != nil {
		return nil, err
	}
	return w.Objects.Read(ctx, name, limit)
}

func (w *weather) Write(ctx context.Context, name string, data []byte) error {
	if err := w.pass(ctx); err != nil {
		return err
	}
	return w.Objects.Write(ctx, name, data)
}

func (w *weather) Delete(ctx context.Context, name string) error {
	if err := w.pass(ctx); err != nil {
		return err
	}
	return w.Objects.Delete(ctx, name)
}

func (w *weather) Exists(ctx context.Context, name string) (bool, error) {
	if err := w.pass(ctx); err != nil {
		return false, err
	}
	return w.Objects.Exists(ctx, name)
}

// TestBucketOutage has a bucket that hangs: three reads cost the timeout, then
// none does until it answers again. What is in front goes on being read.
func TestBucketOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &weather{Objects: memory(t)}
		first := mustOpenBucket(t, w, BucketOptions{})
		put(t, first, upTo(20)...)
		syncAll(t, first)
		var changes []string
		b := mustOpenBucket(t, w, BucketOptions{ReadTimeout: 50 * time.Millisecond, Changed: func(state string, cause error) {
			changes = append(changes, state)
			if cause == nil {
				t.Error("no cause")
			}
		}})
		wantRecord(t, b, 0)
		w.hang.Store(true)
		start := time.Now()
		for i := 1; i < 20; i++ {
			_, ok, err := b.Get(t.Context(), keyOf(i))
			synctest.Wait() // the caller may leave before the read ends, at the same moment, and counts as failed
			if ok || !errors.Is(err, ErrUnavailable) || b.Has(keyOf(i)) {
				t.Errorf("picture %d: %v, %v", i, ok, err)
			}
			wantRecord(t, b, 0)
		}
		if took := time.Since(start); took != 150*time.Millisecond {
			t.Errorf("20 reads of a hanging bucket took %v; three should cost 50 ms", took)
		}
		w.hang.Store(false)
		time.Sleep(breakerRest + 50*time.Millisecond)
		for i := range 20 {
			wantRecord(t, b, i)
		}
		if want := []string{"open", "half-open", "closed"}; !reflect.DeepEqual(changes, want) {
			t.Errorf("the breaker went %v, want %v", changes, want)
		}
		if got := b.Stats(); got.Fetched != 20 || got.Failures == 0 || got.Breaker != "closed" {
			t.Errorf("%+v", got)
		}
	})
}

// TestS3Killed takes the server away under a Bucket.
func TestS3Killed(t *testing.T) {
	server, address := buckettest.S3(t)
	objects, err := bucket.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	// What is done while the server is there has time: the machine may be busy.
	other := mustOpenBucket(t, objects, BucketOptions{ReadTimeout: 300 * time.Millisecond})
	put(t, other, 1)
	syncAll(t, other)
	b := mustOpenBucket(t, objects, BucketOptions{WriteTimeout: 300 * time.Millisecond})
	wantRecord(t, b, 1)
	server.CloseClientConnections()
	server.Close()
	wantRecord(t, other, 1)
	start := time.Now()
	for range 100 {
		if _, ok, err := other.Get(t.Context(), keyOf(2)); ok || !errors.Is(err, ErrUnavailable) {
			t.Fatalf("got %v, %v", ok, err)
		}
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("100 reads took %v", took)
	}
	put(t, b, 3)
	if err := b.Sync(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("sync: %v", err)
	}
	if err := b.Delete(t.Context(), keyOf(1)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("delete: %v", err)
	}
	wantRecord(t, b, 1)
}

// TestCallerLeaves ends a Get with its own ctx; the read goes on and fills the
// store in front.
func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &weather{Objects: memory(t), delay: 50 * time.Millisecond}
		first := mustOpenBucket(t, w, BucketOptions{})
		put(t, first, 1)
		syncAll(t, first)
		b := mustOpenBucket(t, w, BucketOptions{ReadTimeout: 10 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, ok, err := b.Get(ctx, keyOf(1)); ok || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Millisecond {
			t.Errorf("after %v: %v, %v", time.Since(start), ok, err)
		}
		wantRecord(t, b, 1)
		if got := w.reads.Load(); got != 1 {
			t.Errorf("%d reads of one picture", got)
		}
	})
}

// TestOneReadForAll has many ask for the same picture at once.
func TestOneReadForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &weather{Objects: memory(t), delay: 100 * time.Millisecond}
		first := mustOpenBucket(t, w, BucketOptions{})
		put(t, first, 1)
		syncAll(t, first)
		b := mustOpenBucket(t, w, BucketOptions{ReadTimeout: 10 * time.Second})
		records := make([]Record, 8)
		var wg sync.WaitGroup
		for i := range records {
			wg.Go(func() {
				r, ok, err := b.Get(t.Context(), keyOf(1))
				if !ok || err != nil || !reflect.DeepEqual(r, recordOf(1)) {
					t.Errorf("%v, %v", ok, err)
				}
				records[i] = r
			})
		}
		wg.Wait()
		if got := w.reads.Load(); got != 1 {
			t.Errorf("%d reads of one picture", got)
		}
		records[0].Float[0]++
		for i := 1; i < len(records); i++ {
			if records[i].Float[0] == records[0].Float[0] {
				t.Error("two callers share a record")
			}
		}
	})
}

// TestAbsentIsRemembered asks again for what is not there, before and after
// another program stores it.
func TestAbsentIsRemembered(t *testing.T) {
	w := &weather{Objects: memory(t)}
	writer := mustOpenBucket(t, w, BucketOptions{})
	synctest.Test(t, func(t *testing.T) {
		b := mustOpenBucket(t, w, BucketOptions{})
		defer closeAll(t, b)
		for range 5 {
			wantNone(t, b, 1)
		}
		if got := w.reads.Load(); got != 1 {
			t.Errorf("%d reads", got)
		}
		k, _ := parseKey(keyOf(1))
		object, err := encodeObject("model", k, recordOf(1))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Objects.Write(t.Context(), objectName("model", k), object); err != nil {
			t.Fatal(err)
		}
		time.Sleep(absentFor + time.Millisecond)
		wantRecord(t, b, 1)
	})
	wantRecord(t, writer, 1)
}

// TestFailedUpload repeats a Put that did not arrive.
func TestFailedUpload(t *testing.T) {
	w := &weather{Objects: memory(t)}
	b := mustOpenBucket(t, w, BucketOptions{})
	w.down.Store(true)
	put(t, b, upTo(10)...)
	err := b.Sync()
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, errDown) || !strings.Contains(err.Error(), "and 7 more") {
		t.Errorf("got %v", err)
	}
	if err := b.Sync(); err != nil {
		t.Errorf("the same errors twice: %v", err)
	}
	w.down.Store(false)
	for i := range 10 {
		wantNone(t, b, i)
	}
	put(t, b, upTo(10)...)
	syncAll(t, b)
	other := mustOpenBucket(t, w, BucketOptions{})
	for i := range 10 {
		wantRecord(t, other, i)
	}
}

// TestUploadsAreBounded has a bucket that hangs hold up the writer.
func TestUploadsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &weather{Objects: memory(t)}
		b := mustOpenBucket(t, w, BucketOptions{Uploads: 2, WriteTimeout: 200 * time.Millisecond})
		w.hang.Store(true)
		put(t, b, 0, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := b.Put(ctx, keyOf(2), recordOf(2)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a third upload: %v", err)
		}
		wantRecord(t, b, 0) // on its way, and readable
		if err := b.Close(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("closing must tell what did not arrive: %v", err)
		}
	})
}

// TestBudgetInFront keeps the store in front small; the bucket has the rest.
func TestBudgetInFront(t *testing.T) {
	b := mustOpenBucket(t, memory(t), BucketOptions{Local: Options{Budget: minBudget}})
	large := Record{Tokens: 100, Width: 100, Float: make([]float32, 10_000)}
	for i := range 40 { // 1.6 MB
		large.Float[0] = float32(i)
		if err := b.Put(t.Context(), keyOf(i), Record{Tokens: 100, Width: 100, Float: append([]float32(nil), large.Float...)}); err != nil {
			t.Fatal(err)
		}
	}
	syncAll(t, b)
	for i := range 40 {
		r, ok, err := b.Get(t.Context(), keyOf(i))
		if err != nil || !ok || r.Float[0] != float32(i) {
			t.Errorf("picture %d: %v, %v", i, ok, err)
		}
	}
	if got := b.Stats(); got.Fetched == 0 || got.Local.Evictions == 0 || got.Uploaded != 40 || b.Len() >= 40 {
		t.Errorf("%+v", got)
	}
}

func TestBucketNeedsNoAnswerToOpen(t *testing.T) {
	w := &weather{Objects: memory(t)}
	w.down.Store(true)
	b := mustOpenBucket(t, w, BucketOptions{})
	if _, ok, err := b.Get(t.Context(), keyOf(1)); ok || !errors.Is(err, ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, %v", ok, err)
	}
}
