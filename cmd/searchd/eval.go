package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sightline/api"
	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/eval"
	"sightline/encoder/bundle"
)

// evalOptions are the flags of searchd eval that are not settings.
type evalOptions struct {
	queries   string
	depths    []int
	calibrate bool
	fit       string // file for weights
	plot      string

	karpathy karpathyOptions
}

const evalLong = `Ask every query of a file, without and with the second look at several depths,
and print recall@1/5/10, MRR, nDCG@10, mAP@100 and latency.

A line of the file is {"text": QUERY, "relevant": [ID, …], "kind": "…"}; kind is
optional and gives a table of its own. With "image": FILE (relative to the
queries file) instead of text the search is by picture, and the second look reads
the candidates' titles. With "picture": ID and
"swap": {"text": FALSE TEXT, "kind": "…"} it is also counted how often the true
text scores above the false one on that item's picture.

--calibrate fits the match probability to these queries (Platt scaling over all
candidates of the largest depth) and writes it to the model's manifest. Use
other queries than those you report on, and list every relevant id: what is
relevant and not listed counts as a false candidate.

--fit FILE fits the weights of match logit and cosine to these queries (logistic
regression over all candidates of the largest depth) in place of BLIP's plain
sum, prints what they gain on queries that a fit did not see (5 folds of
queries), and writes them to FILE for this model. docs/rerank-blend.md says when
that helps.

The report is also kept in the data folder (the last 20), where GET
/v1/evaluations and the search page under "Index and jobs" have it.

With --karpathy it is BLIP's own protocol on a split of COCO or Flickr30K: every
picture ranks all texts and every text all pictures, by cosine and then by the
second look at the k nearest. That needs the model, but no data folder.`

func evalCommand(environ []string, s cli.Streams) *cobra.Command {
	var o evalOptions
	c := &cobra.Command{
		Use:   "eval (--queries FILE.jsonl | --karpathy FILE.json --images DIR)",
		Short: "Measure ranking quality and latency at each depth of the second look",
		Long:  evalLong,
		Example: `  searchd eval --queries queries.jsonl --data ./sightline-data --model ./sightline-model
  searchd eval --queries queries.jsonl --depths 20,50 --json | jq '.rows[] | {depth, r1}'
  searchd eval --queries validation.jsonl --depths 50 --calibrate
  searchd eval --queries validation.jsonl --depths 50 --fit weights.json
  searchd eval --queries queries.jsonl --plot quality.svg
  searchd eval --karpathy dataset_flickr30k.json --images ./flickr30k-images`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, _ []string) error {
			return runEval(ctx, e, o)
		}),
	}
	cli.DataFlags(c.Flags())
	captionsFlag(c.Flags())
	cli.ModelFlags(c.Flags())
	c.Flags().StringVar(&o.queries, "queries", "", "queries with their relevant ids, one JSON object a line")
	c.Flags().IntSliceVar(&o.depths, "depths", []int{10, 20, 50, 100}, "how many candidates get the second look")
	c.Flags().BoolVar(&o.calibrate, "calibrate", false, "fit the match probability to these queries and write it to the model")
	c.Flags().StringVar(&o.fit, "fit", "", "fit the weights of match logit and cosine to these queries and write them to FILE.json")
	c.Flags().StringVar(&o.plot, "plot", "", "draw quality and latency against depth: FILE.svg or FILE.png")
	c.Flags().Bool("json", false, "print the report as JSON")
	o.karpathy.flags(c.Flags())
	return c
}

func runEval(ctx context.Context, e cli.Env, o evalOptions) (err error) {
	if err := o.karpathy.check(); err != nil {
		return err
	}
	if o.karpathy.file != "" {
		return runKarpathy(ctx, e, o.karpathy)
	}
	if err := o.check(); err != nil {
		return err
	}
	queries, err := readQueries(o.queries)
	if err != nil {
		return err
	}
	if err := o.checkQueries(queries); err != nil {
		return err
	}
	sv := &service{env: e, engine: &api.Engine{}, readiness: &api.Readiness{}}
	defer func() { err = errors.Join(err, sv.close()) }()
	if err := sv.open(ctx); err != nil {
		return err
	}
	recorder := &eval.Recorder{Searcher: sv.engine}
	if o.fit != "" {
		recorder.Depth = slices.Max(o.depths)
	}
	report, err := eval.Run(ctx, recorder, queries, o.depths, evalProgress(e))
	if err != nil {
		return err
	}
	if report.Swaps, err = eval.Swaps(ctx, sv.engine, queries); err != nil {
		return err
	}
	return errors.Join(o.finish(e, queries, recorder, report), sv.keep(ctx, o.queries, report))
}

