package queuetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"sightline/indexer/queue"
)

// Worker starts and kills processes that run the test binary again with an
// environment of their own, whose TestMain then works on the queue.
type Worker struct {
	t       testing.TB
	env     []string
	process *exec.Cmd
	lines   *bufio.Scanner
}

// NewWorker makes one; Start starts it.
func NewWorker(t testing.TB, env ...string) *Worker {
	w := &Worker{t: t, env: env}
	t.Cleanup(w.Kill)
	return w
}

// Start starts the process and waits for its first line, which it prints when
// it has the queue open.
func (w *Worker) Start() {
	w.t.Helper()
	w.process = exec.Command(os.Args[0], "-test.run=^$") //nolint:noctx,gosec // it is killed; the test binary itself
	w.process.Env = append(os.Environ(), w.env...)
	w.process.Stderr = os.Stderr
	out, err := w.process.StdoutPipe()
	must(w.t, err)
	must(w.t, w.process.Start())
	w.lines = bufio.NewScanner(out)
	if !w.lines.Scan() {
		w.t.Fatal("the worker has ended before it had the queue open")
	}
}

// Kill ends the process as kill -9 does.
func (w *Worker) Kill() {
	if w.process == nil {
		return
	}
	_ = w.process.Process.Kill() // it may have ended already
	_ = w.process.Wait()         // says that it was killed
	w.process = nil
}

// Work is what such a process does: it enqueues Catalogue(n) bit by bit, unless
// n is 0, and meanwhile ends jobs, most of which take some milliseconds and some
// of which fail. It appends a line to the file log for every job that it is
// about to end. It returns when ctx ends, or with an error.
func Work(ctx context.Context, q queue.Queue, n int, lease time.Duration, log string) error {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer f.Close()
	fmt.Fprintln(os.Stdout, "open")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	enqueued := make(chan struct{})
	go func() {
		defer close(enqueued)
		for i, jobs := 0, Catalogue(max(n, 5)); i < n; i += 20 {
			if _, err := q.Enqueue(ctx, jobs[i:i+20]...); err != nil {
				cancel(err)
				return
			}
		}
	}()
	err = queue.Run(ctx, q, handler(f), queue.RunOptions{Workers: 2, Lease: lease, Trouble: func(err error) {
		fmt.Fprintln(os.Stderr, "trouble:", err)
	}})
	<-enqueued
	return errors.Join(err, context.Cause(ctx))
}

// handler leaves its mark before it reports success: one write of a line, which
// other processes' cannot tear.
func handler(log *os.File) queue.Handler {
	return func(ctx context.Context, j queue.Job) (string, error) {
		number := len(j.ID) + int(j.ID[len(j.ID)-1]) + j.Attempt
		time.Sleep(time.Duration(5+number%10) * time.Millisecond)
		if number%13 == 0 {
			return "", queue.Failure{Stage: "test", Reason: "by chance"}
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if _, err := fmt.Fprintf(log, "%s %s\n", j.ID, j.Key); err != nil {
			return "", err
		}
		return "written", nil
	}
}

// CheckLog checks that every job of Catalogue(n) that is done has been handled,
// and the jobs of a key in order; a job may have been handled again before the
// next one was.
func CheckLog(t testing.TB, q queue.Queue, n int, log string) {
	t.Helper()
	f, err := os.Open(log)
	must(t, err)
	defer f.Close()
	handled, last := make(map[string]bool), make(map[string]string)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		id, key := lines.Text()[:26], lines.Text()[27:]
		if last[key] > id {
			t.Errorf("job %s was handled after %s", id, last[key])
		}
		handled[id], last[key] = true, id
	}
	must(t, lines.Err())
	for _, j := range Catalogue(n) {
		stored, err := q.Get(t.Context(), j.ID)
		must(t, err)
		if stored.State == queue.Done && !handled[j.ID] {
			t.Errorf("job %s is done and nobody has handled it", j.ID)
		}
	}
}
