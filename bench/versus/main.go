// Command versus measures Sightline's model beside Hugging Face transformers with
// the same weights, in turns on one machine: the second look, the vision tower,
// texts, and how far the logits are apart.
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
	if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "versus:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // this is main
	defer stop()
	if len(args) > 0 {
		switch args[0] {
		case serveCommand:
			return serve(ctx, args[1:], stdin, stdout)
		case withoutCommand:
			return withoutAMX(args[1:])
		}
	}
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.renderFile != "" {
		return report.Again(stdout, o.renderFile, o.docs, func(r *results) (string, string) {
			name, _ := r.section()
			return name, section(r, o.renderFile)
		})
	}
	return (&bench{options: o, log: stderr}).run(ctx, stdout)
}
