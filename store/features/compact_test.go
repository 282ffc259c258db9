package features

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"sightline/store"
)

func mustDelete(tb testing.TB, s *Store, pictures ...int) {
	tb.Helper()
	keys := make([]string, len(pictures))
	for i, at := range pictures {
		keys[i] = keyOf(at)
	}
	if err := s.Delete(tb.Context(), keys...); err != nil {
		tb.Fatal(err)
	}
}

func mustCompact(tb testing.TB, s *Store) {
	tb.Helper()
	if err := s.Compact(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func wantGone(tb testing.TB, s *Store, pictures ...int) {
	tb.Helper()
	for _, i := range pictures {
		if _, ok, err := s.Get(tb.Context(), keyOf(i)); ok || err != nil || s.Has(keyOf(i)) {
			tb.Errorf("picture %d is still there (%v)", i, err)
		}
	}
}

func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}

// TestDeletedStaysAway deletes and reopens with and without compaction between.
func TestDeletedStaysAway(t *testing.T) {
	for _, compact := range []bool{false, true} {
		dir := t.TempDir()
		s := mustOpen(t, dir)
		mustPut(t, s, upTo(40)...)
		mustDelete(t, s, 3, 17, 39, 100)
		mustPut(t, s, 17)
		for range 2 {
			if compact {
				mustCompact(t, s)
			}
			mustClose(t, s)
			s = mustOpen(t, dir)
			wantGone(t, s, 3, 39, 100)
			for _, i := range []int{0, 2, 4, 16, 17, 18, 38} {
				wantStored(t, s, i)
			}
			if s.Len() != 38 {
				t.Errorf("%d pictures, want 38", s.Len())
			}
		}
	}
}

// TestCompactGivesSpaceBack deletes everything but one picture, and then that.
func TestCompactGivesSpaceBack(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustPut(t, s, upTo(60)...)
	before := s.Stats()
	mustDelete(t, s, upTo(60)[1:]...)
	mustCompact(t, s)
	mustCompact(t, s) // a tombstone may go only after the record that it is for
	wantStored(t, s, 0)
	after := s.Stats()
	if after.Dead > before.Dead+headerSize || after.Segments > 2 || after.Pictures != 1 || after.Reclaimed < before.Live/2 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(files) != after.Segments {
		t.Errorf("%v on disk, %d segments (%v)", files, after.Segments, err)
	}
	mustDelete(t, s, 0)
	mustCompact(t, s)
	if got := s.Stats(); got.Live != 0 || got.Dead > int64(len(fileMagic))+headerSize {
		t.Errorf("an empty store: %+v", got)
	}
}

// TestTombstonesAreKept has few dead records in each of many segments, and all
// their tombstones in one: these have to stay, and are no reason to rewrite
// their segment without end.
func TestTombstonesAreKept(t *testing.T) {
	dir := t.TempDir()
	s, err := open(dir, "model", Options{}, 12_000)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, upTo(800)...)
	if _, err := s.rotate(); err != nil {
		t.Fatal(err)
	}
	var gone []int
	for i := 0; i < 800; i += 20 {
		gone = append(gone, i)
	}
	mustDelete(t, s, gone...)
	mustPut(t, s, upTo(900)[800:]...)
	before := s.Stats()
	mustCompact(t, s)
	mustCompact(t, s)
	if after := s.Stats(); after.Reclaimed != 0 || after.Segments != before.Segments {
		t.Errorf("before %+v, after %+v", before, after)
	}
	mustClose(t, s)
	s = mustOpen(t, dir)
	wantGone(t, s, gone...)
	if s.Len() != 860 {
		t.Errorf("%d pictures, want 860", s.Len())
	}
}

// TestInterruptedCompaction moves a record, as a compaction that was then
// stopped, and deletes it: its tombstone has to outlive the segment that it is
// in, for the older copy is still there.
func TestInterruptedCompaction(t *testing.T) {
	dir := t.TempDir()
	s, err := open(dir, "model", Options{}, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, upTo(20)...)
	rotate := func() {
		if _, err := s.rotate(); err != nil {
			t.Fatal(err)
		}
	}
	rotate()
	k, _ := parseKey(keyOf(0))
	at, _, _ := s.lookup(k, false)
	if _, err := s.salvage(at, nil); err != nil {
		t.Fatal(err)
	}
	mustDelete(t, s, 0)
	rotate()
	all := s.candidates()
	if len(all) != 2 {
		t.Fatalf("%d sealed segments, want 2", len(all))
	}
	if err := s.rewrite(pace{}, all[1], all); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	s = mustOpen(t, dir)
	wantGone(t, s, 0)
	wantStored(t, s, 1)
}

