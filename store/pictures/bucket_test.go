package pictures_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sightline/store"
	"sightline/store/bucket"
	"sightline/store/bucket/buckettest"
	"sightline/store/pictures"
)

// TestAnotherMachine reads what was put elsewhere as soon as Put returned, once
// over the network and then from its own folder.
func TestAnotherMachine(t *testing.T) {
	w := memory(t)
	key := mustPut(t, mustOpenBucket(t, w, pictures.BucketOptions{}), "picture")
	dir := t.TempDir()
	other := mustOpenBucket(t, w, pictures.BucketOptions{Dir: dir})
	for range 3 {
		if !other.Has(key) {
			t.Error("not there")
		}
		wantStored(t, other, key, "picture")
	}
	if asked, reads := w.asked.Load(), w.reads.Load(); asked != 1 || reads != 1 {
		t.Errorf("%d questions and %d reads for one picture", asked, reads)
	}
	w.down.Store(true)
	wantStored(t, mustOpen(t, dir), key, "picture")
}

func TestPutAgainIsCheap(t *testing.T) {
	w := memory(t)
	dir := t.TempDir()
	b := mustOpenBucket(t, w, pictures.BucketOptions{Dir: dir})
	for range 3 {
		mustPut(t, b, "picture")
	}
	mustPut(t, mustOpenBucket(t, w, pictures.BucketOptions{Dir: dir}), "picture") // a later run
	if writes, asked := w.writes.Load(), w.asked.Load(); writes != 1 || asked != 1 {
		t.Errorf("%d uploads and %d questions for one picture", writes, asked)
	}
}

// TestOldFolder has a folder from before there was a bucket: putting a picture
// again shares it.
func TestOldFolder(t *testing.T) {
	dir, w := t.TempDir(), memory(t)
	key := mustPut(t, mustOpen(t, dir), "picture")
	b := mustOpenBucket(t, w, pictures.BucketOptions{Dir: dir})
	wantStored(t, b, key, "picture")
	other := mustOpenBucket(t, w, pictures.BucketOptions{})
	if _, err := other.Get(t.Context(), key); !errors.Is(err, pictures.ErrNotFound) || other.Has(key) {
		t.Errorf("before: %v", err)
	}
	mustPut(t, b, "picture")
	wantStored(t, other, key, "picture")
}

// TestFailedPut must not leave a picture that only this machine has and that a
// second Put takes for stored.
func TestFailedPut(t *testing.T) {
	w := memory(t)
	b := mustOpenBucket(t, w, pictures.BucketOptions{WriteTimeout: 50 * time.Millisecond})
	for name, state := range map[string]*atomic.Bool{"down": &w.down, "hanging": &w.hang} {
		state.Store(true)
		if key, err := b.Put(t.Context(), []byte(name)); !errors.Is(err, pictures.ErrUnavailable) || key != "" {
			t.Errorf("%s: %q, %v", name, key, err)
		}
		state.Store(false)
		key := mustPut(t, b, name)
		wantStored(t, mustOpenBucket(t, w, pictures.BucketOptions{}), key, name)
	}
	w.hang.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := b.Put(ctx, []byte("stopped")); !errors.Is(err, context.Canceled) || errors.Is(err, pictures.ErrUnavailable) {
		t.Errorf("stopped: %v", err)
	}
}

func TestOutage(t *testing.T) {
	w := memory(t)
	far := mustPut(t, mustOpenBucket(t, w, pictures.BucketOptions{}), "far")
	w.down.Store(true)
	b := mustOpenBucket(t, w, pictures.BucketOptions{ReadTimeout: 50 * time.Millisecond, HasTimeout: 50 * time.Millisecond})
	for range 3 {
		if _, err := b.Get(t.Context(), far); !errors.Is(err, pictures.ErrUnavailable) || !errors.Is(err, errDown) || errors.Is(err, pictures.ErrNotFound) {
			t.Errorf("down: %v", err)
		}
	}
	w.down.Store(false)
	w.hang.Store(true)
	if _, err := b.Get(t.Context(), far); !errors.Is(err, pictures.ErrUnavailable) || errors.Is(err, pictures.ErrNotFound) {
		t.Errorf("hanging: %v", err)
	}
	w.hang.Store(false)
	wantStored(t, b, far, "far")
}

