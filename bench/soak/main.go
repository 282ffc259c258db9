// Command soak keeps a searchd busy for a long time, with searches, writes of
// every kind and faults, and holds every answer to what was acknowledged. In the
// second half nothing is broken on purpose, and its memory, goroutines, files and
// disk have to be flat.
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

const usage = `Keeps a searchd over an embedded catalogue busy: searches by text and picture,
uploads, pictures from a slow server, broken pictures, patches, deletes, batches and
Shopify's webhooks. In the first half it is killed (kill -9), its device hangs and
fails, and a crowd of writers comes; in the second its memory, goroutines, files and
disk are watched. Exit code 1 says that something was not as promised.

  make soak                           20 minutes
  make soak SOAK=2m                   a short one
  bench/soak/run.sh -file FILE -docs docs/soak.md
                                      the tables of an earlier run

Ctrl-C ends it, the programs that it started, and removes what it wrote.

`

type options struct {
	harness.Programs

	n                          int
	rate                       float64
	duration                   time.Duration
	dir, results, docs, commit string
	profiles                   string
	file                       string
	keep                       bool
}

func parse(args []string, out io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("soak", flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() {
		fmt.Fprint(out, usage)
		f.PrintDefaults()
	}
	f.IntVar(&o.n, "n", 200, "items of the demo catalogue")
	f.Float64Var(&o.rate, "rate", 5, "searches a second of the steady load")
	f.DurationVar(&o.duration, "duration", 20*time.Minute, "of the load, half with faults and half without")
	f.StringVar(&o.Indexd, "indexd", "indexd", "the program")
	f.StringVar(&o.Render, "render", "render", "the program that draws the catalogue")
	f.StringVar(&o.Faulty, "faulty", "faulty", "searchd, built with -tags faults")
	f.StringVar(&o.Demo, "demo", "demo/model/retrieval", "the demo model, as a Hugging Face folder")
	f.StringVar(&o.dir, "dir", "", "folder for temporary data (default: the system's)")
	f.BoolVar(&o.keep, "keep", false, "leave the folder with data and logs")
	f.StringVar(&o.results, "results", "", "folder for the raw results, as JSON")
	f.StringVar(&o.profiles, "profiles", "", "folder for profiles of the heap, twice a minute, for go tool pprof -base")
	f.StringVar(&o.docs, "docs", "", "page whose section is written anew")
	f.StringVar(&o.file, "file", "", "raw results to render, in place of a run")
	f.StringVar(&o.commit, "commit", "unknown", "the tree's commit, for the results")
	if err := report.Parse(f, args); err != nil {
		return nil, err
	}
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o750); err != nil {
			return nil, err
		}
	}
	if o.n < 32 || o.rate <= 0 || o.rate > 100 || o.duration < 10*time.Second {
		return nil, errors.New("-n must be 32 or more, -rate above 0 and at most 100, -duration 10s or more")
	}
	return o, nil
}

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "soak:", err) // there is nowhere else to tell
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
	return try(ctx, o, stdout, stderr)
}

func try(ctx context.Context, o *options, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "sightline-soak-")
	if err != nil {
		return err
	}
	if o.keep {
		fmt.Fprintln(stderr, "data and logs are in", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }() // #nosec G703 -- the folder made above
	}
	r := &soak{options: o, log: stderr, dir: dir, begun: time.Now()}
	r.r = results{Date: time.Now().UTC(), Commit: o.commit, Items: o.n, Rate: o.rate, Duration: o.duration.Seconds()}
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
