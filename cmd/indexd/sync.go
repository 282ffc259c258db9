package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/remote"
	"sightline/indexer"
	"sightline/indexer/shopify"
	"sightline/store"
)

const (
	keyVariable = "SIGHTLINE_API_KEY"
	serverUsage = "address of a searchd that serves the catalogue, to import through its REST API; a key for it, with the scope write, comes from " + keyVariable + " or " + keyVariable + "_FILE"
	statesUsage = "how patch states are kept: int8, fp32 (exact, four times the disk), or auto: fp32 where that is at most 64 KB a picture"
)

// syncFlags adds the flags of a feed that may be the whole catalogue.
func syncFlags(fs *pflag.FlagSet) {
	fs.Bool("full-sync", false, "the feed is the whole catalogue: delete items that it does not name")
	fs.Int("max-vanish", 20, "most items that --full-sync deletes, in percent of all; more only with --force")
	fs.Bool("force", false, "let --full-sync delete whatever the feed does not name")
}

// maxVanish is the share of --max-vanish. 0 stands for the default in Options,
// and for none in the flag.
func maxVanish(e cli.Env) float64 { return max(float64(e.MaxVanish)/100, 1e-9) }

// syncOptions are those of a feed as of now.
func syncOptions(e cli.Env) indexer.Options {
	return indexer.Options{
		FullSync: e.FullSync, MaxVanish: maxVanish(e), Force: e.Force,
		AsOf: time.Now(), Keep: []string{shopify.AttributeID},
	}
}

// remoteImport sends feeds to --server.
func remoteImport(e cli.Env) (remote.Options, error) {
	key, err := store.ReadSecret(cli.Getenv(e.Environ), keyVariable)
	if err != nil {
		return remote.Options{}, cli.Usage(err)
	}
	return remote.Options{Server: e.Server, Key: key, FullSync: e.FullSync, MaxVanish: maxVanish(e), Force: e.Force}, nil
}

// importRemote is import with --server.
func importRemote(ctx context.Context, e cli.Env, path string, source indexer.Feed, rejected *report) error {
	o, err := remoteImport(e)
	if err != nil {
		return err
	}
	p := newProgress(e)
	o.Observe, o.Rejected = p.observe, rejected.add
	im, err := remote.New(o)
	if err != nil {
		return cli.Usagef("--server: %w", err)
	}
	sum, err := im.Run(ctx, source)
	p.finish()
	return ended(e, path, sum, err)
}

// forward is serve with --server: it brings in the feed, and nothing else.
func (sv *server) forward(ctx context.Context) error {
	o, err := remoteImport(sv.env)
	if err != nil {
		return err
	}
	client, err := cli.OpenFetcher(sv.env)
	if err != nil {
		return err
	}
	sv.webhooks.Set(nil)
	sv.health.Set(ready)
	sv.schedule(ctx, func(ctx context.Context) error {
		return sv.bringIn(ctx, client, func(ctx context.Context, source indexer.Feed, rejected *report) (indexer.Summary, error) {
			with := o
			with.Rejected = rejected.add
			im, err := remote.New(with)
			if err != nil {
				return indexer.Summary{}, fmt.Errorf("--server: %w", err)
			}
			return im.Run(ctx, source)
		})
	})
	return client.Close()
}
