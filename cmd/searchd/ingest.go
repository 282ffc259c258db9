package main

import (
	"context"
	"errors"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/ingest"
	"sightline/encoder"
	"sightline/indexer"
)

// openIngest opens the queue and starts the workers. Searches do not wait for
// them; they share the model.
func (sv *service) openIngest(ctx context.Context, m *encoder.Model) error {
	if sv.catalogue == nil { // eval only searches
		return nil
	}
	sv.catalogue.Items = sv.data.Index
	if sv.env.ReadOnly {
		sv.webhooks.Set(nil)
		return nil
	}
	exact, err := sv.exactStates(ctx, m)
	if err != nil {
		return err
	}
	parts, err := cli.LabelParts(sv.env, m, indexer.Parts{Encoder: m, Index: sv.data.Index, Features: sv.data.Features, Pictures: sv.data.Pictures})
	if err != nil {
		return err
	}
	if sv.ingest, err = ingest.Open(ctx, sv.env, sv.data.Index, parts, exact); err != nil {
		return err
	}
	sv.metrics.registry.MustRegister(sv.ingest)
	sv.catalogue.Writer, sv.catalogue.Uploads = sv.ingest.Writer(), sv.data.Pictures
	sv.webhooks.Set(sv.ingest.Webhooks())
	// The workers outlive the end of ctx, with which the server takes no more
	// requests: callers wait for their writes until it has drained.
	ctx, sv.stopWork = context.WithCancel(context.WithoutCancel(ctx))
	sv.work.Go(func() error { return sv.ingest.Run(ctx) })
	return nil
}

// exactStates says how patch states of new pictures are kept: as --states says,
// else as those that are there.
func (sv *service) exactStates(ctx context.Context, m *encoder.Model) (bool, error) {
	if states := sv.env.States; states == "int8" || states == "fp32" {
		return cli.ExactStates(states, m.Manifest()), nil
	}
	return sv.data.ExactStates(ctx, m.Manifest())
}

// closeIngest lets the workers finish what they are at.
func (sv *service) closeIngest() error {
	if sv.ingest == nil {
		return nil
	}
	if sv.stopWork != nil {
		sv.stopWork()
	}
	return errors.Join(sv.work.Wait(), sv.ingest.Close())
}
