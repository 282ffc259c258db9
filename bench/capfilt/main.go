// Command capfilt measures 'indexd capfilt' on the demo catalogue: plant puts known
// faults into it, rate says which of them were flagged and how true captions are,
// terms what captions add to the first stage of searches in words. run.sh does all.
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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // the root
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "capfilt:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

// options are the flags of all three.
type options struct {
	catalogue, report, model string
	seed                     uint64
}

const usage = "plant --catalogue DIR [--seed N] | rate --catalogue DIR --report DIR | terms --catalogue DIR --report DIR --model DIR"

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	f := pflag.NewFlagSet("capfilt", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.catalogue, "catalogue", "", "folder that demo/render wrote")
	f.StringVar(&o.report, "report", "", "folder of 'indexd capfilt --out'")
	f.StringVar(&o.model, "model", "", "folder of the retrieval model")
	f.Uint64Var(&o.seed, "seed", 1, "one seed, the same faults")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return nil
		}
		return err
	}
	if f.NArg() != 1 || o.catalogue == "" {
		return errors.New("usage: capfilt " + usage)
	}
	switch f.Arg(0) {
	case "plant":
		return plant(o)
	case "rate":
		return rate(o, stdout)
	case "terms":
		return terms(ctx, o, stdout)
	}
	return fmt.Errorf("unknown %q: capfilt %s", f.Arg(0), usage)
}
