package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/indexer"
)

func repairCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "repair",
		Short: "Compute patch states that are missing, from the stored pictures",
		Long: `Go through the catalogue and compute what the second look needs and does not
find: after a restore, after damage, or after a --features-budget-mb that was too
small. Items that lack nothing are left alone, so a run that was stopped goes on
where it was. With --deep, patch states are read and damaged ones replaced.

Exit codes as of 'indexd import'.`,
		Example: `  indexd repair
  indexd repair --deep --data ./sightline-data --model ./sightline-model`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, runRepair),
	}
	embedFlags(c)
	c.Flags().Bool("deep", false, "read all patch states, and replace damaged ones")
	return c
}

// embedFlags are those of the commands that embed a stored catalogue.
func embedFlags(c *cobra.Command) {
	cli.DataFlags(c.Flags())
	cli.ModelFlags(c.Flags())
	cli.WriterFlags(c.Flags())
	c.Flags().Int("batch", 8, "pictures in one run of the vision tower")
	c.Flags().String("states", "auto", "how patch states are kept: int8, fp32, or auto: as import does")
	c.Flags().Bool("json", false, "print the summary as JSON, without progress")
}

func runRepair(ctx context.Context, e cli.Env, _ []string) error {
	return withData(ctx, e, openCurrent, func(m *encoder.Model, d *cli.Data) error {
		stats, err := d.Index.Stats(ctx)
		if err != nil {
			return err
		}
		parts := partsOf(m, d)
		if e.Deep {
			parts.Features = readBack{Features: d.Features, ctx: ctx}
		}
		return embedStored(ctx, e, "repair", parts, m.Manifest(), indexer.Stored(ctx, d.Index, stats.Items))
	})
}

// embedStored imports a catalogue that is stored already.
func embedStored(ctx context.Context, e cli.Env, what string, parts indexer.Parts, m bundle.Manifest, from indexer.Feed) error {
	p := newProgress(e)
	options := indexer.Options{Batch: e.Batch, Exact: cli.ExactStates(e.States, m), Observe: p.observe}
	sum, err := indexer.New(parts, options).Run(ctx, from)
	p.finish()
	return errors.Join(runError(what, sum, err), printSummary(e, sum))
}

// readBack believes in patch states that could be read only.
type readBack struct {
	cli.Features

	ctx context.Context // of the command: Has is asked without one
}

func (r readBack) Has(picture string) bool {
	_, ok, err := r.Get(r.ctx, picture)
	return ok && err == nil
}

func runError(what string, sum indexer.Summary, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case sum.Failed > 0:
		return fmt.Errorf("%w: %d of %d, listed above", cli.ErrSomeFailed, sum.Failed, sum.Seen)
	}
	return nil
}
