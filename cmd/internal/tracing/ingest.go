package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"sightline/encoder"
	"sightline/indexer"
	"sightline/indexer/worker"
	"sightline/store"
	"sightline/store/fetch"
)

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

// Stages makes spans of the stages of an import, below the item's. Batches of
// pictures and writes hold the items of several callers: they are below the
// first one's and have links to the others'. Those of a whole feed are traces
// of their own.
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
		linkOthers(ctx)
		return x.ImageEncoder.Images(ctx, batch)
	}, attribute.Int("sightline.pictures", len(batch)))
}

// PixelsOf decodes in a span.
func (x batches) PixelsOf(ctx context.Context, data []byte) (encoder.Pixels, error) {
	return spanOf(ctx, x.t, "decode", func(context.Context) (encoder.Pixels, error) {
		return x.Pixels(data)
	}, attribute.Int("sightline.bytes", len(data)))
}

// linkOthers adds links to the items of a batch beside the first, which the
// batch's span is below.
func linkOthers(ctx context.Context) {
	callers := indexer.Callers(ctx)
	for _, c := range callers[min(1, len(callers)):] {
		trace.SpanFromContext(ctx).AddLink(trace.LinkFromContext(c))
	}
}

type sink struct {
	indexer.Sink
	t *Tracing
}

// Upsert writes in a span.
func (x sink) Upsert(ctx context.Context, entries []store.Entry) error {
	return x.t.within(ctx, "write batch", func(ctx context.Context) error {
		linkOthers(ctx)
		return x.Sink.Upsert(ctx, entries)
	}, attribute.Int("sightline.items", len(entries)))
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