// TestHasInAnOutage asks a hanging bucket once a second, not once a picture.
func TestHasInAnOutage(t *testing.T) {
	w := memory(t)
	key := mustPut(t, mustOpenBucket(t, w, pictures.BucketOptions{}), "picture")
	w.hang.Store(true)
	synctest.Test(t, func(t *testing.T) {
		b := mustOpenBucket(t, w, pictures.BucketOptions{})
		begin := time.Now()
		for range 20 {
			if b.Has(key) {
				t.Error("found in a bucket that does not answer")
			}
		}
		if took := time.Since(begin); took != time.Second || w.asked.Load() != 1 {
			t.Errorf("%d questions in %v", w.asked.Load(), took)
		}
		w.hang.Store(false)
		time.Sleep(time.Second)
		if !b.Has(key) {
			t.Error("not found after the outage")
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestDamagedObject is not given out, and the next Put replaces it.
func TestDamagedObject(t *testing.T) {
	for name, content := range map[string]string{"changed": "pictura", "cut": "pic", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			w, dir := memory(t), t.TempDir()
			b := mustOpenBucket(t, w, pictures.BucketOptions{Dir: dir})
			key := mustPut(t, mustOpenBucket(t, w, pictures.BucketOptions{}), "picture")
			if err := w.Objects.Write(t.Context(), nameOf(key), []byte(content)); err != nil {
				t.Fatal(err)
			}
			if !b.Has(key) {
				t.Error("the object is there")
			}
			if data, err := b.Get(t.Context(), key); err == nil || !strings.Contains(err.Error(), "damaged in the bucket") || errors.Is(err, pictures.ErrNotFound) {
				t.Errorf("%q, %v", data, err)
			}
			if b.Has(key) {
				t.Error("damaged and counted as stored")
			}
			mustPut(t, b, "picture")
			wantStored(t, mustOpenBucket(t, w, pictures.BucketOptions{}), key, "picture")
		})
	}
}

// TestDamagedCopy is replaced from the bucket.
func TestDamagedCopy(t *testing.T) {
	w, dir := memory(t), t.TempDir()
	b := mustOpenBucket(t, w, pictures.BucketOptions{Dir: dir})
	key := mustPut(t, b, "picture")
	if err := os.WriteFile(filepath.Join(dir, pictures.Path(key)), []byte("pictura"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantStored(t, b, key, "picture")
	wantStored(t, mustOpen(t, dir), key, "picture")
}

// TestTooLargeObject must not fill the memory.
func TestTooLargeObject(t *testing.T) {
	objects := openObjects(t, t.TempDir())
	key := strings.Repeat("ab", 32)
	if err := objects.Write(t.Context(), nameOf(key), make([]byte, pictures.MaxBytes+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := mustOpenBucket(t, objects, pictures.BucketOptions{}).Get(t.Context(), key); !errors.Is(err, bucket.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

// TestOneReadForAll has many ask for one picture at once; each owns its bytes.
func TestOneReadForAll(t *testing.T) {
	w := memory(t)
	key := mustPut(t, mustOpenBucket(t, w, pictures.BucketOptions{}), "picture")
	w.gate, w.waiting = make(chan struct{}), make(chan struct{}, 8)
	b := mustOpenBucket(t, w, pictures.BucketOptions{})
	results := make([][]byte, 8)
	var asked, wg sync.WaitGroup
	for i := range results {
		asked.Add(1)
		wg.Go(func() {
			asked.Done()
			var err error
			if results[i], err = b.Get(t.Context(), key); err != nil || string(results[i]) != "picture" {
				t.Errorf("%q, %v", results[i], err)
			}
		})
	}
	asked.Wait()
	<-w.waiting
	close(w.gate)
	wg.Wait()
	if got := w.reads.Load(); got != 1 {
		t.Errorf("%d reads of one picture", got)
	}
	results[0][0] = '!'
	for _, r := range results[1:] {
		if !bytes.Equal(r, []byte("picture")) {
			t.Error("two callers share their bytes")
		}
	}
}

// TestCallerLeaves ends the read for who began it; who joined reads on.
func TestCallerLeaves(t *testing.T) {
	w := memory(t)
	key := mustPut(t, mustOpenBucket(t, w, pictures.BucketOptions{}), "picture")
	synctest.Test(t, func(t *testing.T) {
		w.gate, w.waiting = make(chan struct{}), make(chan struct{}, 8)
		b := mustOpenBucket(t, w, pictures.BucketOptions{})
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.Get(ctx, key); !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
		})
		synctest.Wait()
		for range 3 {
			wg.Go(func() { wantStored(t, b, key, "picture") })
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		close(w.gate)
		wg.Wait()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	if got := w.reads.Load(); got != 2 {
		t.Errorf("%d reads, want the one given up and one more", got)
	}
}

// TestUnwritableFolder must not take away what the bucket gave.
func TestUnwritableFolder(t *testing.T) {
	w, dir := memory(t), t.TempDir()
	key := mustPut(t, mustOpenBucket(t, w, pictures.BucketOptions{}), "picture")
	var told []error
	b := mustOpenBucket(t, w, pictures.BucketOptions{Dir: dir, Failed: func(err error) { told = append(told, err) }})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	wantStored(t, b, key, "picture")
	if len(told) != 1 || !errors.Is(told[0], fs.ErrNotExist) {
		t.Errorf("told %v", told)
	}
	if _, err := b.Put(t.Context(), []byte("another")); err == nil {
		t.Error("a folder that is gone must be an error of Put")
	}
}

func TestCloseWaits(t *testing.T) {
	w := memory(t)
	key := mustPut(t, mustOpenBucket(t, w, pictures.BucketOptions{}), "picture")
	synctest.Test(t, func(t *testing.T) {
		w.gate, w.waiting = make(chan struct{}), make(chan struct{}, 1)
		b := mustOpenBucket(t, w, pictures.BucketOptions{})
		var wg sync.WaitGroup
		wg.Go(func() { wantStored(t, b, key, "picture") })
		synctest.Wait()
		closed := false
		wg.Go(func() {
			_ = b.Close()
			closed = true
		})
		synctest.Wait()
		if closed {
			t.Error("closed during a read")
		}
		close(w.gate)
		wg.Wait()
		if _, err := b.Get(t.Context(), key); !errors.Is(err, store.ErrClosed) {
			t.Errorf("after it: %v", err)
		}
	})
}

// TestS3 goes over the real protocol, and takes the server away.
func TestS3(t *testing.T) {
	server, address := buckettest.S3(t)
	objects := openObjects(t, address)
	b := mustOpenBucket(t, objects, pictures.BucketOptions{})
	var keys []string
	for i := range 3 {
		keys = append(keys, mustPut(t, b, fmt.Sprint("picture ", i)))
	}
	other := mustOpenBucket(t, objects, pictures.BucketOptions{ReadTimeout: time.Second, WriteTimeout: time.Second})
	if !other.Has(keys[0]) || other.Has(strings.Repeat("0", 64)) {
		t.Error("has")
	}
	wantStored(t, other, keys[1], "picture 1")
	if _, err := other.Get(t.Context(), strings.Repeat("0", 64)); !errors.Is(err, pictures.ErrNotFound) {
		t.Errorf("missing: %v", err)
	}
	server.CloseClientConnections()
	server.Close()
	wantStored(t, other, keys[1], "picture 1")
	if _, err := other.Get(t.Context(), keys[2]); !errors.Is(err, pictures.ErrUnavailable) {
		t.Errorf("server gone: %v", err)
	}
	if _, err := other.Put(t.Context(), []byte("new")); !errors.Is(err, pictures.ErrUnavailable) {
		t.Errorf("server gone: %v", err)
	}
}
