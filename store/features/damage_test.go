package features

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// filled makes a closed store of pictures 0 to n-1 in one segment and returns
// where each record begins; the last number is the file's size.
func filled(t *testing.T, n int) (dir string, starts []int64) {
	t.Helper()
	dir = t.TempDir()
	s, err := Open(dir, "model")
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, s)
	for i := range n {
		starts = append(starts, segmentEnd(s))
		mustPut(t, s, i)
	}
	return dir, append(starts, segmentEnd(s))
}

func segmentEnd(s *Store) int64 {
	if len(s.segments) == 0 {
		return int64(len(fileMagic))
	}
	return s.segments[len(s.segments)-1].size
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 0x10
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTornTail cuts the file at every byte of the last record.
func TestTornTail(t *testing.T) {
	dir, starts := filled(t, 4)
	path := segmentPath(dir, 1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := starts[3]; size < starts[4]; size++ {
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		s := mustOpen(t, dir)
		if got := s.Recovered(); got.Cut != size-starts[3] || got.Skipped != 0 || s.Len() != 3 {
			t.Fatalf("size %d: recovered %+v, %d records", size, got, s.Len())
		}
		mustPut(t, s, 3)
		mustClose(t, s)
		s = mustOpen(t, dir)
		for i := range 4 {
			wantStored(t, s, i)
		}
		mustClose(t, s)
	}
}

func TestDamagedPayload(t *testing.T) {
	dir, starts := filled(t, 3)
	flip(t, segmentPath(dir, 1), starts[2]-1) // last byte of picture 1
	s := mustOpen(t, dir)
	if !s.Has(keyOf(1)) {
		t.Fatal("payloads are not read at open")
	}
	if _, ok, err := s.Get(t.Context(), keyOf(1)); ok || err == nil || !strings.Contains(err.Error(), keyOf(1)) {
		t.Errorf("got %v, %v; want an error that names the picture", ok, err)
	}
	if s.Has(keyOf(1)) {
		t.Error("damaged states are still offered")
	}
	mustPut(t, s, 1)
	for i := range 3 {
		wantStored(t, s, i)
	}
	mustClose(t, s)
	s = mustOpen(t, dir) // the good copy stands behind the damaged one and wins
	wantStored(t, s, 1)
}

func TestDamagedHeader(t *testing.T) {
	dir, starts := filled(t, 4)
	flip(t, segmentPath(dir, 1), starts[1]+9)
	s := mustOpen(t, dir)
	if got := s.Recovered(); got != (Recovery{Skipped: starts[2] - starts[1]}) {
		t.Errorf("recovered %+v", got)
	}
	for i, want := range []bool{true, false, true, true} {
		if s.Has(keyOf(i)) != want {
			t.Errorf("picture %d: %v, want %v", i, !want, want)
		}
	}
	wantStored(t, s, 3)
}

// TestMappedFileShrinksWhileOpen cuts a sealed segment: reading the pages that
// it no longer has is a fault of the processor.
func TestMappedFileShrinksWhileOpen(t *testing.T) {
	s, err := open(t.TempDir(), "model", Options{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, s)
	large := Record{Tokens: 100, Width: 100, Float: make([]float32, 10_000)}
	for i := 50; i < 53; i++ { // one segment each
		if err := s.Put(t.Context(), keyOf(i), large); err != nil {
			t.Fatal(err)
		}
	}
	if s.segments[0].mapped == nil || s.segments[2].mapped != nil {
		t.Fatal("sealed segments should be mapped, and the last one not")
	}
	if err := os.Truncate(segmentPath(s.dir, 1), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(segmentPath(s.dir, 2), 100); err != nil { // within a page: zeros instead of a fault
		t.Fatal(err)
	}
	for i := 50; i < 52; i++ {
		if _, ok, err := s.Get(t.Context(), keyOf(i)); ok || err == nil || s.Has(keyOf(i)) {
			t.Errorf("picture %d: got %v, %v", i, ok, err)
		}
	}
	if got, ok, err := s.Get(t.Context(), keyOf(52)); !ok || err != nil || !reflect.DeepEqual(got, large) {
		t.Errorf("the whole segment: %v, %v", ok, err)
	}
	if got := s.Stats(); got.Damaged != 2 || got.Pictures != 1 {
		t.Errorf("stats %+v", got)
	}
}

func TestFileShrinksWhileOpen(t *testing.T) {
	dir, starts := filled(t, 2)
	s := mustOpen(t, dir)
	if err := os.Truncate(segmentPath(dir, 1), starts[2]-1); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Get(t.Context(), keyOf(1)); ok || err == nil || s.Has(keyOf(1)) {
		t.Errorf("got %v, %v", ok, err)
	}
	wantStored(t, s, 0)
}

// TestFailedWrite fails appends for real, with a file opened for reading only,
// so that not even the half record can be cut off.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustPut(t, s, 1)
	readOnly, err := os.Open(segmentPath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	good := s.segments[0].file
	defer good.Close()
	s.segments[0].file = readOnly
	if err := s.Put(t.Context(), keyOf(2), recordOf(2)); err == nil || s.Has(keyOf(2)) {
		t.Fatalf("got %v", err)
	}
	mustPut(t, s, 2, 3)
	for i := 1; i <= 3; i++ {
		wantStored(t, s, i)
	}
	if _, err := os.Stat(segmentPath(dir, 2)); err != nil {
		t.Errorf("no new segment was begun: %v", err)
	}
}

func TestUnfinishedFilesAreRemoved(t *testing.T) {
	dir, _ := filled(t, 2)
	scrap := filepath.Join(dir, "new-123")
	for _, name := range []string{scrap, filepath.Join(dir, "notes.txt"), filepath.Join(dir, "x.seg")} {
		if err := os.WriteFile(name, []byte("SLF"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, dir)
	if _, err := os.Stat(scrap); !os.IsNotExist(err) {
		t.Errorf("scrap is still there: %v", err)
	}
	if s.Len() != 2 {
		t.Errorf("%d records, want 2", s.Len())
	}
}
