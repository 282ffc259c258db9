// Package milvustest runs real Milvus Lite processes for tests.
package milvustest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sightline/encoder/encodertest"
)

// Lite is a Milvus Lite of the tests' own, on a loopback port and an empty
// folder. It can be killed and started again.
type Lite struct {
	once    sync.Once
	program string
	dir     string
	port    string
	release func() // of the port
	process *exec.Cmd
	err     error
}

// Server starts it at its first call. The test ends here where there is no
// program for it.
func (l *Lite) Server(t testing.TB) *Lite {
	t.Helper()
	l.once.Do(func() {
		if l.program, l.err = encodertest.Program("SIGHTLINE_MILVUS_LITE", "milvus-lite", "milvus-lite"); l.err != nil {
			return
		}
		if l.dir, l.err = os.MkdirTemp("", "sightline-milvus"); l.err == nil {
			// A second Milvus Lite on a used port starts without an error and
			// takes half of the calls.
			l.port, l.release, l.err = encodertest.FreePort(t.Context())
		}
		if l.err == nil {
			l.err = l.Start()
		}
	})
	if errors.Is(l.err, os.ErrNotExist) {
		encodertest.Missing(t, "milvus", l.err)
	}
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l
}

// Own is one that the test may kill; it ends with the test.
func Own(t testing.TB) *Lite {
	t.Helper()
	l := new(Lite).Server(t)
	t.Cleanup(l.Remove)
	return l
}

// Address is HOST:PORT.
func (l *Lite) Address() string { return net.JoinHostPort("127.0.0.1", l.port) }

// Start starts it again, with its data, and waits until it listens.
func (l *Lite) Start() error {
	log, err := os.OpenFile(filepath.Join(l.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	l.process = exec.Command(l.program, "server", "--data-dir", filepath.Join(l.dir, "data"), "--host", "127.0.0.1", "--port", l.port)
	l.process.Stdout, l.process.Stderr = log, log
	if err := l.process.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", l.Address()); err == nil {
			return c.Close()
		}
	}
	text, _ := os.ReadFile(log.Name())
	return fmt.Errorf("milvus-lite does not listen: %s", text)
}

// Stop ends the process as a power cut would, and keeps the data.
func (l *Lite) Stop() {
	if l.process != nil {
		_ = l.process.Process.Kill() // it may have ended already
		_ = l.process.Wait()         // says that it was killed
	}
}

// Remove ends the process and removes its data.
func (l *Lite) Remove() {
	l.Stop()
	if l.release != nil {
		l.release()
	}
	_ = os.RemoveAll(l.dir)
}

// Hang stops the process where it is, as a machine that swaps does: its port
// takes connections and never answers. It returns when that is so.
func (l *Lite) Hang() error {
	if err := l.process.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	path := fmt.Sprintf("/proc/%d/stat", l.process.Process.Pid)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if stat, err := os.ReadFile(path); err != nil || strings.Contains(string(stat), ") T ") {
			time.Sleep(100 * time.Millisecond) // that was the first thread; without /proc it is a guess
			return nil                         //nolint:nilerr // see above
		}
	}
	return errors.New("milvus-lite does not stop")
}

// Wake lets a hung process go on.
func (l *Lite) Wake() error { return l.process.Process.Signal(syscall.SIGCONT) }

// Dir is where it keeps its data.
func (l *Lite) Dir() string { return l.dir }
