package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/indexer/capfilt"
)

// filtering are the flags of capfilt that are not settings.
type filtering struct {
	captioner, out, export string
	restart, apply         bool
	options                capfilt.Options
}

func capfiltCommand(environ []string, s cli.Streams) *cobra.Command {
	f := filtering{options: capfilt.Defaults()}
	c := &cobra.Command{
		Use:   "capfilt --captioner DIR --out DIR",
		Short: "Judge titles by their pictures, and write captions that are true of them",
		Long: `Go through a catalogue as BLIP's CapFilt does: write captions about each stored
picture with a captioning model (nucleus sampling), and let the ITM head of the
catalogue's own model judge them and the titles. Titles that are not true of
their picture are flagged (mismatch, stuffed), as are placeholder pictures, and
titles of words that the model does not know are named, not judged. A caption is
kept where it is judged true, and better than the title by --margin.

The folder --out gets report.jsonl, report.csv and report.html. A run that was
stopped goes on where it was; items that changed are judged anew. The catalogue is
only read, unless --apply is given: then kept captions become the items'
attribute "caption", which search by picture reads where there is no title.

It works on the data folder, which nothing else may have open: while searchd
serves it, run this on a restored backup, and with the same --out and --apply on
the folder itself in the moment when searchd is stopped.

Exit codes as of 'indexd import': 3 where items could not be judged.`,
		Example: `  indexd capfilt --captioner ./captioner --out ./capfilt
  indexd capfilt --captioner ./captioner --out ./capfilt --export alt.csv
  indexd capfilt --captioner ./captioner --out ./capfilt --apply`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, _ []string) error { return runCapfilt(ctx, e, f) }),
	}
	cli.DataFlags(c.Flags())
	cli.ModelFlags(c.Flags())
	f.register(c)
	return c
}

func (f *filtering) register(c *cobra.Command) {
	fs, o := c.Flags(), &f.options
	fs.StringVar(&f.captioner, "captioner", "", "folder of the captioning model, from 'indexd model convert' (required)")
	fs.StringVar(&f.out, "out", "", "folder of the report (required)")
	fs.BoolVar(&f.restart, "restart", false, "drop the report that is in --out and begin anew")
	fs.BoolVar(&f.apply, "apply", false, "give items their kept captions, as the attribute caption")
	fs.StringVar(&f.export, "export", "", "write kept captions to FILE.csv, for review as alt texts")
	fs.IntVar(&o.Samples, "samples", o.Samples, "captions that are written of each picture; the best one is judged")
	fs.Float64Var(&o.TopP, "top-p", o.TopP, "captions are sampled from the most probable words that together have this probability")
	fs.Float64Var(&o.MinMatch, "min-match", o.MinMatch, "match probability from which a text is true of a picture")
	fs.Float64Var(&o.MaxDoubt, "max-doubt", o.MaxDoubt, "match probability below which a title is flagged")
	fs.Float64Var(&o.Margin, "margin", o.Margin, "by how much a caption must beat the title to be kept, in logits")
	fs.Float64Var(&o.Alike, "alike", o.Alike, "cosine from which two pictures are the same")
	fs.IntVar(&o.Placeholder, "placeholder", o.Placeholder, "products that share a picture, from which on it is a placeholder")
	fs.Bool("dry-run", false, "say what is left to judge and to write, and do neither")
	fs.Bool("json", false, "print the summary as JSON, without progress")
}

func (f filtering) check() error {
	switch {
	case f.captioner == "":
		return cli.Usagef("name the captioning model with --captioner DIR; 'indexd model convert' makes one of a checkpoint such as blip-image-captioning-base")
	case f.out == "":
		return cli.Usagef("say where the report goes with --out DIR")
	}
	if err := f.options.Check(); err != nil {
		return cli.Usage(err)
	}
	return nil
}

