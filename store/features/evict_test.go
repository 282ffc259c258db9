package features

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sightline/store"
)

const testBudget = 20_000

func mustOpenBudget(tb testing.TB, dir string, budget int64) *Store {
	tb.Helper()
	s, err := open(dir, "model", Options{Budget: budget, Failed: func(err error) { tb.Errorf("background: %v", err) }}, 1500)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// TestLeastRecentlyUsedGoes keeps one old picture in use while new ones come,
// also over a restart.
func TestLeastRecentlyUsedGoes(t *testing.T) {
	dir := t.TempDir()
	s := mustOpenBudget(t, dir, testBudget)
	mustPut(t, s, 0, 1)
	for i := 2; i < 200; i++ {
		mustPut(t, s, i)
		if i%20 == 0 {
			wantStored(t, s, 0)
		}
		if i%50 == 0 {
			mustClose(t, s)
			s = mustOpenBudget(t, dir, testBudget)
		}
		if got := s.Stats(); got.Live > testBudget/5*4 {
			t.Fatalf("over the budget: %+v", got)
		}
	}
	wantStored(t, s, 0)
	wantStored(t, s, 199)
	wantGone(t, s, 1, 2, 50)
	if got := s.Stats(); got.Evictions == 0 || got.Live < testBudget/2 || got.Misses != 3 {
		t.Errorf("%+v", got)
	}
}

// TestOrderOfUseSurvives looks at the order itself, after a clean end and after
// a crash that followed more pictures.
func TestOrderOfUseSurvives(t *testing.T) {
	dir := t.TempDir()
	s := mustOpenBudget(t, dir, 1<<20)
	mustPut(t, s, 0, 1, 2, 3)
	wantStored(t, s, 1)
	mustClose(t, s)
	s = mustOpenBudget(t, dir, 1<<20)
	wantOrder(t, s, 1, 3, 2, 0)
	mustPut(t, s, 4)
	saved, err := os.ReadFile(usePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	restore := func(data []byte) {
		if err := os.WriteFile(usePath(dir), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	restore(saved)
	s = mustOpenBudget(t, dir, 1<<20)
	wantOrder(t, s, 4, 1, 3, 2, 0)
	mustClose(t, s)
	for _, bad := range [][]byte{nil, saved[:9], append(bytes.Clone(saved), 0), append(bytes.Clone(saved[:len(saved)-1]), saved[len(saved)-1]^1)} {
		restore(bad)
		s = mustOpenBudget(t, dir, 1<<20)
		wantOrder(t, s, 4, 3, 2, 1, 0)
		mustClose(t, s)
	}
}

func wantOrder(t *testing.T, s *Store, want ...int) {
	t.Helper()
	e := s.index.newest
	for _, i := range want {
		if e == nil || e.key.String() != keyOf(i) {
			t.Fatalf("not in the order %v: %v where picture %d should be", want, e, i)
		}
		e = e.older
	}
	if e != nil {
		t.Errorf("more than %v", want)
	}
}

// TestFilesStayInBudget waits for the background to give back what was dropped.
func TestFilesStayInBudget(t *testing.T) {
	s := mustOpenBudget(t, t.TempDir(), testBudget)
	mustPut(t, s, upTo(500)...)
	over := func() bool { st := s.Stats(); return st.Live+st.Dead > testBudget+1500 }
	for deadline := time.Now().Add(time.Minute); over(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", s.Stats())
		}
	}
	wantStored(t, s, 499)
}

func TestSmallerBudget(t *testing.T) {
	dir := t.TempDir()
	s := mustOpenBudget(t, dir, 0)
	mustPut(t, s, upTo(300)...)
	mustClose(t, s)
	s = mustOpenBudget(t, dir, testBudget)
	if got := s.Stats(); got.Live > testBudget/5*4 || got.Live < testBudget/2 || got.Evictions == 0 {
		t.Errorf("%+v", got)
	}
	wantStored(t, s, 299)
	wantGone(t, s, 0)
	mustClose(t, s)
	s = mustOpenBudget(t, dir, 0) // what was dropped stays so
	wantGone(t, s, 0)
}

func TestRecordLargerThanBudget(t *testing.T) {
	s := mustOpenBudget(t, t.TempDir(), testBudget)
	mustPut(t, s, 1)
	huge := Record{Tokens: 100, Width: 50, Float: make([]float32, 5000)}
	if err := s.Put(t.Context(), keyOf(2), huge); err != nil || s.Has(keyOf(2)) {
		t.Errorf("got %v", err)
	}
	wantStored(t, s, 1)
}

func TestBudgetIsChecked(t *testing.T) {
	for _, budget := range []int64{-1, 1, minBudget - 1} {
		if _, err := OpenWith(t.TempDir(), "model", Options{Budget: budget}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%d: %v", budget, err)
		}
	}
}

// TestDiskFull has the kernel refuse writes with ENOSPC, by /dev/full in place
// of the segment.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustPut(t, s, 1, 2)
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	good := s.segments[0].file
	s.segments[0].file = full
	if err := s.Put(t.Context(), keyOf(3), recordOf(3)); !errors.Is(err, store.ErrNoSpace) || s.Has(keyOf(3)) {
		t.Errorf("put: %v", err)
	}
	s.broken = false // /dev/full cannot be cut; a disk can
	if err := s.Delete(t.Context(), keyOf(1)); !errors.Is(err, store.ErrNoSpace) || s.Has(keyOf(1)) {
		t.Errorf("delete: %v", err)
	}
	s.broken = false
	s.segments[0].file = good
	wantStored(t, s, 2)
	mustPut(t, s, 3)
	if err := s.Sync(); err != nil { // writes the tombstone that had no room
		t.Fatal(err)
	}
	mustClose(t, s)
	s = mustOpen(t, dir)
	wantGone(t, s, 1)
	wantStored(t, s, 2)
	wantStored(t, s, 3)
}

// TestRealDiskFull fills a file system of 256 KB.
func TestRealDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mounting needs root: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	s, err := open(dir, "model", Options{}, 50_000)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	n := fill(t, s, 0)
	for i := range n {
		wantStored(t, s, i)
	}
	if err := s.Compact(t.Context()); err != nil { // nothing to do is no reason to fail
		t.Error(err)
	}
	deleteOnFull(t, s, n/2)
	mustCompact(t, s) // segments without a survivor need no room to go
	if again := fill(t, s, n); again-n < n/4 {
		t.Errorf("after making room %d more records fit, of %d at first", again-n, n)
	}
	for i := n / 2; i < n; i++ {
		wantStored(t, s, i)
	}
	mustClose(t, s)
	s, err = open(dir, "model", Options{}, 50_000)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Recovered(); got != (Recovery{}) {
		t.Errorf("torn: %+v", got)
	}
	wantGone(t, s, upTo(n/2)...)
}

// fill puts pictures from first on until the disk is full, and returns the one
// that had no room.
func fill(t *testing.T, s *Store, first int) int {
	t.Helper()
	for i := first; ; i++ {
		err := s.Put(t.Context(), keyOf(i), recordOf(i))
		if errors.Is(err, store.ErrNoSpace) && !s.Has(keyOf(i)) {
			return i
		}
		if err != nil || i > 10_000 {
			t.Fatalf("picture %d: %v", i, err)
		}
	}
}

// deleteOnFull deletes the first n pictures of a full disk.
func deleteOnFull(t *testing.T, s *Store, n int) {
	t.Helper()
	for i := range n {
		if err := s.Delete(t.Context(), keyOf(i)); err != nil && !errors.Is(err, store.ErrNoSpace) {
			t.Fatal(err)
		}
	}
}