// TestDeletedWhileMoved deletes a picture after compaction read its record and
// before it wrote it.
func TestDeletedWhileMoved(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir)
	mustPut(t, s, upTo(20)...)
	k, _ := parseKey(keyOf(0))
	at, _, _ := s.lookup(k, false)
	record, err := at.seg.read(at.at, at.bytes())
	if err != nil {
		t.Fatal(err)
	}
	mustDelete(t, s, 0)
	if err := s.relocate(at, record); err != nil {
		t.Fatal(err)
	}
	wantGone(t, s, 0)
	mustClose(t, s)
	wantGone(t, mustOpen(t, dir), 0)
}

// TestReadersDuringCompaction reads, puts and deletes while segments are
// rewritten as fast as they can be.
func TestReadersDuringCompaction(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer stop() // after half a second, or when a busy machine has done some of everything
		time.Sleep(500 * time.Millisecond)
		for got := s.Stats(); (got.Reclaimed == 0 || got.Hits == 0) && ctx.Err() == nil; got = s.Stats() {
			time.Sleep(10 * time.Millisecond)
		}
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := s.Compact(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := rand.IntN(100)
				mustPutIn(t, s, i)
				if err := s.Delete(t.Context(), keyOf(rand.IntN(100))); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for ctx.Err() == nil {
				i := rand.IntN(100)
				got, ok, err := s.Get(t.Context(), keyOf(i))
				if err != nil || ok && !reflect.DeepEqual(got, recordOf(i)) {
					t.Errorf("picture %d: %+v, %v", i, got, err)
				}
			}
		})
	}
	wg.Wait()
	if got := s.Stats(); got.Reclaimed == 0 || got.Hits == 0 || got.Damaged != 0 {
		t.Errorf("%+v", got)
	}
}

func TestCompactEnds(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustPut(t, s, upTo(40)...)
	mustDelete(t, s, upTo(30)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Compact(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	mustClose(t, s)
	if err := s.Compact(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := s.Delete(t.Context(), keyOf(1)); !errors.Is(err, store.ErrClosed) {
		t.Errorf("delete after close: %v", err)
	}
}

// TestDamagedRecordIsLeftBehind compacts a segment with a damaged record.
func TestDamagedRecordIsLeftBehind(t *testing.T) {
	dir, starts := filled(t, 20)
	s, err := open(dir, "model", Options{}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, s)
	flip(t, segmentPath(dir, 1), starts[1]-1) // of picture 0
	mustDelete(t, s, upTo(20)[5:]...)
	mustCompact(t, s)
	wantGone(t, s, 0)
	for i := 1; i < 5; i++ {
		wantStored(t, s, i)
	}
	if got := s.Stats(); got.Damaged != 1 {
		t.Errorf("%+v", got)
	}
}

// TestSegmentEmptiedByOthers compacts a segment whose file lost its records:
// nothing may be left that points there.
func TestSegmentEmptiedByOthers(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustPut(t, s, upTo(20)...)
	mustDelete(t, s, 0, 1, 2)
	if err := os.Truncate(segmentPath(s.dir, 1), int64(len(fileMagic))); err != nil {
		t.Fatal(err)
	}
	mustCompact(t, s)
	for i := range 20 {
		if _, _, err := s.Get(t.Context(), keyOf(i)); err != nil {
			t.Errorf("picture %d: %v", i, err)
		}
	}
	wantStored(t, s, 19)
}

// TestGetLooksAgain compacts a segment away between the moments when Get looks
// a picture up and when it reads.
func TestGetLooksAgain(t *testing.T) {
	s := mustOpen(t, t.TempDir())
	mustPut(t, s, upTo(20)...)
	k, _ := parseKey(keyOf(0))
	at, _, err := s.lookup(k, false)
	if err != nil {
		t.Fatal(err)
	}
	record, err := at.seg.read(at.at, at.bytes())
	if err != nil {
		t.Fatal(err)
	}
	at.seg.use.Lock() // holds Get up behind its lookup
	got := make(chan error, 1)
	go func() {
		_, ok, err := s.Get(t.Context(), keyOf(0))
		if err == nil && !ok {
			err = errors.New("no record")
		}
		got <- err
	}()
	time.Sleep(50 * time.Millisecond)
	err = s.relocate(at, record)
	at.seg.gone = true
	at.seg.use.Unlock()
	if err := errors.Join(err, <-got); err != nil {
		t.Error(err)
	}
	at.seg.gone = false // for Close
}
