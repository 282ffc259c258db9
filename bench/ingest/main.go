// Command ingest measures how many pictures a second an import takes in, beside
// what its vision tower alone could do and what transformers does with the same
// files, in turns on one machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"sightline/bench/report"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "ingest:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // this is main
	defer stop()
	if len(args) > 0 && args[0] == limitCommand {
		return limit(ctx, args[1:], stdout)
	}
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.renderFile != "" {
		return report.Again(stdout, o.renderFile, o.docs, func(r *results) (string, string) { return name, section(r, o.renderFile) })
	}
	return (&bench{options: o, log: stderr}).run(ctx, stdout)
}
