// Package clitest holds what the tests of both programs share.
package clitest

import (
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sightline/encoder/encodertest"
	"sightline/encoder/ort"
)

// Samples is the folder of the samples, seen from the folder of either program.
const Samples = "../../demo/samples"

// Buffer is an io.Writer for a program under test: its goroutines write while
// the test reads.
type Buffer struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write adds p.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Environ is an environment in which a program finds ONNX Runtime, and nothing
// else of the caller's settings. The test ends here where there is none.
func Environ(t testing.TB) []string {
	t.Helper()
	library, err := ort.FindLibrary(os.Getenv)
	if err == nil {
		_, err = ort.New(ort.Options{Library: library})
	}
	if err != nil {
		encodertest.Missing(t, "onnxruntime", err)
	}
	return []string{ort.LibraryVariable + "=" + library}
}

// Fifo makes a named pipe at path and opens it for writing. Whoever reads it
// waits for the test; Close on the file is the end of what they read.
func Fifo(t testing.TB, path string) *os.File {
	t.Helper()
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// Reading and writing, because opening for writing alone waits for a reader.
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // most tests have closed it
	return f
}

// Eventually waits for ok, for as long as a slow machine may need.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// Interruptible lets processes that t starts be ended by Ctrl-C although whoever
// started the tests ignores it, as a shell does for what runs in its background:
// a program inherits what is ignored, and not what is listened for.
func Interruptible(t testing.TB) {
	t.Helper()
	if signal.Ignored(os.Interrupt) { // and so it stays in effect: nobody reads what is listened for
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
}

// Interrupt sends Ctrl-C to a process until it ends, which must be by that
// signal and not by the program's own will.
func Interrupt(t testing.TB, c *exec.Cmd) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait() // ProcessState says more
	}()
	Eventually(t, "the process to end", func() bool {
		_ = c.Process.Signal(os.Interrupt) // an error says that it has ended
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("the process ended by %v, not by the signal", c.ProcessState)
	}
}

var commandLine = regexp.MustCompile(`(?m)^  ([a-z]+)  +\S`)

// Help walks through all commands by their help pages, which must have an
// example each. help returns the page of the command that args name.
func Help(t *testing.T, help func(args ...string) string, args ...string) {
	t.Helper()
	page := help(args...)
	if !strings.Contains(page, "Examples:") {
		t.Errorf("the help of %q has no example:\n%s", args, page)
	}
	_, list, _ := strings.Cut(page, "Available Commands:")
	list, _, _ = strings.Cut(list, "\n\n")
	for _, m := range commandLine.FindAllStringSubmatch(list, -1) {
		if name := m[1]; name != "help" && name != "completion" { // cobra's own
			Help(t, help, append(append([]string{}, args...), name)...)
		}
	}
}
