package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sightline/cmd/internal/cli"
	"sightline/indexer/queue"
	"sightline/indexer/queue/sqlite"
	"sightline/store"
	"sightline/store/change"
	"sightline/store/pictures"
)

func pruneCommand(environ []string, s cli.Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "prune",
		Short: "Delete stored pictures that no item has any more",
		Long: `Delete the stored pictures, and their patch states, that no item of any
collection and no waiting or failed change names: those of deleted items and those
that were replaced. Nothing may have the catalogue open meanwhile. Younger ones
than --older stay, for whoever wants to go back.

It works on the data folder of an embedded catalogue.`,
		Example: `  indexd prune --dry-run
  indexd prune --older 720h`,
		Args: cli.Args(cobra.NoArgs),
		RunE: cli.Do(environ, s, runPrune),
	}
	cli.DataFlags(c.Flags())
	c.Flags().Duration("older", 7*24*time.Hour, "age from which pictures are deleted")
	c.Flags().Bool("dry-run", false, "say what would be deleted")
	c.Flags().Bool("json", false, "print the summary as JSON")
	return c
}

// pruned is the summary of a run.
type pruned struct {
	Kept    int   `json:"kept"` // pictures that something names
	Deleted int   `json:"deleted"`
	Bytes   int64 `json:"bytes"` // of the deleted ones
	DryRun  bool  `json:"dry_run,omitempty"`
}

func runPrune(ctx context.Context, e cli.Env, _ []string) (err error) {
	if e.Store == "milvus" || e.Blobs != "" {
		return cli.Usagef("prune works on the data folder of an embedded catalogue without --blobs: others may be about to name a picture of a bucket")
	}
	kept, err := pictures.Open(cli.PicturesDir(e))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	return withPlace(ctx, e, func(p *cli.Place) error {
		all, err := openAll(ctx, p)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, all.close()) }()
		named, err := all.pictures(ctx, e)
		if err != nil {
			return err
		}
		stale, err := kept.Stale(ctx, time.Now().Add(-e.Older), func(key string) bool { return named[key] })
		if err != nil {
			return err
		}
		if !e.DryRun {
			err = errors.Join(dropStates(ctx, e, p, stale.Keys), kept.Delete(ctx, stale.Keys...))
		}
		return errors.Join(err, printPruned(e, pruned{Kept: len(named), Deleted: len(stale.Keys), Bytes: stale.Bytes, DryRun: e.DryRun}))
	})
}

// collections are all of a place, open, so that no other program has them.
type collections []store.Index

func openAll(ctx context.Context, p *cli.Place) (collections, error) {
	list, err := p.List(ctx)
	if err != nil {
		return nil, err
	}
	var all collections
	for _, c := range list {
		x, err := p.Open(ctx, c.Fingerprint, c.Dim)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open collection %s: %w", c.Fingerprint, err), all.close())
		}
		all = append(all, x)
	}
	return all, nil
}

func (all collections) close() error {
	var err error
	for _, x := range all {
		err = errors.Join(err, x.Close())
	}
	return err
}

// pictures are those of all items, and those of changes that wait or may be
// retried.
func (all collections) pictures(ctx context.Context, e cli.Env) (map[string]bool, error) {
	named := map[string]bool{}
	for _, x := range all {
		if err := namedBy(ctx, x, named); err != nil {
			return nil, fmt.Errorf("read catalogue: %w", err)
		}
	}
	q, err := sqlite.Open(ctx, sqlite.Options{Dir: e.Data})
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	return named, errors.Join(namedByChanges(ctx, q, named), q.Close())
}

func namedBy(ctx context.Context, from store.Index, named map[string]bool) error {
	const page = 1000
	for after := ""; ; {
		entries, err := from.Scan(ctx, after, page, nil)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			after = entry.Item.ID
			for _, v := range append(entry.Views, store.View{Picture: entry.Picture}) {
				named[v.Picture] = true
			}
		}
		if len(entries) < page {
			delete(named, "") // of items without a picture
			return nil
		}
	}
}

func namedByChanges(ctx context.Context, q queue.Queue, named map[string]bool) error {
	for _, state := range []queue.State{queue.Waiting, queue.Leased, queue.Dead} {
		for after := ""; ; {
			jobs, err := q.List(ctx, queue.ListOptions{State: state, After: after, Limit: 1000})
			if err != nil {
				return fmt.Errorf("read queue: %w", err)
			}
			for _, j := range jobs {
				after = j.ID
				if err := namedByJob(ctx, q, j, named); err != nil {
					return err
				}
			}
			if len(jobs) < 1000 {
				break
			}
		}
	}
	return nil
}

func namedByJob(ctx context.Context, q queue.Queue, j queue.Job, named map[string]bool) error {
	if j.Kind != change.Kind {
		return nil // Shopify's pictures are at addresses
	}
	j, err := q.Get(ctx, j.ID)
	if err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	c, err := change.Decode(j.Payload)
	if err != nil {
		return fmt.Errorf("job %s: %w; nothing was deleted", j.ID, err)
	}
	for _, image := range c.Images {
		if key, ok := change.StoredKey(image); ok {
			named[key] = true
		}
	}
	return nil
}

// dropStates deletes the patch states that the collections have of pictures.
func dropStates(ctx context.Context, e cli.Env, p *cli.Place, keys []string) error {
	list, err := p.List(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		states, err := cli.OpenFeatures(e, c.Fingerprint)
		if err != nil {
			return fmt.Errorf("open patch states: %w", err)
		}
		if err := errors.Join(states.Delete(ctx, keys...), states.Close()); err != nil {
			return fmt.Errorf("delete patch states: %w", err)
		}
	}
	return nil
}

func printPruned(e cli.Env, p pruned) error {
	if e.JSON {
		return cli.PrintJSON(e.Out, p)
	}
	would := ""
	if p.DryRun {
		would = "would be "
	}
	_, err := fmt.Fprintf(e.Out, "%d pictures in use, %d %sdeleted (%.1f MB)\n", p.Kept, p.Deleted, would, float64(p.Bytes)/1e6)
	return err
}
