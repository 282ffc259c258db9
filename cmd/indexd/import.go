package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/indexer"
)

func importCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "import FEED",
		Short: "Import a catalogue: JSONL, CSV, TSV, Google Merchant XML, Shopify CSV or a folder of pictures",
		Long: `Import a catalogue into the data folder. FEED is a file (it may be gzipped), a
folder of pictures with NAME.json beside a picture for its other fields, or -
for standard input. A JSONL file has one item a line:
{"id": …, "image": …, "title": …}; image is a path relative to the file.

The columns and elements of other formats are known by their usual names; --map
says what others mean. docs/feeds.md tells what becomes of what.

Pictures may be paths, data: URLs or http(s) addresses. Addresses of inner
networks are refused unless --fetch-allow names them (docs/fetching.md). Items
that are in the index already are left alone, so a second run of the same feed
is quick and a run that was stopped goes on where it was. A broken item is
listed and does not stop the others.

While a searchd serves the catalogue, --server sends the feed through its REST
API; --data and --model are not needed then.

Exit codes: 0 all items are in, 3 some items failed (they are listed), 1 the
import broke, 2 wrong usage, 130 interrupted.`,
		Example: `  indexd import feed.jsonl
  indexd import ./holiday-pictures --data ./holidays --model ./blip-base
  indexd import feed.jsonl --json | jq '.failures'
  indexd import https://shop.example/products.xml --full-sync
  indexd import feed.jsonl --full-sync --dry-run
  indexd import feed.jsonl --server http://127.0.0.1:8080
  indexd import export.csv --map "Bild=image,Preis=price" --report rejected.jsonl`,
		Args: cli.Args(cobra.ExactArgs(1)),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, args []string) error {
			return runImport(ctx, e, args[0])
		}),
	}
	cli.DataFlags(c.Flags())
	cli.ModelFlags(c.Flags())
	cli.WriterFlags(c.Flags())
	feedFlags(c.Flags())
	cli.FetchFlags(c.Flags())
	syncFlags(c.Flags())
	cli.LabelsFlag(c.Flags())
	c.Flags().String("server", "", serverUsage)
	c.Flags().Bool("dry-run", false, "say what would be done, without fetching, encoding or writing anything")
	c.Flags().Int("batch", 8, "pictures in one run of the vision tower")
	c.Flags().String("states", "auto", statesUsage)
	c.Flags().Bool("json", false, "print the summary as JSON, without progress")
	return c
}

func runImport(ctx context.Context, e cli.Env, path string) (err error) {
	if e.Server != "" && e.DryRun {
		return cli.Usagef("--dry-run looks into the data folder: leave --server out")
	}
	client, err := cli.OpenFetcher(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	source, err := openFeed(ctx, e, path, client)
	if err != nil {
		return err
	}
	rejected, err := openReport(e, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rejected.close()) }()
	if e.Server != "" {
		return importRemote(ctx, e, path, source, rejected)
	}
	return withData(ctx, e, openCurrent, func(m *encoder.Model, d *cli.Data) (err error) {
		known, err := cli.OpenSources(ctx, e)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, known.Close()) }()
		parts, err := cli.LabelParts(e, m, partsOf(m, d))
		if err != nil {
			return err
		}
		parts.Fetcher, parts.Sources = client, known
		p := newProgress(e)
		options := importOptions(e, m.Manifest())
		options.Observe, options.Rejected = p.observe, rejected.add
		sum, err := indexer.New(parts, options).Run(ctx, source)
		p.finish()
		return ended(e, path, sum, err)
	})
}

// ended prints what an import has come to.
func ended(e cli.Env, path string, sum indexer.Summary, err error) error {
	return errors.Join(runError("import "+path, sum, err), printSummary(e, sum))
}

// openCurrent opens the collection that is served.
func openCurrent(ctx context.Context, e cli.Env, m bundle.Manifest) (*cli.Data, error) {
	return cli.OpenData(ctx, e, m, cli.LogLoading(e))
}

// withData opens model and catalogue for do, and closes both after it.
func withData(ctx context.Context, e cli.Env, open func(context.Context, cli.Env, bundle.Manifest) (*cli.Data, error), do func(*encoder.Model, *cli.Data) error) (err error) {
	m, closeModel, err := cli.OpenModel(ctx, e.Settings, e.Environ, e.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeModel()) }()
	d, err := open(ctx, e, m.Manifest())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return do(m, d)
}

func partsOf(m *encoder.Model, d *cli.Data) indexer.Parts {
	return indexer.Parts{Encoder: m, Index: d.Index, Features: d.Features, Pictures: d.Pictures}
}

func importOptions(e cli.Env, m bundle.Manifest) indexer.Options {
	o := syncOptions(e)
	o.Batch, o.Exact, o.Revalidate, o.DryRun = e.Batch, cli.ExactStates(e.States, m), e.Revalidate, e.DryRun
	if o.Revalidate == 0 { // which Options take for the default
		o.Revalidate = -1
	}
	return o
}

func printSummary(e cli.Env, s indexer.Summary) error {
	if e.JSON {
		return cli.PrintJSON(e.Out, s)
	}
	var b strings.Builder
	printLeftOut(&b, s)
	for _, f := range s.Failures {
		fmt.Fprintf(&b, "failed  %s: %s: %s\n", nameOf(f), f.Stage, f.Reason)
	}
	if more := s.Failed - len(s.Failures); more > 0 {
		fmt.Fprintf(&b, "failed  … and %d more\n", more)
	}
	would := ""
	if e.DryRun {
		would = "would be "
	}
	fmt.Fprintf(&b, "%d items in %.1f s: %d %swritten, %d unchanged, %d failed", s.Seen, s.Seconds, s.Written, would, s.Unchanged, s.Failed)
	if s.LeftOut > 0 {
		fmt.Fprintf(&b, ", %d further pictures left out", s.LeftOut)
	}
	if s.Deleted > 0 {
		fmt.Fprintf(&b, ", %d %sdeleted", s.Deleted, would)
	}
	if s.Dropped > 0 {
		fmt.Fprintf(&b, ", %d not done", s.Dropped)
	}
	if s.Stopped {
		b.WriteString("\nstopped before the end of the feed; the same command goes on from here")
	}
	if _, err := fmt.Fprintln(e.Out, b.String()); err != nil {
		return fmt.Errorf("print summary: %w", err)
	}
	return nil
}

// printLeftOut lists the further pictures that items go without.
func printLeftOut(b *strings.Builder, s indexer.Summary) {
	more := s.LeftOut
	for _, o := range s.Incomplete {
		more -= len(o.Warnings)
		for _, w := range o.Warnings {
			fmt.Fprintf(b, "left out  %s: picture %d: %s: %s\n", nameOf(o), w.Picture, w.Stage, w.Reason)
		}
	}
	if more > 0 {
		fmt.Fprintf(b, "left out  … and %d more\n", more)
	}
}

func nameOf(o indexer.Outcome) string {
	if o.ID == "" {
		return o.Where
	}
	return o.Where + " (" + o.ID + ")"
}