func runCapfilt(ctx context.Context, e cli.Env, f filtering) error {
	if err := f.check(); err != nil {
		return err
	}
	return withData(ctx, e, openCurrent, func(m *encoder.Model, d *cli.Data) (err error) {
		own := e.Settings
		own.Model = f.captioner
		writer, err := cli.OpenForTask(ctx, bundle.Captioning, own, e.Environ, e.Log)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, writer.Close()) }()
		made := capfilt.Made{Captioner: writer.Model.Fingerprint(), Filter: m.Fingerprint(), Options: f.options}
		report, err := capfilt.OpenReport(f.out, made, f.restart, e.DryRun)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, report.Close()) }()
		parts := capfilt.Parts{
			Captioner: writer.Model, Filter: m, Unk: m.Manifest().Tokenizer.Unk,
			Index: d.Index, Features: d.Features, Pictures: d.Pictures,
		}
		if e.DryRun {
			return dryCapfilt(ctx, e, f, parts, d, report)
		}
		return f.judge(ctx, e, parts, d, report)
	})
}

// judge runs, and writes what was found.
func (f filtering) judge(ctx context.Context, e cli.Env, parts capfilt.Parts, d *cli.Data, report *capfilt.Report) error {
	p := newProgress(e)
	sum, err := capfilt.Run(ctx, parts, f.options, report, func(at capfilt.Progress) {
		p.show(int64(at.Done), int64(at.Of), func() string { return judging(at, time.Since(p.begin)) })
	})
	p.finish()
	if err != nil {
		return fmt.Errorf("capfilt, after %d items, which are in the report; run it again to go on: %w", sum.Judged, err)
	}
	if sum, err = report.Count(sum); err != nil {
		return err
	}
	err = errors.Join(report.WriteTable(), report.WritePage(ctx, sum, parts.Pictures))
	if err == nil && f.export != "" {
		err = report.WriteAlt(f.export)
	}
	if err == nil && f.apply {
		sum.Captioned, err = report.Apply(ctx, d.Index, parts.Filter.Fingerprint(), false)
	}
	err = errors.Join(err, f.print(e, sum))
	if err == nil && sum.Failed > 0 {
		return fmt.Errorf("%w: %d of %d could not be judged; report.csv says why", cli.ErrSomeFailed, sum.Failed, sum.Items)
	}
	return err
}

// judging is a line of progress.
func judging(at capfilt.Progress, took time.Duration) string {
	s := fmt.Sprintf("%d of %d items", at.Done, at.Of)
	if at.New == 0 || at.Done >= at.Of {
		return s
	}
	left := took / time.Duration(at.New) * time.Duration(at.Of-at.Done)
	return s + fmt.Sprintf(", %.1f/s, about %s left", float64(at.New)/took.Seconds(), left.Round(time.Second))
}

// dryCapfilt reads the catalogue and the report.
func dryCapfilt(ctx context.Context, e cli.Env, f filtering, parts capfilt.Parts, d *cli.Data, report *capfilt.Report) error {
	sum, err := capfilt.Left(ctx, parts.Index, report)
	if err != nil {
		return err
	}
	if sum, err = report.Count(sum); err != nil {
		return err
	}
	if f.apply {
		if sum.Captioned, err = report.Apply(ctx, d.Index, parts.Filter.Fingerprint(), true); err != nil {
			return err
		}
	}
	return f.print(e, sum)
}

func (f filtering) print(e cli.Env, sum capfilt.Summary) error {
	if e.JSON {
		return cli.PrintJSON(e.Out, sum)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d items: %d judged in this run, %d could not be judged, %d without a title\n", sum.Items, sum.Judged, sum.Failed, sum.Missing)
	if e.DryRun {
		fmt.Fprintf(&b, "%d left to judge\n", sum.Left)
	}
	for _, reason := range capfilt.Reasons() {
		fmt.Fprintf(&b, "%-14s %d\n", reason, sum.Flags[reason])
	}
	fmt.Fprintf(&b, "%d captions kept\n", sum.Kept)
	switch {
	case f.apply && e.DryRun:
		fmt.Fprintf(&b, "%d items would be given their caption\n", sum.Captioned)
	case f.apply:
		fmt.Fprintf(&b, "%d items were given their caption\n", sum.Captioned)
	}
	if !e.DryRun {
		fmt.Fprintf(&b, "report: %s\n", f.out)
	}
	_, err := fmt.Fprint(e.Out, b.String())
	return err
}
