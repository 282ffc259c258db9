package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
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

func runRepair(ctx context.Context, e cli.Env, _ []string) (err error) {
	m, closeModel, err := cli.OpenModel(ctx, e.Settings, e.Environ, e.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeModel()) }()
	d, err := cli.OpenData(ctx, e, m.Manifest(), cli.LogLoading(e))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	stats, err := d.Index.Stats(ctx)
	if err != nil {
		return err
	}
	parts := indexer.Parts{Encoder: m, Index: d.Index, Features: d.Features, Pictures: d.Pictures}
	if e.Deep {
		parts.Features = readBack{Features: d.Features, ctx: ctx}
	}
	p := newProgress(e)
	ix := indexer.New(parts, indexer.Options{Batch: e.Batch, Exact: cli.ExactStates(e.States, m.Manifest()), Observe: p.observe})
	sum, err := ix.Run(ctx, indexer.Stored(ctx, d.Index, stats.Items, cli.PicturesDir(e)))
	p.finish()
	return errors.Join(runError("repair", sum, err), printSummary(e, sum))
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
