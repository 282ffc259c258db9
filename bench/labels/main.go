// Command labels measures 'indexd labels' on the demo catalogue, whose drawings are
// known to the last detail: truth writes a list of labels and what is true of each
// picture; report makes of two calibrations, of one and of another precision, the
// table of docs/labels.md. run.sh does all.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"sightline/bench/report"
)

const usage = `Measures labels on the demo catalogue.

  make bench-labels
  labels truth -catalogue DIR                writes labels.yaml and truth.jsonl there
  labels report -calibration FILE -f1 FILE -run FILE -docs docs/labels.md -results DIR
  labels again -file FILE -docs docs/labels.md

`

type options struct {
	catalogue, calibration, f1, run, file string
	docs, results, commit                 string
	seconds                               float64
}

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "labels:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	var o options
	f := flag.NewFlagSet("labels", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprint(stderr, usage)
		f.PrintDefaults()
	}
	f.StringVar(&o.catalogue, "catalogue", "", "folder that demo/render wrote")
	f.StringVar(&o.calibration, "calibration", "", "what 'indexd labels calibrate --json' printed")
	f.StringVar(&o.f1, "f1", "", "the same with --precision 0")
	f.StringVar(&o.run, "run", "", "what 'indexd labels --json' printed")
	f.Float64Var(&o.seconds, "seconds", 0, "how long that took")
	f.StringVar(&o.file, "file", "", "raw results of an earlier run")
	f.StringVar(&o.docs, "docs", "", "page whose section is written anew")
	f.StringVar(&o.results, "results", "", "folder for the raw results, as JSON")
	f.StringVar(&o.commit, "commit", "unknown", "the tree's commit, for the results")
	if len(args) == 0 {
		f.Usage()
		return errors.New("say truth, report or again")
	}
	if err := f.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	switch args[0] {
	case "truth":
		return writeTruth(o.catalogue)
	case "report":
		return makeReport(o, stdout)
	case "again":
		return report.Again(stdout, o.file, o.docs, func(r *results) (string, string) { return name, section(r, o.file) })
	}
	return fmt.Errorf("unknown %q: say truth, report or again", args[0])
}

func makeReport(o options, stdout io.Writer) error {
	r := results{Date: time.Now().UTC(), Commit: o.commit, Seconds: o.seconds}
	var err error
	if r.Machine, err = report.ThisMachine(); err != nil {
		return err
	}
	for path, into := range map[string]any{o.calibration: &r.Calibration, o.f1: &r.F1, o.run: &r.Run} {
		if err := report.Read(path, into); err != nil {
			return err
		}
	}
	path := ""
	if o.results != "" {
		if path, err = report.Write(o.results, r.Date, r.Machine, r); err != nil {
			return err
		}
	}
	return report.Show(stdout, name, section(&r, path), o.docs)
}
