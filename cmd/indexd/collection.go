package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/indexer"
	"sightline/store"
	"sightline/store/embedded"
)

func collectionCommand(environ []string, s cli.Streams) *cobra.Command {
	group := cli.Group(&cobra.Command{
		Use:   "collection",
		Short: "Move a catalogue to another model, while the old one serves",
		Long: `A catalogue has one collection of embeddings for each model. The current one is
served. To move to another model: build its collection beside the current one,
switch, and start searchd with the new --model. To take that back: switch to the
old one, and start searchd with the old --model.`,
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

func runBuild(ctx context.Context, e cli.Env, _ []string) (err error) {
	manifest, err := bundle.Read(e.Model)
	if err != nil {
		return err
	}
	from, items, err := currentItems(ctx, e, manifest.Fingerprint)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	return withData(ctx, e, cli.OpenBeside, func(m *encoder.Model, d *cli.Data) error {
		feed := indexer.Stored(ctx, from, items, cli.PicturesDir(e))
		if err := embedStored(ctx, e, "build collection", partsOf(m, d), m.Manifest(), feed); err != nil {
			return err
		}
		if err := removeExtras(ctx, d.Index, from); err != nil {
			return err
		}
		if e.Switch {
			return d.Place.Switch(ctx, m.Fingerprint())
		}
		fmt.Fprintf(e.Err, "collection %s is built; 'indexd collection switch --model %s' makes it the current one\n", m.Fingerprint(), e.Model)
		return nil
	})
}

// source is the current collection, open for reading.
type source interface {
	indexer.Scanner

	Close() error
}

// currentItems opens the current collection beside whoever serves it.
func currentItems(ctx context.Context, e cli.Env, fingerprint string) (from source, items int, err error) {
	p, err := cli.OpenPlace(ctx, e, nil)
	if err != nil {
		return nil, 0, err
	}
	current, err := p.Current(ctx)
	switch {
	case err == nil && current == "":
		err = cli.Usagef("%s holds no catalogue yet: 'indexd import' makes the first one", e.Data)
	case err == nil && current == fingerprint:
		err = cli.Usagef("--model %s is the model of the current collection already; give the one to move to", e.Model)
	}
	if err != nil {
		return nil, 0, errors.Join(err, p.Close())
	}
	s, err := openSource(ctx, p, current)
	if err != nil {
		return nil, 0, errors.Join(err, p.Close())
	}
	stats, err := s.Stats(ctx)
	if err != nil {
		return nil, 0, errors.Join(err, s.Close())
	}
	return s, stats.Items, nil
}

// placed is a source that closes its place too.
type placed struct {
	indexer.Scanner

	stats func(context.Context) (store.Stats, error)
	close func() error
	place *cli.Place
}

func (p placed) Stats(ctx context.Context) (store.Stats, error) { return p.stats(ctx) }

// Close closes the collection and then its place.
func (p placed) Close() error { return errors.Join(p.close(), p.place.Close()) }

// openSource reads an embedded collection from disk, since the program that
// serves it has it locked.
func openSource(ctx context.Context, p *cli.Place, fingerprint string) (placed, error) {
	if files, ok := p.Collections.(*embedded.Collections); ok {
		r, err := files.Reader(ctx, fingerprint)
		if err != nil {
			return placed{}, err
		}
		return placed{Scanner: r, stats: r.Stats, close: r.Close, place: p}, nil
	}
	list, err := p.List(ctx)
	if err != nil {
		return placed{}, err
	}
	dim := 0
	for _, c := range list {
		if c.Fingerprint == fingerprint {
			dim = c.Dim
		}
	}
	x, err := p.Open(ctx, fingerprint, dim)
	if err != nil {
		return placed{}, err
	}
	return placed{Scanner: x, stats: x.Stats, close: x.Close, place: p}, nil
}

// removeExtras deletes what the current collection has no more.
func removeExtras(ctx context.Context, built store.Index, from indexer.Scanner) error {
	extras, err := indexer.Extras(ctx, built, from)
	if err != nil || len(extras) == 0 {
		return err
	}
	_, err = built.Delete(ctx, extras)
	return err
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
	m, err := bundle.Read(e.Model)
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
