package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"sightline/cmd/internal/cli"
	"sightline/indexer"
	"sightline/indexer/queue"
	"sightline/indexer/worker"
	"sightline/store"
	"sightline/store/fetch"
	"sightline/store/sources"
)

// servingBatch is the most pictures in one run of the vision tower beside
// searches: they wait for a batch that is under way.
const servingBatch = 2

// checkPatience bounds Check.
const checkPatience = 2 * time.Second

// Service takes and does changes while a program serves. It is safe for
// concurrent use.
type Service struct {
	env      cli.Env
	queue    *Queue
	fetcher  *fetch.Client
	sources  *sources.Store
	parts    indexer.Parts
	options  indexer.Options
	index    store.Index
	webhooks http.Handler // nil without a shop
	counts   counts
	attempts queue.Stats
}

// Open opens the queue and what workers need beside the catalogue. parts has no
// Fetcher and Sources yet.
func Open(ctx context.Context, e cli.Env, index store.Index, parts indexer.Parts, exact bool) (*Service, error) {
	s := &Service{env: e, index: index, parts: parts, counts: newCounts()}
	s.options = indexer.Options{Batch: servingBatch, Exact: exact, Revalidate: e.Revalidate, Fetchers: max(1, e.Workers)}
	if s.options.Revalidate == 0 { // which Options take for the default
		s.options.Revalidate = -1
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Service) open(ctx context.Context) (err error) {
	if s.fetcher, err = cli.OpenFetcher(s.env); err != nil {
		return err
	}
	if s.sources, err = cli.OpenSources(ctx, s.env); err != nil {
		return err
	}
	s.parts.Fetcher, s.parts.Sources = s.fetcher, s.sources
	s.parts = s.env.Tracing.Stages(s.parts)
	if s.queue, err = OpenQueue(ctx, s.env); err != nil {
		return err
	}
	s.webhooks, err = Webhooks(s.env, s.queue, s.counts.webhook)
	return err
}

// Queue is the queue that changes wait in.
func (s *Service) Queue() queue.Queue { return s.queue }

// Webhooks handles WebhookPath; nil where no shop is named.
func (s *Service) Webhooks() http.Handler { return s.webhooks }

// Fetcher fetches pictures and feeds.
func (s *Service) Fetcher() *fetch.Client { return s.fetcher }

// Check finds out whether index and queue answer.
func (s *Service) Check(r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), checkPatience)
	defer cancel()
	_, err := s.index.Stats(ctx)
	_, err2 := s.queue.Counts(ctx, "")
	return errors.Join(err, err2)
}

// Run does changes until ctx ends, and then finishes what is under way. With
// --workers 0 it only waits.
func (s *Service) Run(ctx context.Context) error {
	if s.env.Workers == 0 {
		<-ctx.Done()
		return nil
	}
	// The stream outlives ctx, so that workers can finish.
	stream := indexer.New(s.parts, s.options).Stream(context.WithoutCancel(ctx))
	w := worker.New(worker.Parts{Importer: s.env.Tracing.Importer(stream), Index: s.index}, worker.Options{Observe: s.counts.attempt})
	err := worker.Run(ctx, s.queue, s.env.Tracing.Job(w.Handle), worker.RunOptions{RunOptions: queue.RunOptions{
		Workers: s.env.Workers, Stats: &s.attempts,
		Trouble: func(err error) { s.env.Log.WarnContext(ctx, "queue", "error", err) },
	}})
	return errors.Join(err, stream.Close())
}

// Import brings in a feed that tells of the whole catalogue or of a part,
// without the queue.
func (s *Service) Import(ctx context.Context, feed indexer.Feed, o indexer.Options) (indexer.Summary, error) {
	o.Batch, o.Exact, o.Revalidate = s.options.Batch, s.options.Exact, s.options.Revalidate
	return indexer.New(s.parts, o).Run(ctx, feed)
}

// Close closes what Open opened, after Run has returned.
func (s *Service) Close() error {
	var err error
	if s.queue != nil {
		err = s.queue.Close()
	}
	if s.sources != nil {
		err = errors.Join(err, s.sources.Close())
	}
	if s.fetcher != nil {
		err = errors.Join(err, s.fetcher.Close())
	}
	if err != nil {
		return fmt.Errorf("close ingest: %w", err)
	}
	return nil
}
