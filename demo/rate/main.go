// Command rate measures a captioning model on drawings that training has never
// seen: how often what it says is true, and CIDEr.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"sightline/demo/catalogue"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "rate:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

// options are what to measure.
type options struct {
	model string
	n     int
	seed  uint64
	split catalogue.Split
	show  int
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var split string
	f := pflag.NewFlagSet("rate", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.model, "model", "", "folder of a captioning model, as indexd model convert writes it (required)")
	f.IntVar(&o.n, "n", 1000, "number of pictures")
	f.Uint64Var(&o.seed, "seed", 3, "of the catalogue")
	f.StringVar(&split, "split", "test", "train, val, demo or test")
	f.IntVar(&o.show, "show", 0, "print so many captions of each way of searching")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.model == "" {
		return o, errors.New("name the model with --model DIR, such as demo/out/captioner: indexd model convert demo/model/captioning --out DIR makes it")
	}
	if o.n < 1 || o.n > 100_000 {
		return o, fmt.Errorf("--n is 1 to 100000, not %d", o.n)
	}
	var err error
	o.split, err = catalogue.ParseSplit(split)
	return o, err
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if errors.Is(err, pflag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	m, closeModel, err := open(ctx, o.model)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeModel()) }()
	s, err := see(ctx, m, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d pictures, split %s, seed %d\n\n%s", o.n, o.split, o.seed, heading)
	for _, w := range ways() {
		line, err := s.rate(ctx, m, w, o.show, stdout)
		if err != nil {
			return err
		}
		fmt.Fprint(stdout, line)
	}
	return nil
}
