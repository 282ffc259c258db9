package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"sightline/cmd/internal/cli"
	"sightline/indexer"
	"sightline/indexer/feed"
)

func feedFlags(fs *pflag.FlagSet) {
	fs.String("format", "auto", "of the feed: auto, jsonl, csv, tsv, google-xml, shopify-csv or folder")
	fs.String("map", "", "what columns mean, as THEIRS=OURS,…: a field, an attribute (NAME:number, :bool, :list) or - to leave it out")
	fs.String("encoding", "", "of the feed's text, such as windows-1252 (default: found out)")
	fs.String("currency", "", "of prices that name none, such as EUR")
	fs.Bool("shopify-variants", false, "an item for each variant of a Shopify product instead of one for the product")
	fs.Bool("shopify-unpublished", false, "take in Shopify's drafts and archived products too")
	fs.String("report", "", "file for rejected rows, as JSONL that can be corrected and imported again")
}

func openFeed(ctx context.Context, e cli.Env, source string, addresses feed.Opener) (feed.Feed, error) {
	names, err := feed.ParseMap(e.Map)
	if err != nil {
		return nil, cli.Usagef("--%w", err)
	}
	f, err := feed.Open(ctx, source, feed.Options{
		Format: feed.Format(e.Format), Map: names, Encoding: e.Encoding, Currency: e.Currency,
		Variants: e.Variants, Unpublished: e.Unpublished, Stdin: os.Stdin, Log: e.Log, Opener: addresses,
	})
	if err != nil {
		return nil, cli.Usage(err)
	}
	return f, nil
}

// report is the file of --report, or nothing.
type report struct {
	file *os.File
	rows *feed.Report
}

// openReport refuses the feed itself, which would be emptied: a report that is
// imported again comes with the same command.
func openReport(e cli.Env, source string) (*report, error) {
	if e.Report == "" {
		return &report{}, nil
	}
	before, err := os.Stat(source)
	after, err2 := os.Stat(e.Report)
	if err == nil && err2 == nil && os.SameFile(before, after) {
		return nil, cli.Usagef("--report %s is the feed itself; give another file", e.Report)
	}
	f, err := os.Create(e.Report)
	if err != nil {
		return nil, cli.Usagef("--report: %w", err)
	}
	return &report{file: f, rows: feed.NewReport(f)}, nil
}

// add is told of rows by several goroutines; the first error is kept by the
// report itself and told when it is closed.
func (r *report) add(record indexer.Record, fault *indexer.Fault) {
	if r.rows != nil {
		_ = r.rows.Write(record, fault)
	}
}

func (r *report) close() error {
	if r.file == nil {
		return nil
	}
	if err := r.rows.Err(); err != nil {
		_ = r.file.Close()
		return err
	}
	if err := r.file.Close(); err != nil {
		return fmt.Errorf("report of rejected rows: %w", err)
	}
	return nil
}
