package pictures_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	_ "gocloud.dev/blob/memblob"

	"sightline/store/bucket"
	"sightline/store/pictures"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openObjects(t *testing.T, address string) *bucket.Bucket {
	t.Helper()
	objects, err := bucket.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = objects.Close() })
	return objects
}

func mustOpenBucket(t *testing.T, objects pictures.Objects, o pictures.BucketOptions) *pictures.Bucket {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	b, err := pictures.OpenBucket(t.Context(), objects, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// weather comes between a Bucket and its objects.
type weather struct {
	pictures.Objects
	down    atomic.Bool   // everything fails
	hang    atomic.Bool   // everything waits for its ctx
	gate    chan struct{} // reads wait for it; nil: they do not
	waiting chan struct{} // told of each read that waits
	reads   atomic.Int64
	writes  atomic.Int64
	asked   atomic.Int64 // Exists
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
	return nil
}

func (w *weather) Read(ctx context.Context, name string, limit int64) ([]byte, error) {
	w.reads.Add(1)
	if w.gate != nil {
		w.waiting <- struct{}{}
		select {
		case <-w.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := w.pass(ctx); err != nil {
		return nil, err
	}
	return w.Objects.Read(ctx, name, limit)
}

func (w *weather) Write(ctx context.Context, name string, data []byte) error {
	w.writes.Add(1)
	if err := w.pass(ctx); err != nil {
		return err
	}
	return w.Objects.Write(ctx, name, data)
}

func (w *weather) Exists(ctx context.Context, name string) (bool, error) {
	w.asked.Add(1)
	if err := w.pass(ctx); err != nil {
		return false, err
	}
	return w.Objects.Exists(ctx, name)
}

func memory(t *testing.T) *weather {
	t.Helper()
	return &weather{Objects: openObjects(t, "mem://")}
}

func nameOf(key string) string { return "pictures/" + key[:2] + "/" + key }
