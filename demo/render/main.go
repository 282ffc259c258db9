// Command render writes a catalogue that does not exist: pictures of products,
// the shop's feed in three formats, captions with hard negatives, and queries
// whose right answers are known. See package catalogue for the formats.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1) //nolint:gocritic // nothing waits for stop any more
	}
}
