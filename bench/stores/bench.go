package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"sightline/bench/stores/dataset"
	"sightline/bench/stores/engine"
)

// bench is one run.
type bench struct {
	*options
	log    io.Writer
	report results
	start  time.Time
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.log, "%6.1fs  %s\n", time.Since(b.start).Seconds(), fmt.Sprintf(format, args...))
}

func (b *bench) run(ctx context.Context, out io.Writer) (err error) {
	b.start = time.Now()
	m, err := thisMachine()
	if err != nil {
		return err
	}
	b.report = results{
		Date: b.start.UTC(), Commit: b.commit, Machine: m,
		Queries: b.queries, Rounds: b.rounds, Limit: b.limit.String(), Seed: b.seed,
	}
	b.look(ctx)
	dir, err := os.MkdirTemp(b.dir, "sightline-stores-")
	if err != nil {
		return fmt.Errorf("make temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, items := range b.sizes {
		if err := b.size(ctx, filepath.Join(dir, fmt.Sprint(items)), items); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted; temporary data is removed")
			}
			return fmt.Errorf("%d items: %w", items, err)
		}
	}
	return b.publish(out)
}

// look finds out which engines are here.
func (b *bench) look(ctx context.Context) {
	var here []engine.Kind
	for _, k := range b.engines {
		info := engineInfo{Name: k.Name, About: k.About}
		version, err := k.Version(ctx)
		if err != nil {
			info.Missing = err.Error()
			b.say("skip %s: %v", k.Name, err)
		} else {
			info.Version = version
			here = append(here, k)
		}
		b.report.Engines = append(b.report.Engines, info)
	}
	b.engines = here
}

func (b *bench) publish(out io.Writer) error {
	from := ""
	if b.results != "" {
		path, err := b.report.write(b.results)
		if err != nil {
			return err
		}
		b.say("results in %s", path)
		from = path
	}
	return b.show(out, &b.report, from)
}

// size measures all engines on one catalogue.
func (b *bench) size(ctx context.Context, dir string, items int) error {
	set := dataset.Set{Dir: filepath.Join(dir, "dataset"), Items: items, Queries: b.queries, Seed: b.seed}
	if b.data != "" {
		set.Dir = filepath.Join(b.data, fmt.Sprint(items))
	}
	if err := os.MkdirAll(set.Dir, 0o755); err != nil {
		return fmt.Errorf("make dataset: %w", err)
	}
	b.say("%d items: dataset and exact answers of %d queries", items, b.queries)
	answers, err := set.Load(ctx)
	if err != nil {
		return fmt.Errorf("make dataset: %w", err)
	}
	judge, err := dataset.NewRecall(set, answers)
	if err != nil {
		return err
	}
	defer func() { _ = judge.Close() }() // only read
	f := &field{bench: b, set: set, judge: judge}
	err = errors.Join(f.enter(ctx, dir), ctx.Err())
	if err == nil {
		err = f.measure(ctx)
	}
	b.report.Sizes = append(b.report.Sizes, f.result(items))
	f.leave()
	return errors.Join(err, ctx.Err(), os.RemoveAll(dir))
}
