package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"sightline/bench/stores/dataset"
	"sightline/bench/stores/engine"
)

const usage = `Measures Sightline's embedded store beside other vector stores: the same data,
the same minutes, each engine in a process of its own, in rounds. Everything is
one machine's; compare rows with rows, not with other machines.

  make bench-stores                             the full run: about 17 minutes on 2 idle cores
  bench/stores/run.sh -n 100000                 100,000 items only: about 5 minutes
  bench/stores/run.sh -n 2000 -queries 5 -limit 100ms
                                                does it work? half a minute
  bench/stores/run.sh -engines embedded,sqlite-vec
  bench/stores/run.sh -render FILE -docs docs/benchmarks.md
                                                the tables of an earlier run

A million items need 8 GB of disk in -dir and 12 GB of memory; 100,000 need 1 GB
of disk and 2 GB of memory. Ctrl-C ends the run and removes what it wrote there.

`

// options are the command line.
type options struct {
	sizes   []int
	engines []engine.Kind
	queries int
	rounds  int
	limit   time.Duration
	seed    uint64
	dir     string
	data    string
	results string
	docs    string
	render  string
	commit  string
}

func parse(args []string, out io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("stores", flag.ContinueOnError)
	f.SetOutput(out)
	f.Usage = func() {
		fmt.Fprint(out, usage)
		f.PrintDefaults()
	}
	sizes := f.String("n", "100000,1000000", "numbers of items")
	names := f.String("engines", "all", "engines to measure, of: "+strings.Join(names(engine.Kinds()), ", "))
	f.IntVar(&o.queries, "queries", 200, "queries, each asked once in each cell of the table")
	f.IntVar(&o.rounds, "rounds", 4, "rounds that the queries are spread over; engines take turns within each")
	f.DurationVar(&o.limit, "limit", 2500*time.Millisecond, "longest turn of one engine in one cell; slow engines are asked fewer queries")
	f.Uint64Var(&o.seed, "seed", 1, "of the data")
	f.StringVar(&o.dir, "dir", "", "folder for temporary data (default: the system's)")
	f.StringVar(&o.data, "data", "", "keep the dataset and its exact answers in this folder, for the next run (1.1 GB a million)")
	f.StringVar(&o.results, "results", "", "folder for the raw results, as JSON")
	f.StringVar(&o.docs, "docs", "", "page whose section of stores is written anew")
	f.StringVar(&o.render, "render", "", "raw results to render, in place of a run")
	f.StringVar(&o.commit, "commit", "unknown", "the tree's commit, for the results")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("%q is not a flag; --help shows them", f.Arg(0))
	}
	return o, o.check(*sizes, *names)
}

func (o *options) check(sizes, chosen string) error {
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(strings.ReplaceAll(strings.TrimSpace(text), "_", ""))
		if err != nil || n < dataset.Depth || n > 5_000_000 {
			return fmt.Errorf("-n %s: write numbers from %d to 5000000, with commas between", sizes, dataset.Depth)
		}
		o.sizes = append(o.sizes, n)
	}
	if o.queries < 1 || o.rounds < 1 || o.limit <= 0 {
		return errors.New("-queries, -rounds and -limit must be above 0")
	}
	o.rounds = min(o.rounds, o.queries)
	all := engine.Kinds()
	if chosen == "all" {
		o.engines = all
		return nil
	}
	for name := range strings.SplitSeq(chosen, ",") {
		i := slices.IndexFunc(all, func(k engine.Kind) bool { return k.Name == strings.TrimSpace(name) })
		if i < 0 {
			return fmt.Errorf("-engines: there is no %q; there are %s", name, strings.Join(names(all), ", "))
		}
		o.engines = append(o.engines, all[i])
	}
	return nil
}

func names(kinds []engine.Kind) []string {
	var out []string
	for _, k := range kinds {
		out = append(out, k.Name)
	}
	return out
}
