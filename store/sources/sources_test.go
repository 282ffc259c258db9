package sources_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sightline/store"
	"sightline/store/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string) *sources.Store {
	t.Helper()
	s, err := sources.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func want(t *testing.T, s *sources.Store, address string, found sources.Source) {
	t.Helper()
	got, ok, err := s.Get(t.Context(), address)
	if err != nil || !ok || got.Picture != found.Picture || got.ETag != found.ETag || got.LastModified != found.LastModified || !got.Checked.Equal(found.Checked) {
		t.Errorf("%s: %+v, %v, %v; want %+v", address, got, ok, err, found)
	}
}

func TestSources(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a%20b?", "sources.db")
	s := open(t, path)
	if _, ok, err := s.Get(t.Context(), "https://shop.example/a.jpg"); ok || err != nil {
		t.Errorf("of nothing: %v, %v", ok, err)
	}
	first := sources.Source{Picture: "aa", ETag: `"x"`, LastModified: "Mon", Checked: time.UnixMilli(1_790_000_000_123)}
	second := sources.Source{Picture: "bb", Checked: first.Checked.Add(time.Hour)}
	for address, found := range map[string]sources.Source{"https://shop.example/a.jpg": first, "https://shop.example/ö'\"": second} {
		if err := s.Put(t.Context(), address, found); err != nil {
			t.Fatal(err)
		}
		want(t, s, address, found)
	}
	if err := s.Put(t.Context(), "https://shop.example/a.jpg", second); err != nil {
		t.Fatal(err)
	}
	other := open(t, path) // as another program
	want(t, other, "https://shop.example/a.jpg", second)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get(t.Context(), "x"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("get after close: %v", err)
	}
	if err := s.Put(t.Context(), "x", first); !errors.Is(err, store.ErrClosed) {
		t.Errorf("put after close: %v", err)
	}
}

func TestTwoProgramsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sources.db")
	var wg sync.WaitGroup
	for program := range 2 {
		s := open(t, path)
		wg.Go(func() {
			for i := range 100 {
				if err := s.Put(t.Context(), fmt.Sprint(i), sources.Source{Picture: fmt.Sprint(program)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestForeignFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sources.db")
	if err := os.WriteFile(path, []byte("this is no database, and long enough to be told from one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := sources.Open(t.Context(), path); err == nil {
		s.Close()
		t.Error("opened a file that is no database")
	}
}

func BenchmarkGet(b *testing.B) {
	s, err := sources.Open(b.Context(), filepath.Join(b.TempDir(), "sources.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Put(b.Context(), "https://shop.example/a.jpg", sources.Source{Picture: "aa"}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok, err := s.Get(b.Context(), "https://shop.example/a.jpg"); err != nil || !ok {
			b.Fatal(err)
		}
	}
}
