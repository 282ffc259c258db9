package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"sightline/encoder"
	"sightline/indexer"
	"sightline/indexer/queue"
	"sightline/indexer/worker"
	"sightline/store"
	"sightline/store/fetch"
)

// Job makes a span of each attempt at a change.
func (t *Tracing) Job(next queue.Handler) queue.Handler {
	if t == nil {
		return next
	}
	return func(ctx context.Context, j queue.Job) (outcome string, err error) {
		err = t.within(ctx, "change", func(ctx context.Context) error {
			outcome, err = next(ctx, j)
			trace.SpanFromContext(ctx).SetAttributes(attribute.String("sightline.outcome", outcome))
			return err
		}, attribute.String("sightline.kind", j.Kind), attribute.String("sightline.job", j.ID), attribute.Int("sightline.attempt", j.Attempt))
		return outcome, err
	}
}

// Importer makes a span of each item that goes through the pipeline.
func (t *Tracing) Importer(next worker.Importer) worker.Importer {
	if t == nil {
		return next
	}
	return importer{next, t}
}

type importer struct {
	worker.Importer
	t *Tracing
}

// Do imports in a span.
func (x importer) Do(ctx context.Context, r indexer.Record) (indexer.Outcome, error) {
	return spanOf(ctx, x.t, "import item", func(ctx context.Context) (indexer.Outcome, error) {
		return x.Importer.Do(ctx, r)
	})
}

// Stages makes spans of the stages of an import. Batches of pictures and writes
// hold the items of several callers, and so are traces of their own.
func (t *Tracing) Stages(p indexer.Parts) indexer.Parts {
	if t == nil {
		return p
	}
	p.Encoder = batches{p.Encoder, t}
	p.Index = sink{p.Index, t}
	if p.Fetcher != nil {
		p.Fetcher = fetcher{p.Fetcher, t}
	}
	return p
}

type batches struct {
	indexer.ImageEncoder
	t *Tracing
}

// Images encodes in a span.
func (x batches) Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error) {
	return spanOf(ctx, x.t, "encode batch", func(ctx context.Context) ([]encoder.Features, error) {
		return x.ImageEncoder.Images(ctx, batch)
	}, attribute.Int("sightline.pictures", len(batch)))
}

type sink struct {
	indexer.Sink
	t *Tracing
}

// Upsert writes in a span.
func (x sink) Upsert(ctx context.Context, entries []store.Entry) error {
	return x.t.within(ctx, "write batch", func(ctx context.Context) error { return x.Sink.Upsert(ctx, entries) }, attribute.Int("sightline.items", len(entries)))
}

type fetcher struct {
	indexer.Fetcher
	t *Tracing
}

// Get fetches in a span.
func (x fetcher) Get(ctx context.Context, r fetch.Request) (fetch.Response, error) {
	return spanOf(ctx, x.t, "fetch", func(ctx context.Context) (fetch.Response, error) {
		return x.Fetcher.Get(ctx, r)
	})
}
