package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"testing"
	"time"

	"sightline/store"
)

const (
	crashDirVariable  = "SIGHTLINE_TEST_CRASH_DIR"
	crashStepVariable = "SIGHTLINE_TEST_CRASH_STEP" // where to go on
	crashDim          = 64
	crashItems        = 300
)

// crashStep is one write of an endless sequence that parent and child know: it
// follows from its number.
type crashStep struct {
	written []store.Entry
	deleted []string
}

func newCrashStep(n int64) crashStep {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	var s crashStep
	if n%3 == 0 {
		for range r.IntN(40) {
			s.deleted = append(s.deleted, crashID(r.IntN(crashItems)))
		}
		return s
	}
	size := 1 + r.IntN(20)
	if n%8 == 0 {
		size = crashItems // a transaction of several pages
	}
	for _, i := range r.Perm(crashItems)[:size] {
		s.written = append(s.written, crashEntry(i, n))
	}
	return s
}

func crashID(i int) string { return fmt.Sprint("item ", i) }

// crashEntry has the number of its write in every part of it. It has up to three
// views.
func crashEntry(i int, n int64) store.Entry {
	v := make([]float32, crashDim)
	v[(i+int(n))%crashDim], v[(i+7*int(n)+1)%crashDim] = 0.6, 0.8
	if (i+int(n))%crashDim == (i+7*int(n)+1)%crashDim {
		v[(i+int(n))%crashDim] = 1
	}
	e := store.Entry{
		Item:    store.Item{ID: crashID(i), Title: fmt.Sprint("written by ", n), Version: n, Attributes: map[string]any{"step": float64(n)}},
		Picture: fmt.Sprintf("%064x", n), ContentHash: fmt.Sprint(n), Embedding: v,
	}
	for view := range (i + int(n)) % 4 {
		further := make([]float32, crashDim)
		further[(i+int(n)+view)%crashDim] = -1
		e.Views = append(e.Views, store.View{Picture: fmt.Sprintf("%032x%032x", view+1, n), Embedding: further})
	}
	return e
}

func (s crashStep) do(ctx context.Context, x *Index) error {
	if s.written == nil {
		_, err := x.Delete(ctx, s.deleted)
		return err
	}
	return x.Upsert(ctx, s.written)
}

// crashState is what should be stored after a step.
type crashState map[string]store.Entry

func (state crashState) after(n int64) crashState {
	next, s := maps.Clone(state), newCrashStep(n)
	for _, id := range s.deleted {
		delete(next, id)
	}
	for _, e := range s.written {
		next[e.Item.ID] = e
	}
	return next
}

// crashChild writes until it is killed. It says when it is open and which steps
// are acknowledged.
func crashChild(dir string) {
	ctx := context.Background()
	x, err := Open(ctx, Options{Dir: dir, Dim: crashDim, Fingerprint: "m", chunkSlots: testSlots})
	n, parseErr := strconv.ParseInt(os.Getenv(crashStepVariable), 10, 64)
	if err == nil {
		err = parseErr
	}
	fmt.Println("open")
	for ; err == nil; n++ {
		if err = newCrashStep(n).do(ctx, x); err == nil {
			fmt.Println(n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKilled kills a writing process without warning, again and again: what it
// had acknowledged is there, whole, and at most the one write that it was in the
// middle of besides. SIGHTLINE_TEST_LONG=1 kills 200 times instead of 15.
func TestKilled(t *testing.T) {
	kills := 15
	if os.Getenv("SIGHTLINE_TEST_LONG") == "1" {
		kills = 200
	}
	dir := t.TempDir()
	state, done, unacknowledged := make(crashState), int64(0), 0
	for n := 0; n < kills || done == 0 && n < 10*kills; n++ { // more where a busy machine has written nothing yet
		acknowledged := runAndKill(t, dir, done+1)
		for acknowledged > done {
			done++
			state = state.after(done)
		}
		if !sameState(t, dir, state) {
			if done, state = done+1, state.after(done+1); !sameState(t, dir, state) {
				t.Fatalf("step %d was acknowledged; what is stored is neither that nor step %d", done-1, done)
			}
			unacknowledged++
		}
	}
	if done == 0 {
		t.Fatal("no child lived long enough to write anything")
	}
	t.Logf("%d steps survived %d kills; %d of them were on disk without an acknowledgement", done, kills, unacknowledged)
}

// runAndKill returns the last acknowledged step, 0 for none. One child in five
// is killed while it opens the catalogue that the last one left.
func runAndKill(t *testing.T, dir string, step int64) int64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashDirVariable+"="+dir, crashStepVariable+"="+fmt.Sprint(step))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = cmd.Process.Kill() }
	opened := func() { time.AfterFunc(time.Duration(rand.IntN(150_000))*time.Microsecond, kill) }
	if step > 1 && rand.IntN(5) == 0 {
		time.AfterFunc(time.Duration(rand.IntN(100_000))*time.Microsecond, kill)
	}
	acknowledged := readAcknowledged(out, opened)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return acknowledged
}

func readAcknowledged(out io.Reader, opened func()) (acknowledged int64) {
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return acknowledged // a line that the kill has cut says nothing
		}
		if line == "open\n" {
			opened()
			continue
		}
		if n, err := strconv.ParseInt(line[:len(line)-1], 10, 64); err == nil {
			acknowledged = n
		}
	}
}

// sameState opens the catalogue and compares all of it.
func sameState(t *testing.T, dir string, want crashState) bool {
	t.Helper()
	x, err := Open(t.Context(), Options{Dir: dir, Dim: crashDim, Fingerprint: "m"})
	if err != nil {
		t.Fatalf("open after a kill: %v", err)
	}
	defer x.Close()
	got, err := x.Scan(t.Context(), "", store.MaxWindow, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		return false
	}
	for _, e := range got {
		if !reflect.DeepEqual(e, want[e.Item.ID]) {
			return false
		}
	}
	if len(got) > 0 {
		checkVector(t, x, got[len(got)/2])
	}
	var verdict string
	if err := x.db.QueryRowContext(t.Context(), "PRAGMA quick_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatalf("quick_check: %s, %v", verdict, err)
	}
	return true
}

// checkVector: what Get returns is what searches compare.
func checkVector(t *testing.T, x *Index, e store.Entry) {
	t.Helper()
	checkFound(t, x, e, 0, e.Embedding)
	for i, v := range e.Views {
		checkFound(t, x, e, i+1, v.Embedding)
	}
}

func checkFound(t *testing.T, x *Index, e store.Entry, view int, v []float32) {
	t.Helper()
	hits, err := x.Search(t.Context(), store.Query{Embedding: v, K: crashItems})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hits {
		if h.Item.ID == e.Item.ID && h.View == view && h.ITC > 0.999 {
			return
		}
	}
	t.Errorf("%s is not found by the vector of view %d", e.Item.ID, view)
}
