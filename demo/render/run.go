package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"sightline/demo/catalogue"
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if errors.Is(err, pflag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	started := time.Now()
	if err := write(ctx, o, stderr); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("stopped; %s is not complete and may be removed", o.out)
		}
		return err
	}
	took := time.Since(started)
	fmt.Fprintf(stdout, "%d pictures in %s (%.0f/s): %s\n", o.n, took.Round(time.Millisecond), float64(o.n)/took.Seconds(), o.out)
	return nil
}

// manifest is written last: a folder without it is not complete.
type manifest struct {
	Format    int             `json:"format"`
	Split     catalogue.Split `json:"split"`
	Seed      uint64          `json:"seed"`
	N         int             `json:"n"`
	Size      int             `json:"size"`
	Captions  int             `json:"captions"`
	Negatives int             `json:"negatives"`
	Packed    bool            `json:"packed"`
}

func write(ctx context.Context, o options, stderr io.Writer) error {
	if err := prepare(o); err != nil {
		return err
	}
	world := catalogue.NewWorld()
	pictures := world.Plan(o.split, o.n, o.seed)
	if err := writeWords(o.out); err != nil {
		return err
	}
	if o.png {
		if err := writeFeeds(o.out, world, pictures); err != nil {
			return err
		}
	}
	if err := drawAll(ctx, o, world, pictures, progress(stderr, o.n)); err != nil {
		return err
	}
	if o.split != catalogue.Train {
		if err := writeQueries(ctx, o, world, pictures); err != nil {
			return err
		}
	}
	return writeJSON(filepath.Join(o.out, "manifest.json"),
		manifest{1, o.split, o.seed, o.n, o.size, o.captions, o.negatives, o.packed})
}

// prepare makes the folders. Pictures of an earlier run would be taken for
// products of this one, so the folder has to be empty.
func prepare(o options) error {
	if entries, err := os.ReadDir(o.out); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty: choose another --out, or remove it", o.out)
	}
	folders := []string{o.out}
	if o.png {
		folders = append(folders, filepath.Join(o.out, "pictures"))
	}
	for _, dir := range folders {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	return nil
}

// progress counts pictures on a terminal, and says nothing elsewhere.
func progress(w io.Writer, n int) func() {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	bar := progressbar.NewOptions(n, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("drawing"),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish())
	return func() { _ = bar.Add(1) } // a bar that cannot be drawn stops nothing
}

func writeWords(dir string) error {
	words := strings.Join(catalogue.Vocabulary(), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "vocab.txt"), []byte(words), 0o644); err != nil {
		return fmt.Errorf("write vocabulary: %w", err)
	}
	return writeJSON(filepath.Join(dir, "schema.json"), catalogue.NewSchema())
}

func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

// writeLines writes one JSON value a line.
func writeLines[T any](path string, of []T) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, v := range of {
		if err := e.Encode(v); err != nil {
			return fmt.Errorf("write %s: %w", filepath.Base(path), err)
		}
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}
