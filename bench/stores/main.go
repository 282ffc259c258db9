// Command stores measures Sightline's embedded store beside others: on the same
// data, in the same minutes, each in a process of its own.
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
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "stores:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == workerCommand {
		return work(context.Background(), args[1:], os.Stdin, stdout) //nolint:forbidigo // this is main
	}
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // this is main
	defer stop()
	if o.render != "" {
		return o.renderFile(stdout)
	}
	b := &bench{options: o, log: stderr}
	return b.run(ctx, stdout)
}
