package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"sightline/bench/report"
)

const usage = `Measures Sightline's model beside Hugging Face transformers: the same random
BLIP-base weights, the same inputs, in turns, one at work at a time.

  make bench-versus PYTHON=venv/bin/python      the full run: about 12 minutes on 2 idle cores with AMX
  PYTHON=venv/bin/python bench/versus/run.sh -quick
                                                does it work? half a minute, with the demo model
  bench/versus/run.sh -file FILE -docs docs/benchmarks.md
                                                the tables of an earlier run

It needs 5 GB of disk in -dir and 20 GB of memory. Ctrl-C ends the run and removes
what it wrote there.

`

// options are the command line.
type options struct {
	quick      bool
	compile    bool
	rounds     int
	tables     []string
	seconds    float64
	demo       string
	python     string
	baseline   string
	dir        string
	results    string
	docs       string
	renderFile string
	commit     string
}

func parse(args []string, out io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("versus", flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() {
		fmt.Fprint(out, usage)
		f.PrintDefaults()
	}
	f.BoolVar(&o.quick, "quick", false, "one short round of the demo model in place of BLIP-base: its figures mean nothing")
	only := f.String("tables", strings.Join(allTables, ","), "what to measure")
	f.BoolVar(&o.compile, "compile", false, "try torch.compile as well: minutes more")
	f.IntVar(&o.rounds, "rounds", 3, "how often everything takes its turn")
	f.Float64Var(&o.seconds, "seconds", 0.5, "how long a turn is at least; what takes longer runs once a turn")
	f.StringVar(&o.demo, "demo", "demo/model/retrieval", "the demo model, as a Hugging Face folder")
	f.StringVar(&o.python, "python", "python3", "a Python with torch and transformers; pillow and torchvision for pictures from files")
	f.StringVar(&o.baseline, "baseline", "bench/versus/baseline.py", "the script with transformers")
	f.StringVar(&o.dir, "dir", "", "folder for temporary data (default: the system's)")
	f.StringVar(&o.results, "results", "", "folder for the raw results, as JSON")
	f.StringVar(&o.docs, "docs", "", "page whose section is written anew")
	f.StringVar(&o.renderFile, "file", "", "raw results to render, in place of a run")
	f.StringVar(&o.commit, "commit", "unknown", "the tree's commit, for the results")
	if err := report.Parse(f, args); err != nil {
		return nil, err
	}
	if o.rounds < 1 || !(o.seconds > 0) {
		return nil, errors.New("-rounds and -seconds must be above 0")
	}
	for table := range strings.SplitSeq(*only, ",") {
		if !slices.Contains(allTables, table) {
			return nil, fmt.Errorf("-tables %q: use some of %s with commas", table, strings.Join(allTables, ", "))
		}
		o.tables = append(o.tables, table)
	}
	if o.quick && o.docs != "" {
		return nil, errors.New("-quick measures nothing: leave out -docs")
	}
	if o.quick {
		o.rounds, o.seconds = 1, 0.01
	}
	return o, nil
}
