package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
)

func collectionCommand(environ []string, s cli.Streams) *cobra.Command {
	group := cli.Group(&cobra.Command{
		Use:   "collection",
		Short: "List, build, switch and drop the collections of the models",
		Long: `A catalogue has one collection of embeddings for each model. The current one is
served. 'indexd migrate' moves to another model without losing a write. These are
its single steps: build the new model's collection beside the current one, switch
while nothing is written, and start searchd with the new --model.`,
		Example: `  indexd collection build --model ./new-model
  indexd collection switch --model ./new-model
  indexd collection list
  indexd collection drop f47ee008720dfdc223ea75c8b117432c`,
	})
	group.AddCommand(listCommand(environ, s), buildCommand(environ, s), switchCommand(environ, s), dropCommand(environ, s))
	return group
}

func listCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "Show the collections, the current one first",
		Example: "  indexd collection list --data ./sightline-data --json",
		Args:    cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, _ []string) error {
			return withPlace(ctx, e, func(p *cli.Place) error { return printCollections(ctx, e, p) })
		}),
	}
	cli.DataFlags(c.Flags())
	c.Flags().Bool("json", false, "print one JSON line a collection")
	return c
}

func withPlace(ctx context.Context, e cli.Env, do func(*cli.Place) error) error {
	p, err := cli.OpenPlace(ctx, e, nil)
	if err != nil {
		return err
	}
	return errors.Join(do(p), p.Close())
}

func printCollections(ctx context.Context, e cli.Env, p *cli.Place) error {
	list, err := p.List(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if e.JSON {
			if err := cli.PrintJSON(e.Out, map[string]any{"fingerprint": c.Fingerprint, "dim": c.Dim, "items": c.Items, "current": c.Current}); err != nil {
				return err
			}
			continue
		}
		mark := " "
		if c.Current {
			mark = "*"
		}
		fmt.Fprintf(e.Out, "%s %s  %d items, %d-d\n", mark, c.Fingerprint, c.Items, c.Dim)
	}
	return nil
}

func buildCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "build",
		Short: "Embed the current collection's items with another model, beside it",
		Long: `Read the items of the current collection and the stored pictures, and write a
collection for --model. searchd may go on serving the current one. Run it again
to catch up with what was written since; items that are up to date are left
alone, and those that are gone are removed. A run that was stopped goes on where
it was.

Exit codes as of 'indexd import'.`,
		Example: `  indexd collection build --model ./new-model
  indexd collection build --model ./new-model --switch`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, runBuild),
	}
	embedFlags(c)
	c.Flags().Bool("switch", false, "make it the current one where no item failed")
	return c
}

// runBuild is one pass of a migration.
func runBuild(ctx context.Context, e cli.Env, _ []string) (err error) {
	manifest, err := cli.RetrievalManifest(e.Model)
	if err != nil {
		return err
	}
	l, err := openLive(ctx, e, manifest.Fingerprint)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	return withData(ctx, e, cli.OpenBeside, func(m *encoder.Model, d *cli.Data) error {
		g := newMigration(e, l, m, d)
		if err := g.look(ctx, 0); err != nil {
			return err
		}
		err := runError("build collection", g.total, errors.Join(g.pass(ctx), g.seal(ctx)))
		if err := errors.Join(err, printSummary(e, g.total)); err != nil {
			return err
		}
		if e.Switch {
			return d.Place.Switch(ctx, m.Fingerprint())
		}
		fmt.Fprintf(e.Err, "collection %s is built; 'indexd collection switch --model %s' makes it the current one\n", m.Fingerprint(), e.Model)
		return nil
	})
}

func switchCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "switch [FINGERPRINT]",
		Short: "Make another collection the current one",
		Long: `Make the collection of --model, or the one named, the current one. searchd goes
on with the one that it has open until it is started again, with the other
--model.`,
		Example: `  indexd collection switch --model ./new-model
  indexd collection switch f47ee008720dfdc223ea75c8b117432c`,
		Args: cli.Args(cobra.MaximumNArgs(1)),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, args []string) error {
			fingerprint, err := fingerprintOf(e, args)
			if err != nil {
				return err
			}
			return withPlace(ctx, e, func(p *cli.Place) error {
				return errors.Join(p.Switch(ctx, fingerprint), printCollections(ctx, e, p))
			})
		}),
	}
	cli.DataFlags(c.Flags())
	c.Flags().String("model", "sightline-model", "folder of the model whose collection it is, where none is named")
	return c
}

func fingerprintOf(e cli.Env, args []string) (string, error) {
	if len(args) == 1 {
		return strings.TrimSpace(args[0]), nil
	}
	m, err := cli.RetrievalManifest(e.Model)
	return m.Fingerprint, err
}

func dropCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "drop FINGERPRINT",
		Short: "Remove a collection that is not the current one",
		Long: `Remove a collection with its embeddings and patch states. Pictures stay: they are
shared. There is no way back but building it again.`,
		Example: "  indexd collection drop f47ee008720dfdc223ea75c8b117432c",
		Args:    cli.Args(cobra.ExactArgs(1)),
		RunE: cli.Do(environ, s, func(ctx context.Context, e cli.Env, args []string) error {
			return withPlace(ctx, e, func(p *cli.Place) error {
				return errors.Join(p.Drop(ctx, strings.TrimSpace(args[0])), printCollections(ctx, e, p))
			})
		}),
	}
	cli.DataFlags(c.Flags())
	return c
}
