// Command capacity works out on paper what a catalogue and a rate of searches
// need, from the figures that were measured (costs.go), and simulates how long
// requests wait (package sim). docs/scaling.md is what it writes and what follows from it.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"sightline/bench/capacity/sim"
	"sightline/bench/report"
)

const usage = `Works out bytes, core-seconds, machines and cards for a catalogue and a rate of
searches, from measured figures. Nothing is measured by it.

  go run ./bench/capacity --items 10e6 --qps 50 --depth 50 --model base-int8 --states pooled
  go run ./bench/capacity --items 10e6 --qps 50 --model gpu --json
  go run ./bench/capacity --docs docs/scaling.md --images docs/images
                       the tables and plots of that page; make bench-capacity

Run it in the root of the repository: measured results are read from bench/load.

`

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "capacity:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	request
	root, docs, images string
	json               bool
}

func parse(args []string, errs io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("capacity", flag.ContinueOnError)
	f.SetOutput(errs)
	f.Usage = func() {
		fmt.Fprint(errs, usage)
		f.PrintDefaults()
	}
	d := defaults()
	f.Float64Var(&o.Items, "items", d.Items, "pictures in the catalogue")
	f.Float64Var(&o.QPS, "qps", d.QPS, "searches a second")
	f.Float64Var(&o.Depth, "depth", d.Depth, "candidates that a search has read")
	f.StringVar(&o.Model, "model", d.Model, "base-int8, base-fp32 (BLIP-base on CPUs), gpu (BLIP-base fp16 on H100s) or demo")
	f.StringVar(&o.States, "states", d.States, "patch states: full, pooled, or none (no second look)")
	f.Float64Var(&o.Hits, "hits", d.Hits, "share of searches that the cache answers")
	f.Float64Var(&o.Load, "load", d.Load, "share of capacity that machines are planned for")
	f.Float64Var(&o.Cores, "cores", d.Cores, "cores of a machine")
	f.Float64Var(&o.Tokens, "tokens", d.Tokens, "tokens of a text")
	kb := f.Float64("picture-kb", d.Picture/1e3, "kB of a stored picture")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.docs, "docs", "", "page whose section is written anew, in place of a plan")
	f.StringVar(&o.images, "images", "", "folder for that page's plots")
	f.StringVar(&o.root, "root", ".", "root of the repository")
	if err := report.Parse(f, args); err != nil {
		return nil, err
	}
	o.Picture = *kb * 1e3
	return o, o.check()
}

// defaults of a plan. At 0.6 of capacity nearly all is read whole: docs/scaling.md.
func defaults() request {
	return request{Items: 100e3, QPS: 1, Depth: 50, Model: "base-int8", States: "full", Load: 0.6, Cores: 16, Tokens: 8, Picture: pictureBytes}
}

func run(args []string, out, errs io.Writer) error {
	o, err := parse(args, errs)
	if err != nil {
		return err
	}
	m, err := sim.Read(filepath.Join(o.root, filepath.FromSlash(load)))
	if err != nil {
		return fmt.Errorf("%w: run it in the root of the repository, or give --root", err)
	}
	b, err := newBook(m)
	if err != nil {
		return err
	}
	if o.docs == "" {
		return show(out, newPlan(o.request, b.figures, b.demo), o.json)
	}
	if o.images != "" {
		if err := b.savePlots(o.images); err != nil {
			return err
		}
	}
	return report.Show(out, "capacity", b.section(), o.docs)
}

func show(out io.Writer, p plan, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(p)
	}
	_, err := io.WriteString(out, p.String())
	return err
}
