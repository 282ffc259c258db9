// Command quality rates the demo model on drawings that training has never seen:
// searches by words and by picture at several depths, with float32, int8 and
// pooled patch states, captions, and what 'indexd capfilt' finds of planted faults.
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

	"sightline/bench/report"
)

const usage = `Rates the demo model: rankings, captions, planted faults. Quality does not depend on
how busy the machine is, latencies do.

  make bench-quality                      the full run: about 8 minutes on 2 cores
  bench/quality/run.sh -n 200             does it work? a minute
  bench/quality/run.sh -file FILE -docs docs/benchmarks.md
                                          the tables of an earlier run

`

func main() {
	if err := start(os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "quality:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	n                            int
	seed                         uint64
	programs, demo, dir, commit  string
	resultsDir, docs, renderFile string
}

func parse(args []string, errs io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("quality", flag.ContinueOnError)
	f.SetOutput(errs)
	f.Usage = func() {
		fmt.Fprint(errs, usage)
		f.PrintDefaults()
	}
	f.IntVar(&o.n, "n", 5000, "pictures that are searched; a fifth are captioned, two fifths get faults")
	f.Uint64Var(&o.seed, "seed", 3, "of the catalogue")
	f.StringVar(&o.programs, "programs", "bin", "folder of indexd, searchd, render, rate and capfilt")
	f.StringVar(&o.demo, "demo", "demo/model", "folder of the demo models, as Hugging Face folders")
	f.StringVar(&o.dir, "dir", "", "folder for temporary data (default: the system's)")
	f.StringVar(&o.commit, "commit", "unknown", "the tree's commit, for the results")
	f.StringVar(&o.resultsDir, "results", "", "folder for the raw results, as JSON")
	f.StringVar(&o.docs, "docs", "", "page whose section is written anew")
	f.StringVar(&o.renderFile, "file", "", "raw results to render, in place of a run")
	if err := report.Parse(f, args); err != nil {
		return nil, err
	}
	if o.n < 100 || o.n > 100_000 {
		return nil, fmt.Errorf("-n is 100 to 100000, not %d", o.n)
	}
	return o, nil
}

func start(args []string, out, errs io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // this is main
	defer stop()
	o, err := parse(args, errs)
	if err != nil {
		return err
	}
	if o.renderFile != "" {
		return report.Again(out, o.renderFile, o.docs, func(r *results) (string, string) { return name, section(r, o.renderFile) })
	}
	r, err := measure(ctx, o, errs)
	if err != nil {
		return err
	}
	path := ""
	if o.resultsDir != "" {
		if path, err = report.Write(o.resultsDir, r.Date, r.Machine, r); err != nil {
			return err
		}
	}
	return report.Show(out, name, section(r, path), o.docs)
}
