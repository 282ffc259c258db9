package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/indexer"
)

// finish imports the whole feed after an import that was stopped.
func finish(t *testing.T, f clitest.SlowFeed, environ []string, data, model string) indexer.Summary {
	t.Helper()
	sum, r := importSummary(t, environ, f.Whole, "--data", data, "--model", model)
	r.ok(t)
	if sum.Written+sum.Unchanged != f.Items || sum.Failed != 0 {
		t.Errorf("after the stop: %+v", sum)
	}
	return sum
}

// TestInterrupt stops an import in the middle by its context, as Ctrl-C does.
func TestInterrupt(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	feed, data := clitest.NewSlowFeed(t, 100), filepath.Join(t.TempDir(), "data")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan result)
	go func() {
		done <- indexdUntil(ctx, environ, append(feed.Args, "--json", "--data", data, "--model", model, "--batch", "4")...)
	}()
	clitest.Eventually(t, "50 pictures", func() bool { return clitest.Stored(t, data) >= 50 })
	cancel()
	if err := feed.Pipe.Close(); err != nil {
		t.Fatal(err)
	}
	r := <-done
	r.want(t, cli.ExitInterrupted, "indexd: interrupted")
	var sum indexer.Summary
	if err := json.Unmarshal([]byte(r.out), &sum); err != nil || !sum.Stopped || sum.Written == 0 || sum.Written > 100 || sum.Failed > 0 {
		t.Fatalf("%v, summary %+v", err, sum)
	}
	if next := finish(t, feed, environ, data, model); next.Unchanged != sum.Written {
		t.Errorf("%d items were written before the stop, %d found after it", sum.Written, next.Unchanged)
	}
}

// TestInterruptSaysHowToGoOn is the same without --json.
func TestInterruptSaysHowToGoOn(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	ctx, cancel := context.WithCancel(t.Context())
	feed, data := clitest.NewSlowFeed(t, 20), filepath.Join(t.TempDir(), "data")
	done := make(chan result)
	go func() {
		done <- indexdUntil(ctx, environ, append(feed.Args, "--data", data, "--model", model)...)
	}()
	clitest.Eventually(t, "20 pictures", func() bool { return clitest.Stored(t, data) == 20 })
	cancel()
	if err := feed.Pipe.Close(); err != nil {
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
	clitest.Interruptible(t)
	environ, model := clitest.Environ(t), sampleModel(t)
	feed, data := clitest.NewSlowFeed(t, 60), filepath.Join(t.TempDir(), "data")
	var errs clitest.Buffer
	c := start(t, environ, &errs, append(feed.Args, "--data", data, "--model", model)...)
	clitest.Eventually(t, "60 pictures", func() bool { return clitest.Stored(t, data) == 60 })
	clitest.Interrupt(t, c)
	finish(t, feed, environ, data, model)
}

// TestInterruptOfAProcess: one SIGTERM, exit code 130.
func TestInterruptOfAProcess(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	feed, data := clitest.NewSlowFeed(t, 30), filepath.Join(t.TempDir(), "data")
	var errs clitest.Buffer
	c := start(t, environ, &errs, append(feed.Args, "--data", data, "--model", model)...)
	clitest.Eventually(t, "30 pictures", func() bool { return clitest.Stored(t, data) == 30 })
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	clitest.Eventually(t, "the signal to be heard", func() bool { return strings.Contains(errs.String(), "stopping; a second Ctrl-C") })
	if err := feed.Pipe.Close(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // its error says what the exit code says
	if code := c.ProcessState.ExitCode(); code != cli.ExitInterrupted || !strings.Contains(errs.String(), "indexd: interrupted") {
		t.Errorf("exit code %d\n%s", code, errs.String())
	}
	finish(t, feed, environ, data, model)
}

// TestOneProgramAtATime: the second import is told who has the folder.
func TestOneProgramAtATime(t *testing.T) {
	environ, model := clitest.Environ(t), sampleModel(t)
	feed, data := clitest.NewSlowFeed(t, 10), filepath.Join(t.TempDir(), "data")
	done := make(chan result)
	go func() {
		done <- indexd(t, environ, append(feed.Args, "--data", data, "--model", model)...)
	}()
	clitest.Eventually(t, "10 pictures", func() bool { return clitest.Stored(t, data) == 10 })
	indexd(t, environ, "import", feed.Whole, "--data", data, "--model", model).
		want(t, cli.ExitFailed, data, "another Sightline program (pid ")
	if err := feed.Pipe.Close(); err != nil {
		t.Fatal(err)
	}
	(<-done).ok(t)
}
