package pictures_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sightline/store/pictures"
)

// bytesIn is the size of a folder's pictures.
func bytesIn(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

func large(i int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, 1000) }

// fill puts n pictures of 1000 bytes and makes number i of them last used i
// minutes after the first, days ago.
func fill(t *testing.T, s keeper, dir string, n int) (keys []string) {
	t.Helper()
	begin := time.Now().Add(-48 * time.Hour)
	for i := range n {
		key := mustPut(t, s, string(large(i)))
		keys = append(keys, key)
		at := begin.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(filepath.Join(dir, pictures.Path(key)), at, at); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// reopen opens a folder whose pictures exceed the budget and waits until there
// is room again.
func reopen(t *testing.T, objects pictures.Objects, o pictures.BucketOptions) *pictures.Bucket {
	t.Helper()
	var b *pictures.Bucket
	synctest.Test(t, func(t *testing.T) {
		var err error
		if b, err = pictures.OpenBucket(t.Context(), objects, o); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	})
	return mustOpenBucket(t, objects, pictures.BucketOptions{Dir: o.Dir})
}

func wantCopies(t *testing.T, dir string, keys []string, from int) {
	t.Helper()
	for i, key := range keys {
		if has := mustOpen(t, dir).Has(key); has != (i >= from) {
			t.Errorf("picture %d in the folder: %v", i, has)
		}
	}
}

// TestBudget keeps what was used last, to nine tenths; the bucket has the rest.
func TestBudget(t *testing.T) {
	w, dir := memory(t), t.TempDir()
	keys := fill(t, mustOpenBucket(t, w, pictures.BucketOptions{Dir: dir}), dir, 20)
	b := reopen(t, w, pictures.BucketOptions{Dir: dir, Budget: 10_000})
	wantCopies(t, dir, keys, 11)
	for i, key := range keys {
		wantStored(t, b, key, string(large(i)))
	}
}

// TestUsedStays has a read count as use.
func TestUsedStays(t *testing.T) {
	w, dir := memory(t), t.TempDir()
	b := mustOpenBucket(t, w, pictures.BucketOptions{Dir: dir, Budget: 1 << 20})
	keys := fill(t, b, dir, 20)
	wantStored(t, b, keys[0], string(large(0)))
	reopen(t, w, pictures.BucketOptions{Dir: dir, Budget: 10_000})
	wantCopies(t, dir, keys[1:], 11)
	if !mustOpen(t, dir).Has(keys[0]) {
		t.Error("what was used last is gone")
	}
}

// TestGrowingFolder makes room while pictures come, by Put and by Get.
func TestGrowingFolder(t *testing.T) {
	w, dir := memory(t), t.TempDir()
	far := fill(t, mustOpenBucket(t, w, pictures.BucketOptions{Dir: dir}), dir, 100)
	for name, add := range map[string]func(b *pictures.Bucket, i int) error{
		"put": func(b *pictures.Bucket, i int) error { _, err := b.Put(t.Context(), large(i)); return err },
		"get": func(b *pictures.Bucket, i int) error { _, err := b.Get(t.Context(), far[i]); return err },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := mustOpenBucket(t, w, pictures.BucketOptions{Dir: dir, Budget: 10_000, Failed: func(err error) { t.Error(err) }})
			for i := range 100 {
				if err := add(b, i); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			reopen(t, w, pictures.BucketOptions{Dir: dir, Budget: 10_000}) // what Close interrupted
			if got := bytesIn(t, dir); got > 10_000 || got == 0 {
				t.Errorf("%d bytes in the folder", got)
			}
		})
	}
}

// TestRoomIsMadeWhileOpen waits for what runs in the background.
func TestRoomIsMadeWhileOpen(t *testing.T) {
	w, dir := memory(t), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b, err := pictures.OpenBucket(t.Context(), w, pictures.BucketOptions{Dir: dir, Budget: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 60 {
			mustPut(t, b, string(large(i)))
			synctest.Wait()
			if got := bytesIn(t, dir); got > 10_000 {
				t.Fatalf("%d bytes after %d pictures", got, i+1)
			}
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestOnlyCopiesLeave has a folder from before there was a bucket: no picture
// leaves before the bucket holds it, and none at all while that is down.
func TestOnlyCopiesLeave(t *testing.T) {
	w, dir := memory(t), t.TempDir()
	keys := fill(t, mustOpen(t, dir), dir, 20)
	w.down.Store(true)
	var mu sync.Mutex
	var told []error
	failed := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, err)
	}
	reopen(t, w, pictures.BucketOptions{Dir: dir, Budget: 10_000, Failed: failed})
	wantCopies(t, dir, keys, 0)
	if len(told) != 1 || !errors.Is(told[0], pictures.ErrUnavailable) || w.asked.Load() != 1 {
		t.Errorf("told %v after %d questions", told, w.asked.Load())
	}
	w.down.Store(false)
	reopen(t, w, pictures.BucketOptions{Dir: dir, Budget: 10_000, Failed: failed})
	wantCopies(t, dir, keys, 11)
	other := mustOpenBucket(t, w, pictures.BucketOptions{})
	for i := range 11 {
		wantStored(t, other, keys[i], string(large(i)))
	}
}

// TestDamagedCopiesStay where the bucket has nothing better; the others leave.
func TestDamagedCopiesStay(t *testing.T) {
	w, dir := memory(t), t.TempDir()
	keys := fill(t, mustOpen(t, dir), dir, 20)
	path := filepath.Join(dir, pictures.Path(keys[0]))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(path, large(99), 0o600), os.Chtimes(path, info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	reopen(t, w, pictures.BucketOptions{Dir: dir, Budget: 10_000, Failed: func(err error) { told <- err }})
	if err := <-told; err == nil {
		t.Error("no error")
	}
	if s := mustOpen(t, dir); !s.Has(keys[0]) || s.Has(keys[1]) {
		t.Errorf("the damaged one is there: %v; the next one: %v", s.Has(keys[0]), s.Has(keys[1]))
	}
}

// TestNoBudget evicts nothing.
func TestNoBudget(t *testing.T) {
	w, dir := memory(t), t.TempDir()
	keys := fill(t, mustOpenBucket(t, w, pictures.BucketOptions{Dir: dir}), dir, 20)
	reopen(t, w, pictures.BucketOptions{Dir: dir})
	wantCopies(t, dir, keys, 0)
}
