package pictures_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sightline/store"
	"sightline/store/pictures"
)

// keeper is what both implementations are.
type keeper interface {
	Put(ctx context.Context, data []byte) (key string, err error)
	Get(ctx context.Context, key string) ([]byte, error)
	Has(key string) bool
	Close() error
}

// forBoth runs a test with a folder, and with buckets in memory and in a folder.
// open opens the pictures in a folder; all of one test share one bucket.
func forBoth(t *testing.T, test func(t *testing.T, open func(dir string) keeper)) {
	t.Run("folder", func(t *testing.T) {
		test(t, func(dir string) keeper { return mustOpen(t, dir) })
	})
	for name, address := range map[string]string{"memory bucket": "mem://", "folder bucket": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			objects := openObjects(t, address)
			test(t, func(dir string) keeper { return mustOpenBucket(t, objects, pictures.BucketOptions{Dir: dir}) })
		})
	}
}

func mustOpen(t *testing.T, dir string) *pictures.Store {
	t.Helper()
	s, err := pictures.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustPut(t *testing.T, s keeper, data string) (key string) {
	t.Helper()
	key, err := s.Put(t.Context(), []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func wantStored(t *testing.T, s keeper, key, data string) {
	t.Helper()
	if got, err := s.Get(t.Context(), key); err != nil || string(got) != data {
		t.Errorf("got %q, %v; want %q", got, err, data)
	}
}

func TestPutGet(t *testing.T) {
	forBoth(t, func(t *testing.T, open func(string) keeper) {
		dir := filepath.Join(t.TempDir(), "a", "b")
		s := open(dir)
		key := mustPut(t, s, "picture")
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte("picture"))); key != want {
			t.Errorf("key %s, want the sha256 %s", key, want)
		}
		path := filepath.Join(dir, pictures.Path(key))
		before, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if again := mustPut(t, s, "picture"); again != key {
			t.Errorf("second key %s", again)
		}
		after, err := os.Stat(path)
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("the same bytes were written twice (%v)", err)
		}
		mustPut(t, s, "another")
		wantStored(t, open(dir), key, "picture")
		absent := strings.Repeat("0", 64)
		if _, err := s.Get(t.Context(), absent); !errors.Is(err, pictures.ErrNotFound) || !strings.Contains(err.Error(), absent) {
			t.Errorf("missing picture: %v", err)
		}
		if !s.Has(key) || s.Has(absent) || s.Has("") || s.Has("../"+key[3:]) {
			t.Errorf("has: %v, %v, %v, %v", s.Has(key), s.Has(absent), s.Has(""), s.Has("../"+key[3:]))
		}
	})
}

func TestBadKeys(t *testing.T) {
	forBoth(t, func(t *testing.T, open func(string) keeper) { checkBadKeys(t, open(t.TempDir())) })
}

func checkBadKeys(t *testing.T, s keeper) {
	key := mustPut(t, s, "picture")
	for _, bad := range []string{
		"", "ab", key[1:], key + "0", strings.ToUpper(key), "../" + key[3:], "/etc/passwd",
		strings.Repeat("../", 21) + "x", key[:63] + "\x00", key[:63] + "/", strings.Repeat("é", 32),
	} {
		if data, err := s.Get(t.Context(), bad); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("key %q: %q, %v", bad, data, err)
		}
	}
}

func TestSizeLimits(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	for _, size := range []int{0, pictures.MaxBytes + 1} {
		if _, err := s.Put(t.Context(), make([]byte, size)); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("put %d bytes: %v", size, err)
		}
	}
	key := mustPut(t, s, "picture")
	if err := os.Truncate(filepath.Join(dir, key[:2], key), pictures.MaxBytes+1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), key); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("get of a file grown on disk: %v", err)
	}
}

func TestDamageIsFoundAndRepaired(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	for name, content := range map[string]string{"changed": "pictura", "cut": "pic", "empty": "", "longer": "picture!"} {
		key := mustPut(t, s, "picture")
		if err := os.WriteFile(filepath.Join(dir, key[:2], key), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), key); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", name, err)
		}
		mustPut(t, s, "picture")
		wantStored(t, s, key, "picture")
	}
}

func TestConcurrentPuts(t *testing.T) {
	forBoth(t, checkConcurrentPuts)
}

func checkConcurrentPuts(t *testing.T, open func(string) keeper) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		s := open(dir) // several programs on one folder
		wg.Go(func() {
			for i := range 20 {
				data := bytes.Repeat([]byte{byte(i + 1)}, 1000*i+1)
				key, err := s.Put(t.Context(), data)
				if err != nil {
					t.Error(err)
					continue
				}
				if got, err := s.Get(t.Context(), key); err != nil || !bytes.Equal(got, data) {
					t.Errorf("picture %d: %d bytes, %v", i, len(got), err)
				}
			}
		})
	}
	wg.Wait()
	if scraps, err := os.ReadDir(filepath.Join(dir, "unfinished")); err != nil || len(scraps) != 0 {
		t.Errorf("left behind: %v, %v", scraps, err)
	}
}

func TestScrapsOfKilledWriters(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir)
	old, fresh := filepath.Join(dir, "unfinished", "new-1"), filepath.Join(dir, "unfinished", "new-2")
	for _, path := range []string{old, fresh} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(old, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir)
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("old scrap: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("a file that another program may be writing: %v", err)
	}
}

func TestErrors(t *testing.T) {
	forBoth(t, func(t *testing.T, open func(string) keeper) {
		dir := t.TempDir()
		checkErrors(t, open(dir), dir)
	})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pictures.Open(file); err == nil {
		t.Error("a file is no folder")
	}
	if _, err := pictures.OpenBucket(t.Context(), nil, pictures.BucketOptions{Dir: file}); err == nil {
		t.Error("a file is no folder")
	}
}

func checkErrors(t *testing.T, s keeper, dir string) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, putErr := s.Put(cancelled, []byte("x"))
	_, getErr := s.Get(cancelled, strings.Repeat("0", 64))
	if !errors.Is(putErr, context.Canceled) || !errors.Is(getErr, context.Canceled) {
		t.Errorf("cancelled: %v, %v", putErr, getErr)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), []byte("x")); err == nil {
		t.Error("a folder that is gone must be an error")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, putErr = s.Put(t.Context(), []byte("x"))
	_, getErr = s.Get(t.Context(), strings.Repeat("0", 64))
	if !errors.Is(putErr, store.ErrClosed) || !errors.Is(getErr, store.ErrClosed) {
		t.Errorf("closed: %v, %v", putErr, getErr)
	}
	if s.Has(strings.Repeat("0", 64)) {
		t.Error("a closed store has nothing")
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}
