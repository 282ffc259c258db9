package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/indexer"
)

// slowFeed is a feed of the samples that is written as the test wants it: its
// first lines lie in a pipe, whose end is open.
type slowFeed struct {
	path  string // for import --format jsonl
	whole string // the same items in a plain file
	pipe  *os.File
	items int
}

func newSlowFeed(t *testing.T, first int) slowFeed {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "pictures"), os.DirFS(filepath.Join(samples, "pictures"))); err != nil {
		t.Fatal(err)
	}
	f := slowFeed{path: filepath.Join(dir, "slow"), whole: filepath.Join(dir, "feed.jsonl")}
	copyFile(t, filepath.Join(samples, "feed.jsonl"), f.whole)
	data, err := os.ReadFile(f.whole)
	if err != nil {
		t.Fatal(err)
	}
	f.items = strings.Count(string(data), "\n")
	lines := strings.SplitAfterN(string(data), "\n", first+1)
	f.pipe = clitest.Fifo(t, f.path)
	if _, err := f.pipe.WriteString(strings.Join(lines[:first], "")); err != nil {
		t.Fatal(err)
	}
	return f
}

// stored counts the pictures that an import has copied so far.
func stored(t *testing.T, data string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(data, "pictures", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// finish imports the whole feed and holds the sum of both runs to its items.
func (f slowFeed) finish(t *testing.T, environ []string, data, model string) indexer.Summary {
	t.Helper()
	sum, r := importSummary(t, environ, f.whole, "--data", data, "--model", model)
	r.ok(t)
	if sum.Written+sum.Unchanged != f.items || sum.Failed != 0 {
		t.Errorf("after the stop: %+v", sum)
	}
	return sum
}

// TestInterrupt stops an import in the middle by its context, as Ctrl-C does.
func TestInterrupt(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	feed, data := newSlowFeed(t, 100), filepath.Join(t.TempDir(), "data")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan result)
	go func() {
		done <- indexdUntil(ctx, environ, "import", feed.path, "--format", "jsonl", "--json", "--data", data, "--model", model, "--batch", "4")
	}()
	eventually(t, "50 pictures", func() bool { return stored(t, data) >= 50 })
	cancel()
	if err := feed.pipe.Close(); err != nil {
		t.Fatal(err)
	}
	r := <-done
	r.want(t, cli.ExitInterrupted, "indexd: interrupted")
	var sum indexer.Summary
	if err := json.Unmarshal([]byte(r.out), &sum); err != nil || !sum.Stopped || sum.Written == 0 || sum.Written > 100 || sum.Failed > 0 {
		t.Fatalf("%v, summary %+v", err, sum)
	}
	if next := feed.finish(t, environ, data, model); next.Unchanged != sum.Written {
		t.Errorf("%d items were written before the stop, %d found after it", sum.Written, next.Unchanged)
	}
}

// TestInterruptSaysHowToGoOn is the same without --json.
func TestInterruptSaysHowToGoOn(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	ctx, cancel := context.WithCancel(t.Context())
	feed, data := newSlowFeed(t, 20), filepath.Join(t.TempDir(), "data")
	done := make(chan result)
	go func() {
		done <- indexdUntil(ctx, environ, "import", feed.path, "--format", "jsonl", "--data", data, "--model", model)
	}()
	eventually(t, "20 pictures", func() bool { return stored(t, data) == 20 })
	cancel()
	if err := feed.pipe.Close(); err != nil {
		t.Fatal(err)
	}
	r := <-done
	r.want(t, cli.ExitInterrupted)
	if !strings.Contains(r.out, "20 items in") || !strings.Contains(r.out, "the same command goes on from here") {
		t.Errorf("got %q", r.out)
	}
}

// TestSecondInterruptEndsAtOnce: the first Ctrl-C waits for the feed, whose
// next line may never come; the second does not.
func TestSecondInterruptEndsAtOnce(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	feed, data := newSlowFeed(t, 60), filepath.Join(t.TempDir(), "data")
	var errs clitest.Buffer
	c := start(t, environ, &errs, "import", feed.path, "--format", "jsonl", "--data", data, "--model", model)
	eventually(t, "60 pictures", func() bool { return stored(t, data) == 60 })
	ended := make(chan error)
	go func() { ended <- c.Wait() }()
	for waiting := true; waiting; {
		select {
		case <-ended:
			waiting = false
		case <-time.After(20 * time.Millisecond):
			_ = c.Process.Signal(os.Interrupt) // an error says that it has ended
		}
	}
	status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("ended with %v\n%s", c.ProcessState, errs.String())
	}
	feed.finish(t, environ, data, model)
}

// TestInterruptOfAProcess: one SIGTERM, exit code 130.
func TestInterruptOfAProcess(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	feed, data := newSlowFeed(t, 30), filepath.Join(t.TempDir(), "data")
	var errs clitest.Buffer
	c := start(t, environ, &errs, "import", feed.path, "--format", "jsonl", "--data", data, "--model", model)
	eventually(t, "30 pictures", func() bool { return stored(t, data) == 30 })
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the signal to be heard", func() bool { return strings.Contains(errs.String(), "stopping; a second Ctrl-C") })
	if err := feed.pipe.Close(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // its error says what the exit code says
	if code := c.ProcessState.ExitCode(); code != cli.ExitInterrupted || !strings.Contains(errs.String(), "indexd: interrupted") {
		t.Errorf("exit code %d\n%s", code, errs.String())
	}
	feed.finish(t, environ, data, model)
}

// TestOneProgramAtATime: the second import is told who has the folder.
func TestOneProgramAtATime(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	feed, data := newSlowFeed(t, 10), filepath.Join(t.TempDir(), "data")
	done := make(chan result)
	go func() {
		done <- indexd(t, environ, "import", feed.path, "--format", "jsonl", "--data", data, "--model", model)
	}()
	eventually(t, "10 pictures", func() bool { return stored(t, data) == 10 })
	indexd(t, environ, "import", feed.whole, "--data", data, "--model", model).
		want(t, cli.ExitFailed, data, "another Sightline program (pid ")
	if err := feed.pipe.Close(); err != nil {
		t.Fatal(err)
	}
	(<-done).ok(t)
}
