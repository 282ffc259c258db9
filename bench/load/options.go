package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"sightline/bench/report"
)

const usage = `Measures a searchd of its own, over REST on this machine, with its cache off and
a new text in every request: throughput of 1, 4 and 16 clients; latency and depth
when requests come by chance at parts and multiples of what it can do; a device
that hangs and fails in the middle of that; and memory over many requests.

  make bench-load                     the demo model, about 9 minutes on 2 idle cores
  make bench-load-base                a random BLIP-base; bench-load-base-int8: in int8
                                      (about 25 minutes and 3 GB of disk each)
  make bench-api                      what the API takes besides model and index, a minute
  make bench-overload BEFORE=COMMIT   more than it can do, beside the searchd of another
                                      commit (about 8 minutes)
  bench/load/run.sh -duration 2s -closed 1s -requests 300
                                      does it work? a minute
  bench/load/run.sh -model DIR -parts load,memory
                                      parts of it, for a converted model of yours
  bench/load/run.sh -file FILE -docs docs/benchmarks.md
                                      the tables of an earlier run

Ctrl-C ends the run, the servers that it started, and removes what it wrote.

`

// parts of a plain run, in their order.
func parts() []string { return []string{"graphs", "closed", "load", "faults", "memory"} }

// ownParts have sections of their own, and so are not among those of a run where
// none are named.
func ownParts() [][]string { return [][]string{{"cached", "overhead"}, {"overload"}} }

// sectionOf says which of the parts that can be named beside it a part is of; nil
// where there is no such part.
func sectionOf(part string) []string {
	for _, section := range append(ownParts(), parts()) {
		if slices.Contains(section, part) {
			return section
		}
	}
	return nil
}

// options are the command line. Where a number was not given, it is the model's.
type options struct {
	model      string
	parts      []string
	n          int
	depth      int
	slots      int
	closed     time.Duration
	duration   time.Duration
	loads      []float64
	deadlines  []time.Duration
	requests   int
	indexd     string
	searchd    string
	before     string
	other      string
	faulty     string
	render     string
	demo       string
	dir        string
	results    string
	docs       string
	renderFile string
	commit     string
}

func parse(args []string, out io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() {
		fmt.Fprint(out, usage)
		f.PrintDefaults()
	}
	f.StringVar(&o.model, "model", "demo", "demo, base (a random BLIP-base), base-int8, or the folder of a converted model")
	names := f.String("parts", strings.Join(parts(), ","), "what to measure")
	f.IntVar(&o.n, "n", 256, "pictures in the catalogue")
	f.IntVar(&o.depth, "depth", 0, "candidates that a request wants read (default: 50 with demo, 32 else)")
	f.IntVar(&o.slots, "slots", 64, "searchd's --max-searches")
	f.DurationVar(&o.closed, "closed", 0, "time of each closed loop (default: 6s, 30s)")
	f.DurationVar(&o.duration, "duration", 0, "time of each open loop (default: 20s, 2m)")
	loads := f.String("loads", "", "rates of open loops, of the measured capacity (default: 0.5,1,2, of overload 0.5,1,2,3,4)")
	deadlines := f.String("deadlines", "", "deadlines of their requests (default: 300ms,1s or 1s,3s)")
	f.IntVar(&o.requests, "requests", 0, "requests over which memory is watched (default: 20000, 1000)")
	f.StringVar(&o.indexd, "indexd", "indexd", "the program")
	f.StringVar(&o.searchd, "searchd", "searchd", "the program")
	f.StringVar(&o.before, "before", "", "searchd of another commit, for overload; none: only -searchd is measured")
	f.StringVar(&o.other, "before-commit", "", "its commit, for the results")
	f.StringVar(&o.faulty, "faulty", "", "searchd built with -tags faults; without it there is no part faults")
	f.StringVar(&o.render, "render", "render", "the program that draws the catalogue")
	f.StringVar(&o.demo, "demo", "demo/model/retrieval", "the demo model, as a Hugging Face folder")
	f.StringVar(&o.dir, "dir", "", "folder for temporary data (default: the system's)")
	f.StringVar(&o.results, "results", "", "folder for the raw results, as JSON")
	f.StringVar(&o.docs, "docs", "", "page whose section is written anew")
	f.StringVar(&o.renderFile, "file", "", "raw results to render, in place of a run")
	f.StringVar(&o.commit, "commit", "unknown", "the tree's commit, for the results")
	if err := report.Parse(f, args); err != nil {
		return nil, err
	}
	o.parts = strings.Split(*names, ",")
	return o, o.complete(*loads, *deadlines)
}

// complete fills in the model's numbers and checks all.
func (o *options) complete(loads, deadlines string) (err error) {
	small := o.model == "demo"
	pick := func(demo, other time.Duration) time.Duration {
		if small {
			return demo
		}
		return other
	}
	o.closed = cmp.Or(o.closed, pick(6*time.Second, 30*time.Second))
	o.duration = cmp.Or(o.duration, pick(20*time.Second, 2*time.Minute))
	if o.depth == 0 {
		o.depth = map[bool]int{true: 50, false: 32}[small]
	}
	if o.requests == 0 {
		o.requests = map[bool]int{true: 20_000, false: 1000}[small]
	}
	loads = cmp.Or(loads, map[bool]string{true: "0.5,1,2,3,4", false: "0.5,1,2"}[o.does("overload")])
	deadlines = cmp.Or(deadlines, map[bool]string{true: "300ms,1s", false: "1s,3s"}[small])
	if o.loads, err = list(loads, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }); err != nil {
		return fmt.Errorf("-loads: %w", err)
	}
	if o.deadlines, err = list(deadlines, time.ParseDuration); err != nil {
		return fmt.Errorf("-deadlines: %w", err)
	}
	return o.check()
}

func list[T any](text string, read func(string) (T, error)) ([]T, error) {
	var all []T
	for s := range strings.SplitSeq(text, ",") {
		v, err := read(strings.TrimSpace(s))
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

func (o *options) check() error {
	for _, p := range o.parts {
		section := sectionOf(p)
		if section == nil {
			return fmt.Errorf("-parts %q: use some of %s, or cached,overhead, or overload", p, strings.Join(parts(), ","))
		}
		if !slices.Contains(section, o.parts[0]) {
			return fmt.Errorf("-parts %s: %s have a section of their own, so name no others beside them", strings.Join(o.parts, ","), strings.Join(section, " and "))
		}
	}
	if !slices.Contains([]string{"demo", "base", "base-int8"}, o.model) {
		if _, err := os.Stat(filepath.Join(o.model, "manifest.json")); err != nil {
			return fmt.Errorf("-model %q: use demo, base, base-int8, or the folder of a converted model: %w", o.model, err)
		}
	}
	if o.n < 16 || o.depth < 1 || o.depth > 200 || o.slots < 1 || o.requests < 100 || o.closed <= 0 || o.duration <= 0 {
		return errors.New("-n must be 16 or more, -depth 1 to 200, -requests 100 or more, -slots, -closed and -duration above 0")
	}
	if slices.Min(o.loads) <= 0 || slices.Min(o.deadlines) < 50*time.Millisecond || slices.Max(o.deadlines) > 30*time.Second {
		return errors.New("-loads must be above 0, -deadlines 50ms to 30s")
	}
	return nil
}

func (o *options) does(part string) bool { return slices.Contains(o.parts, part) }
