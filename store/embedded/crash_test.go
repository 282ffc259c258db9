package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"sightline/store"
)

const (
	crashDirVariable = "SIGHTLINE_TEST_CRASH_DIR"
	crashDim         = 64
	crashGroup       = 8 // items written together, so that a torn batch shows
	crashLifetime    = 3 // rounds after which a round's own item is deleted
)

// crashChild writes until it is killed and prints each acknowledged round.
func crashChild(dir string) {
	ctx := context.Background()
	x, err := Open(ctx, Options{Dir: dir, Dim: crashDim, Fingerprint: "m", chunkSlots: 16})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Starts with the round that the last child may not have finished.
	for round := max(1, firstRound(x)-1); ; round++ {
		err := x.Upsert(ctx, crashBatch(round))
		if err == nil {
			fmt.Println("written", round)
			_, err = x.Delete(ctx, []string{roundID(round - crashLifetime)})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("deleted", round-crashLifetime)
	}
}

func roundID(round int64) string { return fmt.Sprint("round ", round) }

func firstRound(x *Index) int64 {
	version, _ := x.matrix.version("group 0")
	return version + 1
}

func crashBatch(round int64) []store.Entry {
	ids := []string{roundID(round)}
	for i := range crashGroup {
		ids = append(ids, fmt.Sprint("group ", i))
	}
	entries := make([]store.Entry, len(ids))
	for i, id := range ids {
		v := make([]float32, crashDim)
		v[(int(round)+i)%crashDim] = 1
		entries[i] = store.Entry{Item: store.Item{ID: id, Version: round}, Embedding: v}
	}
	return entries
}

// TestKilled kills a writing process without warning, again and again, and
// checks that what it had acknowledged is there, whole, and searchable.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	var total int64
	for range 10 {
		written, deleted := runAndKill(t, dir)
		if written < 0 {
			continue // killed before its first write
		}
		checkAfterCrash(t, dir, written, deleted)
		total = written
	}
	if total == 0 {
		t.Fatal("no child lived long enough to write anything")
	}
	t.Logf("%d rounds survived 10 kills", total)
}

// runAndKill returns the last acknowledged rounds, -1 for none.
func runAndKill(t *testing.T, dir string) (written, deleted int64) {
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
	kill := time.AfterFunc(time.Duration(100+rand.IntN(150))*time.Millisecond, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	written, deleted = readAcknowledged(out)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return written, deleted
}

func readAcknowledged(out io.Reader) (written, deleted int64) {
	written, deleted = -1, -1
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var what string
		var round int64
		if n, _ := fmt.Sscan(lines.Text(), &what, &round); n != 2 {
			break // the kill cut a line
		}
		if what == "written" {
			written = round
		} else {
			deleted = round
		}
	}
	return written, deleted
}

func checkAfterCrash(t *testing.T, dir string, written, deleted int64) {
	t.Helper()
	x, err := Open(t.Context(), Options{Dir: dir, Dim: crashDim, Fingerprint: "m"})
	if err != nil {
		t.Fatalf("open after a kill: %v", err)
	}
	defer x.Close()
	round := firstRound(x) - 1
	if round != written && round != written+1 { // one more may be on disk without its acknowledgement
		t.Fatalf("round %d is stored, %d was acknowledged", round, written)
	}
	for _, want := range crashBatch(round) {
		got, err := x.Get(t.Context(), []string{want.Item.ID})
		if err != nil || len(got) != 1 || got[0].Item.Version != round {
			t.Fatalf("%s: %v, %v; want version %d", want.Item.ID, got, err, round)
		}
		hits, err := x.Search(t.Context(), store.Query{Embedding: want.Embedding, K: 1})
		if err != nil || len(hits) != 1 || hits[0].ITC < 0.999 {
			t.Fatalf("search %s: %v, %v", want.Item.ID, hits, err)
		}
	}
	if deleted >= 0 && len(x.matrix.entries([]string{roundID(deleted)})) != 0 {
		t.Errorf("round %d was deleted and came back", deleted)
	}
	stats, err := x.Stats(t.Context())
	if most := crashGroup + crashLifetime + 1; err != nil || stats.Items > most {
		t.Errorf("%d items, %v; want at most %d", stats.Items, err, most)
	}
}
