package features

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

const crashVariable = "SIGHTLINE_TEST_CRASH" // "dir seed budget" makes this process the child

const (
	crashSegment = 8_000
	crashBudget  = 60_000
	crashKeys    = 300
)

// step is one thing that the child does; its sequence follows from the seed.
type step struct {
	kind string // put, delete, compact, sync
	at   int    // picture
}

func steps(seed uint64) func() step {
	r := rand.New(rand.NewPCG(seed, 7))
	return func() step {
		s := step{kind: "put", at: r.IntN(crashKeys)}
		switch n := r.IntN(100); {
		case n < 25:
			s.kind = "delete"
		case n < 27:
			s.kind = "compact"
		case n < 40:
			s.kind = "sync"
		}
		return s
	}
}

func (p step) do(ctx context.Context, s *Store) error {
	switch p.kind {
	case "put":
		return s.Put(ctx, keyOf(p.at), recordOf(p.at))
	case "delete":
		return s.Delete(ctx, keyOf(p.at))
	case "compact":
		return s.Compact(ctx)
	}
	return s.Sync()
}

// crashChild works until it is killed, and prints "n start" before and "n done"
// after each step.
func crashChild(task string) {
	var dir string
	var seed uint64
	var budget int64
	_, err := fmt.Sscan(task, &dir, &seed, &budget)
	var s *Store
	if err == nil {
		s, err = open(dir, "model", Options{Budget: budget, Failed: func(err error) { panic(err) }}, crashSegment)
	}
	next := steps(seed)
	for n := 0; err == nil; n++ {
		p := next()
		fmt.Println(n, "start")
		if err = p.do(context.Background(), s); err == nil {
			fmt.Println(n, "done")
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKilled kills a process that puts, deletes and compacts, again and again
// in the same folder: what was there at its last Sync is there, what was
// deleted before it is not, whatever is read is right, and a budget holds.
func TestKilled(t *testing.T) {
	rounds := 15
	if os.Getenv("SIGHTLINE_TEST_LONG") != "" {
		rounds = 200
	}
	dir := t.TempDir()
	before := map[int]bool{}
	done, cut := 0, int64(0)
	for round := range rounds {
		var budget int64
		if round%3 == 2 {
			budget = crashBudget
		}
		seed := rand.Uint64()
		synced, started := runAndKill(t, fmt.Sprint(dir, " ", seed, " ", budget))
		s, err := open(dir, "model", Options{Budget: budget}, crashSegment)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Recovered(); got.Skipped != 0 {
			t.Fatalf("damage in the middle: %+v", got)
		}
		cut += s.Recovered().Cut
		want, unsure := expect(before, seed, synced, started)
		before = compare(t, s, want, unsure, budget > 0)
		mustClose(t, s)
		if t.Failed() {
			t.Fatalf("round %d, seed %d, budget %d, synced at step %d of %d", round, seed, budget, synced, started)
		}
		done += started + 1
	}
	if done < 50*rounds {
		t.Errorf("only %d steps in %d rounds: the children hardly did anything", done, rounds)
	}
	t.Logf("%d kills, %d steps, %d bytes of unfinished records cut", rounds, done, cut)
}

// expect returns what is stored for sure, and the pictures that the steps
// after the last finished Sync may or may not have changed.
func expect(before map[int]bool, seed uint64, synced, started int) (want map[int]bool, unsure map[int]bool) {
	want, unsure = map[int]bool{}, map[int]bool{}
	for at := range before {
		want[at] = true
	}
	next := steps(seed)
	for n := 0; n <= started; n++ {
		switch p := next(); {
		case p.kind != "put" && p.kind != "delete":
		case n > synced:
			unsure[p.at] = true
		case p.kind == "put":
			want[p.at] = true
		default:
			delete(want, p.at)
		}
	}
	return want, unsure
}

func compare(t *testing.T, s *Store, want, unsure map[int]bool, budget bool) (stored map[int]bool) {
	t.Helper()
	stored = map[int]bool{}
	for at := range crashKeys {
		stored[at] = s.Has(keyOf(at))
		if stored[at] {
			wantStored(t, s, at)
		}
		dropped := budget && want[at] && !stored[at] // as it may
		if !unsure[at] && stored[at] != want[at] && !dropped {
			t.Errorf("picture %d: stored is %v, want %v", at, stored[at], want[at])
		}
		if !stored[at] {
			delete(stored, at)
		}
	}
	if got := s.Stats(); budget && got.Live > crashBudget/5*4 {
		t.Errorf("over the budget: %+v", got)
	}
	return stored
}

// runAndKill returns the last step that was done and after which a Sync was
// done too, and the last step that was started.
func runAndKill(t *testing.T, task string) (synced, started int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashVariable+"="+task)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n') // its start-up does not count
	if err != nil {
		t.Fatalf("the child did nothing: %v", errors.Join(err, cmd.Wait()))
	}
	var seed uint64
	_, _ = fmt.Sscan(task, new(string), &seed)
	after := 50 + rand.IntN(150) // steps, not milliseconds, in which a busy machine may do few
	synced, started = follow(lines, first, steps(seed), func(n int) {
		if n == after {
			time.AfterFunc(time.Duration(rand.IntN(5000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		}
	})
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Exited() {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return synced, started
}

// follow reads what the child prints until it was killed, and tells begun of
// each step.
func follow(lines *bufio.Reader, line string, next func() step, begun func(n int)) (synced, started int) {
	synced, started = -1, -1
	var current step
	for {
		var n int
		var what string
		if _, err := fmt.Sscan(line, &n, &what); err == nil && what == "start" {
			started, current = n, next()
			begun(n)
		} else if what == "done" && current.kind == "sync" {
			synced = n
		}
		var err error
		if line, err = lines.ReadString('\n'); err != nil {
			if !errors.Is(err, io.EOF) {
				panic(err)
			}
			return synced, started // a line that the kill cut says no more than the one before
		}
	}
}

func TestStepsAreRepeatable(t *testing.T) {
	a, b := steps(3), steps(3)
	seen := map[string]bool{}
	for range 1000 {
		p, q := a(), b()
		if p != q {
			t.Fatal(p, q)
		}
		seen[p.kind+strconv.FormatBool(p.at > crashKeys/2)] = true
	}
	if len(seen) != 8 {
		t.Errorf("steps of these kinds only: %v", seen)
	}
}