// keep puts the report where the page of a searchd over this data folder shows
// it. Measuring takes long, so that a folder that cannot be written (measured by
// somebody who may only read it) costs the plot and not the report.
func (sv *service) keep(ctx context.Context, queries string, report eval.Report) error {
	stats, err := sv.data.Index.Stats(ctx)
	if err != nil {
		return fmt.Errorf("ask the index: %w", err)
	}
	name, err := eval.KeptIn(sv.env.Data).Save(eval.Saved{Time: time.Now().UTC(), Items: stats.Items, File: filepath.Base(queries), Report: report})
	if err != nil {
		sv.env.Log.WarnContext(ctx, "the report is not kept, and the page will not show it", "error", err)
		return nil
	}
	sv.env.Log.InfoContext(ctx, "kept; the page of searchd shows it under index and jobs", "evaluation", name)
	return nil
}

func (o evalOptions) check() error {
	if o.queries == "" {
		return cli.Usagef("no queries: name a file with --queries FILE.jsonl")
	}
	if o.plot != "" {
		if err := eval.CheckPlot(o.plot); err != nil {
			return cli.Usage(err)
		}
	}
	if i := slices.IndexFunc(o.depths, func(d int) bool { return d < 1 || d > api.MaxDepth }); i >= 0 {
		return cli.Usagef("--depths has %d: use 1 to %d", o.depths[i], api.MaxDepth)
	}
	if o.fit == "" {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(o.fit)); err != nil || !info.IsDir() {
		return cli.Usagef("--fit: weights cannot be written to %q: make the folder %q first", o.fit, filepath.Dir(o.fit))
	}
	depths := slices.Sorted(slices.Values(o.depths))
	if n := len(depths); n == 0 || n > 1 && depths[n-1] == depths[n-2] {
		return cli.Usagef("--fit needs a depth, and the largest only once: use --depths such as 20,50")
	}
	return nil
}

// checkQueries refuses to fit to searches by picture what is then applied to
// searches in words: the second look at titles has logits of another kind.
func (o evalOptions) checkQueries(queries []eval.Query) error {
	if queries[0].Image == "" || o.fit == "" && !o.calibrate {
		return nil
	}
	return cli.Usagef("--fit and --calibrate take queries with text: %s has searches by picture, whose second look reads titles", o.queries)
}

// finish does with the report what the flags say, and prints it.
func (o evalOptions) finish(e cli.Env, queries []eval.Query, r *eval.Recorder, report eval.Report) (err error) {
	if o.calibrate {
		if err := calibrate(e, report); err != nil {
			return err
		}
	}
	if o.plot != "" { // after the report: a plot that fails must not keep it back
		defer func() { err = errors.Join(err, report.SavePlot(o.plot)) }()
	}
	if o.fit == "" {
		return printReport(e, report, nil)
	}
	fitted, err := eval.FitWeights(r, queries, report.Model)
	if err != nil {
		return errors.Join(printReport(e, report, nil), err)
	}
	return errors.Join(printReport(e, report, &fitted), fitted.SaveWeights(o.fit))
}

func printReport(e cli.Env, report eval.Report, fitted *eval.WeightsReport) error {
	if e.JSON {
		return cli.PrintJSON(e.Out, struct {
			eval.Report
			Weights *eval.WeightsReport `json:"weights,omitempty"`
		}{report, fitted})
	}
	if err := report.Print(e.Out); err != nil || fitted == nil {
		return err
	}
	if _, err := fmt.Fprintln(e.Out); err != nil {
		return err
	}
	return fitted.Print(e.Out)
}

func readQueries(path string) ([]eval.Query, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, cli.Usagef("open queries: %w", err)
	}
	defer f.Close()
	queries, err := eval.ReadQueries(f)
	if err != nil {
		return nil, fmt.Errorf("queries %s: %w", path, err)
	}
	for i, q := range queries {
		if q.Image != "" && !filepath.IsAbs(q.Image) {
			queries[i].Image = filepath.Join(filepath.Dir(path), q.Image)
		}
	}
	return queries, nil
}

// calibrate writes the fit of a report's candidates to the model.
func calibrate(e cli.Env, r eval.Report) error {
	c, err := eval.Calibrate(r.Pairs, r.Model)
	if err != nil {
		return err
	}
	c.Queries = r.Queries
	if err := bundle.Calibrate(e.Model, c); err != nil {
		return fmt.Errorf("store calibration: %w", err)
	}
	e.Log.Info("calibrated", "model", e.Model, "slope", c.Slope, "intercept", c.Intercept, "log_loss_before", c.LogLossBefore, "log_loss_after", c.LogLossAfter)
	return nil
}

// evalProgress redraws a line on a terminal; elsewhere the report is enough.
func evalProgress(e cli.Env) func(done, total int) {
	if e.JSON || !cli.IsTerminal(e.Err) {
		return nil
	}
	redraw := cli.Redraw(e.Err)
	return func(done, total int) {
		redraw(done == total, "%d of %d searches ", done, total)
	}
}
