package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/eval"
)

// karpathyOptions are the flags of searchd eval that go with --karpathy.
type karpathyOptions struct {
	file   string
	images string
	split  string
	k      int
	given  func(flag string) bool
}

func (o *karpathyOptions) flags(fs *pflag.FlagSet) {
	o.given = fs.Changed
	fs.StringVar(&o.file, "karpathy", "", "Karpathy's split file of COCO or Flickr30K, to run BLIP's retrieval protocol on in place of --queries")
	fs.StringVar(&o.images, "images", "", "with --karpathy: folder that the file's picture paths start from (required)")
	fs.StringVar(&o.split, "split", "test", "with --karpathy: which split")
	fs.IntVar(&o.k, "k", 0, "with --karpathy: how many candidates get the second look (default 256 for COCO, else 128)")
	fs.Int("batch", 0, "with --karpathy: pictures, texts or pairs in one run of the model (default 16)")
	fs.String("states", "auto", "with --karpathy: how patch states are kept in memory: int8, fp32 (exact), or auto: fp32 where all take at most 4 GiB")
}

func (o karpathyOptions) check() error {
	apart, why := []string{"images", "split", "k", "batch", "states"}, "does nothing without --karpathy FILE.json"
	if o.given("karpathy") {
		apart, why = []string{"queries", "depths", "calibrate", "fit", "plot"}, "does not go with --karpathy; leave one of them out"
	}
	for _, flag := range apart {
		if o.given(flag) {
			return cli.Usagef("--%s %s", flag, why)
		}
	}
	switch {
	case !o.given("karpathy"):
		return nil
	case o.images == "":
		return cli.Usagef("no pictures: name their folder with --images DIR")
	case o.given("k") && o.k < eval.LeastK:
		return cli.Usagef("--k %d: use %d or more, because recall is looked at among the first %d", o.k, eval.LeastK, eval.LeastK)
	}
	return nil
}

// runKarpathy needs the model, but no data folder.
func runKarpathy(ctx context.Context, e cli.Env, o karpathyOptions) (err error) {
	d, err := readKarpathy(o.file, o.split)
	if err != nil {
		return err
	}
	m, closeModel, err := cli.OpenModel(ctx, e.Settings, e.Environ, e.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeModel()) }()
	report, err := eval.RunKarpathy(ctx, m, d, eval.KarpathyOptions{
		Dir: o.images, K: o.k, Batch: e.Batch, States: e.States, Progress: karpathyProgress(e),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", o.file, err)
	}
	if e.JSON {
		return cli.PrintJSON(e.Out, report)
	}
	return report.Print(e.Out)
}

func readKarpathy(path, split string) (eval.Dataset, error) {
	f, err := os.Open(path)
	if err != nil {
		return eval.Dataset{}, cli.Usagef("open data set: %w", err)
	}
	defer f.Close()
	d, err := eval.ReadKarpathy(f, split)
	if err != nil {
		return d, fmt.Errorf("data set %s: %w", path, err)
	}
	return d, nil
}

const logInterval = time.Minute

// karpathyProgress redraws a line on a terminal. A run may take hours, so that
// elsewhere the log says now and then how far it is.
func karpathyProgress(e cli.Env) func(stage string, done, total int) {
	if e.JSON {
		return nil
	}
	if cli.IsTerminal(e.Err) {
		redraw := cli.Redraw(e.Err)
		return func(stage string, done, total int) {
			redraw(done == total, "%d of %d %s ", done, total, stage)
		}
	}
	last := time.Now()
	return func(stage string, done, total int) {
		if time.Since(last) >= logInterval {
			last = time.Now()
			e.Log.Info(stage, "done", done, "of", total)
		}
	}
}
