// Command indexd is the offline side of Sightline: it converts models and
// imports catalogues.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"sightline/cmd/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	err := run(ctx, os.Args[1:], os.Environ(), cli.Streams{Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(cli.Report(os.Stderr, "indexd", err))
}
