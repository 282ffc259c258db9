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
	harness.Trial

	duration time.Duration
	profiles string
}

func parse(args []string, out io.Writer) (*options, error) {
	o := &options{Trial: harness.Trial{Name: name}}
	f := o.Flags(usage, out)
	f.DurationVar(&o.duration, "duration", 20*time.Minute, "of the load, half with faults and half without")
	f.StringVar(&o.Faulty, "faulty", "faulty", "searchd, built with -tags faults")
	f.StringVar(&o.profiles, "profiles", "", "folder for profiles of the heap, twice a minute, for go tool pprof -base")
	if err := report.Parse(f, args); err != nil {
		return nil, err
	}
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o750); err != nil {
			return nil, err
		}
	}
	if o.N < 32 || o.Rate <= 0 || o.Rate > 100 || o.duration < 10*time.Second {
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
	if o.Again != "" {
		return report.Again(stdout, o.Again, o.Docs, func(r *results) (string, string) { return name, section(r, o.Again) })
	}
	return o.Within(stderr, func(dir string) error {
		return (&soak{options: o, log: stderr, dir: dir, begun: time.Now()}).try(ctx, stdout)
	})
}

func (r *soak) try(ctx context.Context, stdout io.Writer) (err error) {
	o := r.options
	r.r = results{Date: time.Now().UTC(), Commit: o.Commit, Items: o.N, Rate: o.Rate, Duration: o.duration.Seconds()}
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
