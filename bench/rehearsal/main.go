// Command rehearsal plays the operation of a cluster through on one machine, with
// the real programs as processes: an import, searches and writes over three
// searchd, a new model, and the death of every process in turn, all under load.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"sightline/bench/harness"
	"sightline/bench/report"
)

const usage = `Plays the operation of a cluster through on this machine: Milvus Lite, Redis with
an append-only file, a folder as bucket, two indexd that do changes, three searchd and a
proxy, all of them processes. Every step is printed with its time and what came of
it; exit code 1 says that something was not as promised.

  make rehearsal                      about 5 minutes on 2 cores
  bench/rehearsal/run.sh -n 60 -calm 2s
                                      a smaller one
  bench/rehearsal/run.sh -file FILE -docs docs/rehearsal.md
                                      the tables of an earlier run

Ctrl-C ends it, the processes that it started, and removes what it wrote.

`

type options struct {
	harness.Trial

	calm, within time.Duration
}

func parse(args []string, out io.Writer) (*options, error) {
	o := &options{Trial: harness.Trial{Name: name}}
	f := o.Flags(usage, out)
	f.DurationVar(&o.calm, "calm", 5*time.Second, "time before and after each fault")
	f.DurationVar(&o.within, "within", 5*time.Second, "time within which a write has to be seen everywhere")
	f.StringVar(&o.Searchd, "searchd", "searchd", "the program")
	f.StringVar(&o.Redis, "redis", "redis-server", "the program")
	f.StringVar(&o.Milvus, "milvus", "milvus-lite", "the program")
	if err := report.Parse(f, args); err != nil {
		return nil, err
	}
	if o.N < 32 || o.Rate <= 0 || o.Rate > 100 || o.calm <= 0 || o.within <= 0 {
		return nil, errors.New("-n must be 32 or more, -rate above 0 and at most 100, -calm and -within above 0")
	}
	return o, nil
}

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "rehearsal:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // this is main
	defer stop()
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.Again != "" {
		return report.Again(stdout, o.Again, o.Docs, func(r *results) (string, string) { return name, section(r, o.Again) })
	}
	return o.Within(stderr, func(dir string) error { return (&rehearsal{options: o, log: stderr, dir: dir}).rehearse(ctx, stdout) })
}

func (r *rehearsal) rehearse(ctx context.Context, stdout io.Writer) (err error) {
	o := r.options
	r.r = results{Date: time.Now().UTC(), Commit: o.Commit, Items: o.N, Rate: o.Rate, Within: o.within.Seconds()}
	if r.r.Machine, err = report.ThisMachine(); err != nil {
		return err
	}
	failed := r.play(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	path := ""
	if o.Results != "" {
		if path, err = report.Write(o.Results, r.r.Date, r.r.Machine, r.r); err != nil {
			return err
		}
	}
	return errors.Join(failed, report.Show(stdout, name, section(&r.r, path), o.Docs))
}
