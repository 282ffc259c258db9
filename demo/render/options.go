package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/pflag"

	"sightline/demo/catalogue"
)

// options are what to make; defaults depend on the split where 0 is written.
type options struct {
	n         int
	seed      uint64
	split     catalogue.Split
	out       string
	size      int
	packed    bool
	png       bool
	captions  int
	negatives int
	workers   int
}

// most bounds n: 2 million pictures of 96 px are 55 GB.
const most = 2_000_000

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var split string
	f := pflag.NewFlagSet("render", pflag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.n, "n", 2000, "number of pictures")
	f.Uint64Var(&o.seed, "seed", 1, "one seed, one catalogue")
	f.StringVar(&split, "split", "demo", "train, val, demo or test")
	f.StringVar(&o.out, "out", "", "folder to write to (must be new or empty)")
	f.IntVar(&o.size, "size", 96, "side of a picture in pixels, 64 to 256")
	f.BoolVar(&o.packed, "packed", false, "write pictures.u8 (raw bytes [n, size, size, 3]) instead of PNG files")
	f.BoolVar(&o.png, "png", false, "with --packed: PNG files too")
	f.IntVar(&o.captions, "captions", 0, "captions a picture (default 8 for train, else 2)")
	f.IntVar(&o.negatives, "negatives", 4, "false captions for each true one")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected %q: render takes flags only", f.Arg(0))
	}
	return o.checked(split)
}

func (o options) checked(split string) (options, error) {
	var errs []error
	if o.n < 1 || o.n > most {
		errs = append(errs, fmt.Errorf("--n is 1 to %d, not %d", most, o.n))
	}
	if o.out == "" {
		errs = append(errs, errors.New("--out DIR is missing: say where to write"))
	}
	if o.size < 64 || o.size > 256 {
		errs = append(errs, fmt.Errorf("--size is 64 to 256, not %d", o.size))
	}
	if o.captions < 0 || o.captions > 64 || o.negatives < 0 || o.negatives > 16 {
		errs = append(errs, errors.New("--captions is at most 64, --negatives at most 16"))
	}
	var err error
	if o.split, err = catalogue.ParseSplit(split); err != nil {
		errs = append(errs, err)
	}
	if o.captions == 0 {
		o.captions = 2
		if o.split == catalogue.Train {
			o.captions = 8
		}
	}
	o.png = o.png || !o.packed
	o.workers = runtime.GOMAXPROCS(0)
	return o, errors.Join(errs...)
}
