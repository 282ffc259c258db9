package features

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

const crashDirVariable = "SIGHTLINE_TEST_CRASH_DIR"

// crashChild stores pictures until it is killed and prints how many are synced.
func crashChild(dir string) {
	s, err := open(dir, "model", 20_000)
	for i := 0; err == nil; i++ {
		err = s.Put(context.Background(), keyOf(i), recordOf(i))
		if err == nil && i%5 == 4 {
			if err = s.Sync(); err == nil {
				fmt.Println(i + 1)
			}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKilled kills a writing process without warning, again and again.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	total := 0
	for range 10 {
		synced := runAndKill(t, dir)
		s := mustOpen(t, dir)
		if got := s.Recovered(); got.Skipped != 0 {
			t.Fatalf("damage in the middle: %+v", got)
		}
		for i := range max(synced, s.Len()) { // what was written but not synced is readable too
			wantStored(t, s, i)
		}
		mustClose(t, s)
		total = max(total, synced)
	}
	if total == 0 {
		t.Fatal("no child lived long enough to write anything")
	}
	t.Logf("%d synced records survived 10 kills", total)
}

// runAndKill returns the last count that the child printed.
func runAndKill(t *testing.T, dir string) (synced int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashDirVariable+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(time.Duration(50+rand.IntN(150))*time.Millisecond, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	synced = lastNumber(out)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return synced
}

func lastNumber(out io.Reader) (last int) {
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return last // a line that the kill cut does not count
		}
		_, _ = fmt.Sscan(line, &last)
	}
}
