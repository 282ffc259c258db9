package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sightline/bench/stores/dataset"
	"sightline/bench/stores/engine"
)

// clients is how many ask at once where throughput is measured: as many as the
// smallest machine of interest has processors.
const clients = 2

// cells are the columns of the table.
func cells() []cell {
	var all []cell
	for _, k := range []int{10, dataset.Depth} {
		for _, filter := range dataset.Filters {
			all = append(all, cell{k, filter})
		}
	}
	return all
}

// field is the engines of one catalogue, each open in its process, of which only
// one works at a time.
type field struct {
	*bench
	set     dataset.Set
	judge   *dataset.Recall
	runners []*runner
}

// runner is one engine.
type runner struct {
	engineResult
	process *process // nil when it failed
	tallies map[cell]*tally
}

// enter imports and opens each engine, in processes of their own.
func (f *field) enter(ctx context.Context, dir string) error {
	for _, k := range f.engines {
		r := &runner{engineResult: engineResult{Name: k.Name}, tallies: make(map[cell]*tally)}
		f.runners = append(f.runners, r)
		if k.MaxItems > 0 && f.set.Items > k.MaxItems {
			r.Failed = fmt.Sprintf("not tried above %s items", thousands(k.MaxItems))
			continue
		}
		if err := f.prepare(ctx, r, filepath.Join(dir, k.Name)); err != nil {
			f.drop(r, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// drop goes on without an engine.
func (f *field) drop(r *runner, cause error) {
	f.say("%s is out: %v", r.Name, cause)
	r.Failed = cause.Error()
	if r.process != nil {
		if err := r.process.end(); err != nil {
			f.say("%v", err)
		}
		r.process = nil
	}
}

func (f *field) prepare(ctx context.Context, r *runner, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	t := task{Engine: r.Name, Dir: dir, Set: f.set}
	if err := f.fill(ctx, r, t); err != nil {
		return err
	}
	var err error
	if r.Disk, err = onDisk(dir); err != nil {
		return err
	}
	if r.process, err = spawn(ctx, t, f.log); err != nil {
		return err
	}
	opened, err := r.process.ask(order{Do: "open"})
	r.Open, r.OpenCPU = opened.Wall.Seconds(), opened.CPU.Seconds()
	f.say("%-16s imported in %.1f s (%d MB on disk), opened in %.2f s (%d MB of memory)", r.Name, r.Import, r.Disk>>20, r.Open, opened.Memory>>20)
	return err
}

// fill imports in a process that ends before the engine is opened: loading is
// measured from nothing, with the files still in the system's cache.
func (f *field) fill(ctx context.Context, r *runner, t task) error {
	p, err := spawn(ctx, t, f.log)
	if err != nil {
		return err
	}
	imported, err := p.ask(order{Do: "import"})
	r.Import, r.ImportCPU, r.ImportPeak = imported.Wall.Seconds(), imported.CPU.Seconds(), imported.Peak
	return errors.Join(err, p.end())
}

// measure goes through the rounds. Within one, all engines take their turn in a
// cell before any goes on to the next, and who is first changes: so all see the
// machine's quiet and busy minutes alike.
func (f *field) measure(ctx context.Context) error {
	f.turns(ctx, cells(), func(r *runner, c cell) error { // warm up
		_, err := r.process.ask(order{Do: "search", Cell: c, To: 1, Clients: 1, Limit: f.limit})
		return err
	})
	for round := range f.rounds {
		f.say("round %d of %d", round+1, f.rounds)
		from, to := f.queries*round/f.rounds, f.queries*(round+1)/f.rounds
		f.turns(ctx, rotate(cells(), round), func(r *runner, c cell) error { return f.latency(r, c, from, to) })
		f.turns(ctx, cells()[:len(dataset.Filters)], func(r *runner, c cell) error { return f.throughput(r, c, from, to) })
		f.runners = rotate(f.runners, 1)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

func rotate[T any](all []T, by int) []T {
	by %= max(1, len(all))
	return append(append([]T(nil), all[by:]...), all[:by]...)
}

// turns lets each engine do its part of each cell. One that fails is out.
func (f *field) turns(ctx context.Context, of []cell, do func(*runner, cell) error) {
	for i, c := range of {
		for _, r := range rotate(f.runners, i) {
			if r.process == nil || ctx.Err() != nil {
				continue
			}
			if err := do(r, c); err != nil {
				f.drop(r, err)
			}
		}
	}
}

func (r *runner) tally(c cell) *tally {
	if r.tallies[c] == nil {
		r.tallies[c] = &tally{}
	}
	return r.tallies[c]
}

func (f *field) latency(r *runner, c cell, from, to int) error {
	got, err := r.process.ask(order{Do: "search", Cell: c, From: from, To: to, Clients: 1, Limit: f.limit})
	if err != nil {
		return err
	}
	t := r.tally(c)
	t.times, t.cpu = append(t.times, got.Times...), t.cpu+got.CPU
	t.rounds = append(t.rounds, percentile(got.Times, 50))
	r.Memory, r.Peak = got.Memory, got.Peak
	for i, rows := range got.Rows {
		recall, err := f.judge.Of(c.Filter, from+i, c.K, rows)
		if err != nil {
			return err
		}
		t.recall += recall
	}
	return nil
}

func (f *field) throughput(r *runner, c cell, from, to int) error {
	got, err := r.process.ask(order{Do: "search", Cell: c, From: from, To: to, Clients: clients, Limit: f.limit})
	if err != nil {
		return err
	}
	t := r.tally(c)
	t.searches, t.wall = t.searches+len(got.Times), t.wall+got.Wall
	r.Memory, r.Peak = got.Memory, got.Peak
	return nil
}

// result puts engines in the order of the table.
func (f *field) result(items int) sizeResult {
	out := sizeResult{Items: items}
	for _, k := range engine.Kinds() {
		for _, r := range f.runners {
			if r.Name != k.Name {
				continue
			}
			for _, c := range cells() {
				r.Cells = append(r.Cells, r.tally(c).result(c))
			}
			out.Engines = append(out.Engines, r.engineResult)
		}
	}
	return out
}

// leave ends all processes.
func (f *field) leave() {
	for _, r := range f.runners {
		if r.process == nil {
			continue
		}
		if err := r.process.end(); err != nil {
			f.say("%v", err)
		}
	}
}
