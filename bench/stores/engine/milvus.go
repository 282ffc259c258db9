package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sightline/bench/stores/dataset"
	"sightline/store/milvus"
)

// milvusLimit is the most that is tried: each search of Milvus Lite walks
// through all keys in Python, and loading takes seconds per 100,000.
const milvusLimit = 100_000

// milvusStore is Sightline's store/milvus on a Milvus Lite of its own.
type milvusStore struct {
	index
	all    *milvus.Collections
	server *exec.Cmd
}

func milvusKind() Kind {
	return Kind{
		Name:     "milvus-lite",
		About:    "exact (FLAT), a Python server beside the program, through Sightline's store/milvus",
		MaxItems: milvusLimit,
		Version:  milvusVersion,
		Import: func(ctx context.Context, dir string, set dataset.Set) error {
			m, err := openMilvus(ctx, dir)
			if err != nil {
				return err
			}
			err = upsert(ctx, m.Index, set)
			if x, ok := m.Index.(*milvus.Index); ok && err == nil {
				err = x.Flush(ctx)
			}
			return errors.Join(err, m.Close())
		},
		Open: func(ctx context.Context, dir string, _ dataset.Set) (Engine, error) { return openMilvus(ctx, dir) },
	}
}

// milvusProgram is where scripts/get-milvus-lite.sh put it.
func milvusProgram() (string, error) {
	if program := os.Getenv("SIGHTLINE_MILVUS_LITE"); program != "" {
		return exec.LookPath(program)
	}
	cache := os.Getenv("SIGHTLINE_CACHE_DIR")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find milvus-lite: %w", err)
		}
		cache = filepath.Join(dir, "sightline")
	}
	found, err := filepath.Glob(filepath.Join(cache, "milvus-lite-*", "complete"))
	if err != nil || len(found) == 0 {
		return "", errors.Join(err, errors.New("milvus-lite is not installed: run scripts/get-milvus-lite.sh"))
	}
	return filepath.Join(filepath.Dir(slices.Max(found)), "bin", "milvus-lite"), nil
}

// milvusVersion asks the Python that runs it.
func milvusVersion(ctx context.Context) (string, error) {
	program, err := milvusProgram()
	if err != nil {
		return "", err
	}
	const ask = "from importlib.metadata import version; import platform; print(version('milvus-lite') + ', Python ' + platform.python_version())"
	out, err := exec.CommandContext(ctx, filepath.Join(filepath.Dir(program), "python"), "-c", ask).Output() // #nosec G204 -- the user's own program
	if err != nil {
		return "unknown", nil //nolint:nilerr // a milvus-lite of the user's own may have its Python elsewhere
	}
	return strings.TrimSpace(string(out)), nil
}

func openMilvus(ctx context.Context, dir string) (*milvusStore, error) {
	program, err := milvusProgram()
	if err != nil {
		return nil, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	m := &milvusStore{}
	if err := m.start(ctx, program, dir, address); err != nil {
		return nil, err
	}
	if err := m.connect(ctx, address); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *milvusStore) connect(ctx context.Context, address string) (err error) {
	// A search of the largest collection under load may take seconds; a time-out
	// would be an error and not a measurement.
	o := milvus.Options{Address: address, SearchTimeout: time.Minute, WriteTimeout: 5 * time.Minute, OpenTimeout: 5 * time.Minute}
	if m.all, err = milvus.Open(ctx, o); err != nil {
		return err
	}
	m.Index, err = m.all.Open(ctx, fingerprint, dataset.Dim)
	return err
}

// freeAddress is asked for: a second Milvus Lite on a used port starts without
// an error and takes half of the calls.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// start begins a server that outlives ctx, so that Close can end it in order.
// It is in this process's group, which the benchmark ends as a whole.
func (m *milvusStore) start(ctx context.Context, program, dir, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("start milvus-lite: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start milvus-lite: %w", err)
	}
	defer log.Close()
	m.server = exec.CommandContext(context.WithoutCancel(ctx), program, "server", "--data-dir", filepath.Join(dir, "data"), "--host", host, "--port", port) // #nosec G204 -- the user's own program
	m.server.Stdout, m.server.Stderr = log, log
	if err := m.server.Start(); err != nil {
		return fmt.Errorf("start milvus-lite: %w", err)
	}
	if err := waitFor(ctx, address); err != nil {
		return errors.Join(fmt.Errorf("start milvus-lite: %w", err), m.Close())
	}
	return nil
}

func waitFor(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Processes implements Engine.
func (m *milvusStore) Processes() []int { return []int{m.server.Process.Pid} }

// Close ends the server by SIGINT: it has no handler for SIGTERM.
func (m *milvusStore) Close() error {
	var errs []error
	if m.Index != nil {
		errs = append(errs, m.Index.Close())
	}
	if m.all != nil {
		errs = append(errs, m.all.Close())
	}
	errs = append(errs, m.server.Process.Signal(syscall.SIGINT))
	kill := time.AfterFunc(20*time.Second, func() { _ = m.server.Process.Kill() }) // it may have ended in between
	defer kill.Stop()
	var exit *exec.ExitError
	if err := m.server.Wait(); err != nil && !errors.As(err, &exit) { // how it exits says nothing about data
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close milvus: %w", err)
	}
	return nil
}
