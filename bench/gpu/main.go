//go:build cgo

// Command gpu measures Sightline's graphs on one device: how far they are from
// what transformers computes in float32, and how fast they are. bench/gpu/run.sh
// calls it and bench/gpu/baseline.py in turns; docs/gpu.md says how to run that
// and what came out.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"sightline/encoder"
	"sightline/encoder/convert"
	"sightline/encoder/ort"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil { //nolint:forbidigo // main
		fmt.Fprintln(os.Stderr, "gpu:", err)
		os.Exit(1)
	}
}

// settings are the flags, the same for every command.
type settings struct {
	model     string
	reference string
	device    string
	fault     string
	options   string
	parallel  int
	pageable  bool
	quick     bool
	short     bool
}

func run(ctx context.Context, args []string, out io.Writer) error {
	commands := map[string]func(context.Context, settings) (any, error){
		"parity": parity, "time": timings, "profile": profile, "lost": lost,
	}
	if len(args) == 0 {
		return errors.New("name a command: convert, parity, time, profile or lost")
	}
	if args[0] == "convert" {
		return convertAll(ctx, args[1:])
	}
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("no command %q", args[0])
	}
	s, err := parse(args[0], args[1:])
	if err != nil {
		return err
	}
	result, err := command(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	encode := json.NewEncoder(out)
	encode.SetIndent("", " ")
	return encode.Encode(result)
}

func parse(command string, args []string) (settings, error) {
	var s settings
	f := flag.NewFlagSet(command, flag.ContinueOnError)
	f.StringVar(&s.model, "model", "", "model folder")
	f.StringVar(&s.reference, "reference", "", "folder that baseline.py reference wrote")
	f.StringVar(&s.device, "device", "cpu", "cpu, cuda or cuda:N")
	f.StringVar(&s.fault, "fault", "", "lost: library whose function fault breaks the device")
	f.StringVar(&s.options, "options", "", "options of the CUDA provider, a=b,c=d")
	f.IntVar(&s.parallel, "parallel", 1, "runs at a time")
	f.BoolVar(&s.pageable, "pageable", false, "hand inputs over from Go's memory")
	f.BoolVar(&s.quick, "quick", false, "few runs of few sizes")
	f.BoolVar(&s.short, "short", false, "match only, of fewer batches")
	if err := f.Parse(args); err != nil {
		return s, fmt.Errorf("flags: %w", err)
	}
	return s, nil
}

// convertAll makes the folders OUT/fp32 and OUT/fp16 of the checkpoint SRC.
func convertAll(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: gpu convert SRC OUT")
	}
	for _, p := range []string{"fp32", "fp16"} {
		if _, err := convert.Convert(ctx, args[0], args[1]+"/"+p, convert.Options{Precision: p, Force: true}); err != nil {
			return err
		}
	}
	return nil
}

func openRuntime(s settings, profile string) (*ort.Runtime, error) {
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		return nil, err
	}
	o := ort.Options{Library: library, Device: s.device, Parallel: s.parallel, Profile: profile}
	if s.pageable {
		o.CUDA.Staging = -1
	}
	if s.options != "" {
		o.CUDA.Provider = map[string]string{}
		for pair := range strings.SplitSeq(s.options, ",") {
			key, value, _ := strings.Cut(pair, "=")
			o.CUDA.Provider[key] = value
		}
	}
	return ort.New(o)
}

// opened is a model with the runtime that it is on.
type opened struct {
	*encoder.Model
	runtime *ort.Runtime
}

func open(ctx context.Context, s settings) (opened, error) {
	rt, err := openRuntime(s, "")
	if err != nil {
		return opened{}, err
	}
	m, err := encoder.Open(ctx, s.model, rt)
	if err != nil {
		return opened{}, errors.Join(err, rt.Close())
	}
	return opened{Model: m, runtime: rt}, nil
}

func (o opened) close() error { return errors.Join(o.Close(), o.runtime.Close()) }
