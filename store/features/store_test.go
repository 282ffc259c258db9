package features

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"sightline/store"
)

func TestMain(m *testing.M) {
	if task := os.Getenv(crashVariable); task != "" {
		crashChild(task) // this process is TestKilled's child and never returns
	}
	goleak.VerifyTestMain(m)
}

func keyOf(i int) string { return fmt.Sprintf("%064x", i) }

// recordOf makes the record of picture i: int8 for even i, float32 for odd.
func recordOf(i int) Record {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	rec := Record{Tokens: 1 + i%5, Width: 3 + i%7}
	if i%2 == 1 {
		rec.Float = make([]float32, rec.Tokens*rec.Width)
		for j := range rec.Float {
			rec.Float[j] = r.Float32()
		}
		return rec
	}
	rec.Int8, rec.Scale, rec.Mean = make([]int8, rec.Tokens*rec.Width), make([]float32, rec.Tokens), make([]float32, rec.Width)
	for j := range rec.Int8 {
		rec.Int8[j] = int8(r.IntN(256) - 128)
	}
	for j := range rec.Scale {
		rec.Scale[j] = r.Float32()
	}
	for j := range rec.Mean {
		rec.Mean[j] = r.Float32()
	}
	return rec
}

func mustOpen(tb testing.TB, dir string) *Store {
	tb.Helper()
	s, err := open(dir, "model", Options{}, 1000)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func mustPut(tb testing.TB, s *Store, pictures ...int) {
	tb.Helper()
	for _, i := range pictures {
		if err := s.Put(tb.Context(), keyOf(i), recordOf(i)); err != nil {
			tb.Fatalf("put %d: %v", i, err)
		}
	}
}

func mustClose(tb testing.TB, s *Store) {
	tb.Helper()
	if err := s.Close(); err != nil {
		tb.Fatal(err)
	}
}

// wantStored checks that picture i reads back exactly.
func wantStored(tb testing.TB, s *Store, i int) {
	tb.Helper()
	got, ok, err := s.Get(tb.Context(), keyOf(i))
	if err != nil || !ok || !reflect.DeepEqual(got, recordOf(i)) {
		tb.Errorf("picture %d: got %+v, %v, %v", i, got, ok, err)
	}
}

func TestPutGetReopen(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	const n = 60
	for i := range n {
		mustPut(t, s, i)
		wantStored(t, s, i)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	if segments, _ := filepath.Glob(filepath.Join(dir, "*.seg")); len(segments) < 3 {
		t.Fatalf("%d segments; the test should cross several", len(segments))
	}
	s = mustOpen(t, dir)
	if s.Len() != n || s.Recovered() != (Recovery{}) {
		t.Errorf("%d records, recovered %+v", s.Len(), s.Recovered())
	}
	for i := range n {
		wantStored(t, s, i)
	}
	if _, ok, err := s.Get(t.Context(), keyOf(n)); ok || err != nil || s.Has(keyOf(n)) {
		t.Errorf("an unknown picture: %v, %v", ok, err)
	}
	mustPut(t, s, n)
	wantStored(t, s, n)
}

func TestPutIsIdempotent(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustPut(t, s, 1, 1)
	if err := s.Put(t.Context(), keyOf(1), recordOf(2)); err != nil {
		t.Fatal(err)
	}
	wantStored(t, s, 1)
	info, err := os.Stat(segmentPath(dir, 1))
	_, size, _ := recordOf(1).check()
	if err != nil || info.Size() != int64(len(fileMagic))+headerSize+size {
		t.Errorf("segment of %d bytes holds more than one record (%v)", info.Size(), err)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 80 { // all workers put the same pictures
				mustPutIn(t, s, i)
				wantStored(t, s, (i*7+worker)%(i+1))
				if i%20 == worker {
					if err := s.Sync(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if s.Len() != 80 {
		t.Errorf("%d records, want 80", s.Len())
	}
}

// mustPutIn is mustPut for goroutines, where Fatal is not allowed.
func mustPutIn(t *testing.T, s *Store, i int) {
	if err := s.Put(t.Context(), keyOf(i), recordOf(i)); err != nil {
		t.Errorf("put %d: %v", i, err)
	}
}

func TestRefusals(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	good := recordOf(0)
	for name, r := range map[string]Record{
		"empty":         {},
		"no values":     {Tokens: 1, Width: 1},
		"negative":      {Tokens: -1, Width: -1, Float: []float32{1}},
		"short int8":    {Tokens: 2, Width: 2, Int8: make([]int8, 3), Scale: make([]float32, 2), Mean: make([]float32, 2)},
		"short scale":   {Tokens: 2, Width: 2, Int8: make([]int8, 4), Scale: make([]float32, 1), Mean: make([]float32, 2)},
		"no mean":       {Tokens: 2, Width: 2, Int8: make([]int8, 4), Scale: make([]float32, 2)},
		"short float":   {Tokens: 2, Width: 2, Float: make([]float32, 3)},
		"both forms":    {Tokens: 1, Width: 1, Float: make([]float32, 1), Int8: make([]int8, 1)},
		"too large":     {Tokens: 1 << 13, Width: 1 << 13, Int8: make([]int8, 1<<26), Scale: make([]float32, 1<<13), Mean: make([]float32, 1<<13)},
		"overflowing":   {Tokens: 1 << 32, Width: 1 << 32, Float: []float32{}},
		"wide overflow": {Tokens: 1 << 31, Width: 1 << 31, Float: []float32{}},
	} {
		if err := s.Put(t.Context(), keyOf(1), r); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for _, key := range []string{"", "ab", keyOf(1)[1:], keyOf(1) + "0", strings.Repeat("x", 64), "../" + keyOf(1)[3:]} {
		_, ok, err := s.Get(t.Context(), key)
		if putErr := s.Put(t.Context(), key, good); ok || !errors.Is(err, store.ErrInvalid) || !errors.Is(putErr, store.ErrInvalid) || s.Has(key) {
			t.Errorf("key %q: get %v, put %v", key, err, putErr)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Put(cancelled, keyOf(1), good); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled put: %v", err)
	}
	if _, _, err := s.Get(cancelled, keyOf(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled get: %v", err)
	}
	if s.Len() != 0 {
		t.Errorf("%d refused records were stored", s.Len())
	}
}

func TestClosed(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustPut(t, s, 1)
	mustClose(t, s)
	mustClose(t, s)
	_, _, getErr := s.Get(t.Context(), keyOf(1))
	for name, err := range map[string]error{"get": getErr, "put": s.Put(t.Context(), keyOf(2), recordOf(2)), "sync": s.Sync()} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if s.Has(keyOf(1)) {
		t.Error("a closed store has nothing")
	}
}

// TestOlderFormat opens a folder from before there were tombstones; from then
// on, programs of that time refuse it.
func TestOlderFormat(t *testing.T) {
	dir, _ := filled(t, 3)
	path := filepath.Join(dir, "meta.json")
	if err := os.WriteFile(path, []byte(`{"format":1,"fingerprint":"model"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, dir)
	wantStored(t, s, 1)
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), `"format":2`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct{ file, content, want string }{
		"another model":   {"meta.json", `{"format":1,"fingerprint":"other"}`, "import again into a new --data folder"},
		"newer format":    {"meta.json", `{"format":4,"fingerprint":"model"}`, "use a newer Sightline"},
		"broken meta":     {"meta.json", `{`, "delete the folder"},
		"foreign segment": {"000001.seg", "something else entirely", "delete the file"},
		"empty segment":   {"000001.seg", "", "delete the file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir)
			mustPut(t, s, 1)
			mustClose(t, s)
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 { // a refusal must not keep the lock
				if _, err := open(dir, "model", Options{}, 1000); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q in it", err, c.want)
				}
			}
		})
	}
	dir := t.TempDir()
	s := mustOpen(t, dir)
	if _, err := Open(dir, "model"); err == nil || !strings.Contains(err.Error(), "has this data folder open") {
		t.Errorf("second open: %v", err)
	}
	mustPut(t, s, 1)
	mustClose(t, s)
	if _, err := Open(dir, "other"); !errors.Is(err, store.ErrFingerprint) {
		t.Errorf("other model: %v", err)
	}
	if _, err := Open(dir, ""); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no fingerprint: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "meta.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, "model"); err == nil {
		t.Error("segments of an unknown model were accepted")
	}
}
