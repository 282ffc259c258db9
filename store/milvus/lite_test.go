package milvus

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sightline/encoder/encodertest"
	"sightline/store"
)

// shared is the Milvus Lite of all tests that do not kill it.
var shared = &lite{}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		shared.kill()
		os.Exit(code)
	}))
}

// lite is a Milvus Lite of the tests' own, on a loopback port and an empty
// folder. It can be killed and started again.
type lite struct {
	once    sync.Once
	program string
	dir     string
	port    string
	process *exec.Cmd
	err     error
}

// server starts the shared Milvus Lite at its first call. The test ends here
// where there is no program for it.
func (l *lite) server(t testing.TB) *lite {
	t.Helper()
	l.once.Do(func() {
		if l.program, l.err = findProgram(); l.err != nil {
			return
		}
		if l.dir, l.err = os.MkdirTemp("", "sightline-milvus"); l.err == nil {
			l.port, l.err = freePort()
		}
		if l.err == nil {
			l.err = l.start()
		}
	})
	if errors.Is(l.err, os.ErrNotExist) {
		encodertest.Missing(t, "milvus", fmt.Errorf("%w (run scripts/get-milvus-lite.sh, or set SIGHTLINE_MILVUS_LITE)", l.err))
	}
	if l.err != nil {
		t.Fatal(l.err)
	}
	return l
}

// ownLite is one that the test may kill.
func ownLite(t testing.TB) *lite {
	t.Helper()
	l := new(lite).server(t)
	t.Cleanup(l.kill)
	return l
}

func findProgram() (string, error) {
	if program := os.Getenv("SIGHTLINE_MILVUS_LITE"); program != "" {
		return exec.LookPath(program)
	}
	cache := os.Getenv("SIGHTLINE_CACHE_DIR")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(dir, "sightline")
	}
	found, err := filepath.Glob(filepath.Join(cache, "milvus-lite-*", "complete"))
	if err != nil || len(found) == 0 {
		return "", errors.Join(err, fmt.Errorf("milvus-lite in %s: %w", cache, os.ErrNotExist))
	}
	return filepath.Join(filepath.Dir(slices.Max(found)), "bin", "milvus-lite"), nil
}

// freePort is asked for here: a second Milvus Lite on a used port starts
// without an error and takes half of the calls.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

func (l *lite) address() string { return net.JoinHostPort("127.0.0.1", l.port) }

func (l *lite) start() error {
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
		if c, err := net.Dial("tcp", l.address()); err == nil {
			return c.Close()
		}
	}
	text, _ := os.ReadFile(log.Name())
	return fmt.Errorf("milvus-lite does not listen: %s", text)
}

// stop ends the process as a power cut would, and keeps the data.
func (l *lite) stop() {
	if l.process != nil {
		_ = l.process.Process.Kill() // it may have ended already
		_ = l.process.Wait()         // says that it was killed
	}
}

func (l *lite) kill() {
	l.stop()
	_ = os.RemoveAll(l.dir)
}

var prefixes atomic.Int64

// openCatalogue opens collections of a prefix of their own.
func openCatalogue(t testing.TB, l *lite, change func(*Options)) *Collections {
	t.Helper()
	o := Options{Address: l.address(), Prefix: fmt.Sprintf("test%d_%d", os.Getpid(), prefixes.Add(1)), FlushIdle: time.Hour}
	if change != nil {
		change(&o)
	}
	c, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func openIndex(t testing.TB, c *Collections, fingerprint string, dim int) *Index {
	t.Helper()
	x, err := c.Open(t.Context(), fingerprint, dim)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return x.(*Index)
}

// newIndex is an empty index on the shared server.
func newIndex(t testing.TB, dim int, change func(*Options)) *Index {
	t.Helper()
	return openIndex(t, openCatalogue(t, shared.server(t), change), "m", dim)
}

func mustUpsert(t testing.TB, x store.Index, entries ...store.Entry) {
	t.Helper()
	if err := x.Upsert(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func mustSearch(t testing.TB, x store.Index, q store.Query) []string {
	t.Helper()
	hits, err := x.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(hits))
	for i, h := range hits {
		ids[i] = h.Item.ID
	}
	return ids
}
