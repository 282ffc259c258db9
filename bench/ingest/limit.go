package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"sightline/encoder"
	"sightline/encoder/ort"
)

// limitCommand makes this program measure the vision tower alone, in a process
// of its own.
const limitCommand = "limit"

// mostReady bounds the pictures whose pixels are held, 113 MB at 384 px; they are
// used again until there are as many as the import has.
const mostReady = 64

// limit prints how long the vision tower takes for n pictures.
func limit(ctx context.Context, args []string, out io.Writer) (err error) {
	f := flag.NewFlagSet(limitCommand, flag.ContinueOnError)
	model, dir := f.String("model", "", ""), f.String("pictures", "", "")
	n, batch := f.Int("n", 0, ""), f.Int("batch", 8, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		return err
	}
	rt, err := ort.New(ort.Options{Library: library, Threads: runtime.GOMAXPROCS(0)}) // as indexd's defaults
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	m, err := encoder.Open(ctx, *model, rt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	ready, err := pixels(m, *dir, min(*n, mostReady))
	if err != nil {
		return err
	}
	took, err := see(ctx, m, ready, *n, *batch)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(took)
}

// pixels decodes the first pictures of a folder.
func pixels(m *encoder.Model, dir string, n int) ([]encoder.Pixels, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return nil, err
	}
	if len(files) < n {
		return nil, fmt.Errorf("%d pictures in %s, %d are needed", len(files), dir, n)
	}
	ready := make([]encoder.Pixels, n)
	for i, path := range files[:n] {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if ready[i], err = m.Pixels(data); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return ready, nil
}

// see runs the tower over n pictures, after one run that loads it.
func see(ctx context.Context, m *encoder.Model, ready []encoder.Pixels, n, batch int) (turn, error) {
	next := func(i int) []encoder.Pixels {
		b := make([]encoder.Pixels, min(batch, n-i))
		for j := range b {
			b[j] = ready[(i+j)%len(ready)]
		}
		return b
	}
	if _, err := m.Images(ctx, next(0)); err != nil {
		return turn{}, err
	}
	begin, cpu := time.Now(), processorTime()
	for i := 0; i < n; i += batch {
		if _, err := m.Images(ctx, next(i)); err != nil {
			return turn{}, err
		}
	}
	return turn{Pictures: n, Seconds: time.Since(begin).Seconds(), CPU: (processorTime() - cpu).Seconds()}, nil
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for this process
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
