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
	harness.Programs

	n                          int
	rate                       float64
	calm, within               time.Duration
	dir, results, docs, commit string
	file                       string
	keep                       bool
}

func parse(args []string, out io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("rehearsal", flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() {
		fmt.Fprint(out, usage)
		f.PrintDefaults()
	}
	f.IntVar(&o.n, "n", 200, "items of the demo catalogue")
	f.Float64Var(&o.rate, "rate", 5, "searches a second of the steady load")
	f.DurationVar(&o.calm, "calm", 5*time.Second, "time before and after each fault")
	f.DurationVar(&o.within, "within", 5*time.Second, "time within which a write has to be seen everywhere")
	f.StringVar(&o.Indexd, "indexd", "indexd", "the program")
	f.StringVar(&o.Searchd, "searchd", "searchd", "the program")
	f.StringVar(&o.Render, "render", "render", "the program that draws the catalogue")
	f.StringVar(&o.Redis, "redis", "redis-server", "the program")
	f.StringVar(&o.Milvus, "milvus", "milvus-lite", "the program")
	f.StringVar(&o.Demo, "demo", "demo/model/retrieval", "the demo model, as a Hugging Face folder")
	f.StringVar(&o.dir, "dir", "", "folder for temporary data (default: the system's)")
	f.BoolVar(&o.keep, "keep", false, "leave the folder with data and logs")
	f.StringVar(&o.results, "results", "", "folder for the raw results, as JSON")
	f.StringVar(&o.docs, "docs", "", "page whose section is written anew")
	f.StringVar(&o.file, "file", "", "raw results to render, in place of a run")
	f.StringVar(&o.commit, "commit", "unknown", "the tree's commit, for the results")
	if err := report.Parse(f, args); err != nil {
		return nil, err
	}
	if o.n < 32 || o.rate <= 0 || o.rate > 100 || o.calm <= 0 || o.within <= 0 {
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
	if o.file != "" {
		return report.Again(stdout, o.file, o.docs, func(r *results) (string, string) { return name, section(r, o.file) })
	}
	return rehearse(ctx, o, stdout, stderr)
}

func rehearse(ctx context.Context, o *options, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "sightline-rehearsal-")
	if err != nil {
		return err
	}
	if o.keep {
		fmt.Fprintln(stderr, "data and logs are in", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }() // #nosec G703 -- the folder made above
	}
	r := &rehearsal{options: o, log: stderr, dir: dir}
	r.r = results{Date: time.Now().UTC(), Commit: o.commit, Items: o.n, Rate: o.rate, Within: o.within.Seconds()}
	if r.r.Machine, err = report.ThisMachine(); err != nil {
		return err
	}
	failed := r.play(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	path := ""
	if o.results != "" {
		if path, err = report.Write(o.results, r.r.Date, r.r.Machine, r.r); err != nil {
			return err
		}
	}
	return errors.Join(failed, report.Show(stdout, name, section(&r.r, path), o.docs))
}
