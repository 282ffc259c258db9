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

const usage = `Measures importing: pictures a second of a whole 'indexd import' beside its own
vision tower alone, with pixels ready, and beside transformers on the same files.
All take turns on this machine; compare rows with rows, not with other machines.

  make bench-ingest                             the full run: about 12 minutes on 2 idle cores
  bench/ingest/run.sh -n 200 -models demo -rounds 1
                                                does it work? half a minute
  bench/ingest/run.sh -file FILE -docs docs/benchmarks.md
                                                the tables of an earlier run

BLIP-base needs 2 GB of disk in -dir. Ctrl-C ends the run and removes what it
wrote there.

`

// options are the command line.
type options struct {
	n, nBase   int
	models     []string
	rounds     int
	batch      int
	indexd     string
	render     string
	baseline   string
	python     string
	demo       string
	dir        string
	results    string
	docs       string
	renderFile string
	commit     string
}

func parse(args []string, out io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("ingest", flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() {
		fmt.Fprint(out, usage)
		f.PrintDefaults()
	}
	models := f.String("models", "demo,base", "models to measure: demo, base or both")
	f.IntVar(&o.n, "n", 2000, "pictures for the demo model")
	f.IntVar(&o.nBase, "n-base", 64, "pictures for BLIP-base")
	f.IntVar(&o.rounds, "rounds", 3, "how often everything takes its turn")
	f.IntVar(&o.batch, "batch", 8, "pictures in one run of a vision tower, for all")
	f.StringVar(&o.indexd, "indexd", "indexd", "the program")
	f.StringVar(&o.render, "render", "render", "the program that draws the pictures")
	f.StringVar(&o.baseline, "baseline", "bench/ingest/baseline.py", "the script with transformers")
	f.StringVar(&o.python, "python", "python3", "a Python with torch, transformers and pillow")
	f.StringVar(&o.demo, "demo", "demo/model/retrieval", "the demo model, as a Hugging Face folder")
	f.StringVar(&o.dir, "dir", "", "folder for temporary data (default: the system's)")
	f.StringVar(&o.results, "results", "", "folder for the raw results, as JSON")
	f.StringVar(&o.docs, "docs", "", "page whose section of importing is written anew")
	f.StringVar(&o.renderFile, "file", "", "raw results to render, in place of a run")
	f.StringVar(&o.commit, "commit", "unknown", "the tree's commit, for the results")
	if err := report.Parse(f, args); err != nil {
		return nil, err
	}
	o.models = strings.Split(*models, ",")
	return o, o.check()
}

func (o *options) check() error {
	for _, m := range o.models {
		if !slices.Contains([]string{"demo", "base"}, m) {
			return fmt.Errorf("-models %q: use demo, base or both with a comma", m)
		}
	}
	if o.n < 1 || o.nBase < 1 || o.rounds < 1 || o.batch < 1 {
		return errors.New("-n, -n-base, -rounds and -batch must be above 0")
	}
	return nil
}
