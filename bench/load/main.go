// Command load measures a searchd under load: how many requests it answers, how
// late and how deeply read, when more come than it can take, when its device
// hangs or fails, and whether its memory grows.
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
		_, _ = fmt.Fprintln(os.Stderr, "load:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // this is main
	defer stop()
	if len(args) > 0 && args[0] == graphCommand {
		return graph(ctx, args[1:], stdout)
	}
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.renderFile != "" {
		return report.Again(stdout, o.renderFile, o.docs, func(r *results) (string, string) { return r.name(), section(r, o.renderFile) })
	}
	return (&bench{options: o, log: stderr}).run(ctx, stdout)
}
