package indexer

import (
	"context"
	"runtime"
	"time"

	"sightline/encoder"
	"sightline/encoder/picture"
	"sightline/store"
	"sightline/store/features"
	"sightline/store/fetch"
	"sightline/store/filter"
	"sightline/store/sources"
)

// ImageEncoder is the picture side of a model; encoder.Model is one. Pixels is
// called by several goroutines, Images by one at a time of each Run or Stream.
// Where it also has PixelsOf(ctx, data), that is called instead of Pixels.
type ImageEncoder interface {
	Fingerprint() string
	Pixels(data []byte) (encoder.Pixels, error)
	Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error)
}

// pixelsEncoder is an ImageEncoder that wants to know on whose behalf it decodes,
// such as one that makes spans of it.
type pixelsEncoder interface {
	PixelsOf(ctx context.Context, data []byte) (encoder.Pixels, error)
}

// Sink is what an import needs of a store.Index.
type Sink interface {
	Get(ctx context.Context, ids []string) ([]store.Entry, error)
	Upsert(ctx context.Context, entries []store.Entry) error
	// Scan and Delete are for FullSync.
	Scan(ctx context.Context, after string, limit int, e filter.Expr) ([]store.Entry, error)
	Delete(ctx context.Context, ids []string) (int, error)
}

// Features keeps patch states by picture; features.Store is one.
type Features interface {
	// Grid says whether patch states are pooled before they are Put.
	Grid() features.Grid
	Has(key string) bool
	Put(ctx context.Context, key string, r features.Record) error
	Sync() error
}

// Pictures keeps copies of the original bytes by their SHA-256; pictures.Store
// is one.
type Pictures interface {
	Put(ctx context.Context, data []byte) (key string, err error)
	Get(ctx context.Context, key string) ([]byte, error)
	Has(key string) bool
}

// Fetcher gets pictures from http(s) addresses; fetch.Client is one. An error
// that is a *fetch.Error is the item's, any other ends the run.
type Fetcher interface {
	Get(ctx context.Context, r fetch.Request) (fetch.Response, error)
}

// Sources remembers what was found at an address; sources.Store is one.
type Sources interface {
	Get(ctx context.Context, address string) (sources.Source, bool, error)
	Put(ctx context.Context, address string, found sources.Source) error
}

// Labeller says what a picture shows, for store.Item.WithLabels, and in words what is
// done about it; labels.Scorer is one.
type Labeller interface {
	Label(ctx context.Context, image encoder.States) (names []string, rules, notice string, err error)
}

// Parts are what an Indexer joins. All are safe for concurrent use and belong
// to the caller.
type Parts struct {
	Encoder  ImageEncoder
	Index    Sink
	Features Features
	Pictures Pictures
	Fetcher  Fetcher // nil refuses pictures at addresses
	Sources  Sources // nil fetches every address in every run
	// Labels judges the first picture of each item when that is encoded; nil for no
	// labels.
	Labels Labeller
}

// Options of an Indexer; zero values mean the defaults.
type Options struct {
	// Batch is the most pictures in one run of the vision tower; default 8.
	// More gains nothing on a CPU and delays Ctrl-C.
	Batch int
	// Decoders is the number of pictures decoded at once; default GOMAXPROCS.
	// It bounds memory: see package picture, 220 MB for an ordinary JPEG at
	// the limit of 40 megapixels and 960 MB for the worst file.
	Decoders int
	// MaxBytes bounds the file of one picture; default picture.DefaultLimits().
	MaxBytes int64
	// Exact keeps patch states as float32 instead of int8: four times the
	// disk for an exact second look. Pooled ones are int8 all the same.
	Exact bool
	// Revalidate is the age from which an address is asked again whether its
	// picture has changed; younger ones are taken for unchanged. Default 24 h;
	// below 0: always ask.
	Revalidate time.Duration
	// Fetchers is how many pictures are read or fetched at once; default 32.
	// They wait on disks and servers, and bound memory by MaxBytes each. The
	// pictures of one item are fetched one after the other.
	Fetchers int
	// AsOf is the time of the feed, such as that of asking for it: no later than
	// any change that the feed does not know. Rows without a version are as old.
	// What the index holds of a later time (store.Item.NewerThan), as by a webhook,
	// is left alone by them, and by FullSync; anything else they overwrite. What
	// has not changed is not written. Zero: rows without a version have version 0.
	AsOf time.Time
	// Keep names attributes that a row without them takes over from the stored
	// item: those that a feed does not know and webhooks do.
	Keep []string
	// DryRun finds out what would be done and does nothing: addresses are not
	// fetched, and nothing is encoded or written.
	DryRun bool
	// FullSync says that the feed is the whole catalogue: items that it does not
	// name are deleted at its end, unless it was stopped or broke. More than
	// MaxVanish of all items (a share, default 0.2), or any while there are rows
	// without a readable id, are deleted with Force only; else Run returns
	// ErrNotDeleted.
	FullSync  bool
	MaxVanish float64
	Force     bool
	// Grace is how long a batch under way may go on after ctx ended before it
	// is dropped; default 10 s.
	Grace time.Duration
	// Observe is told how each item ended and how far the run is, in the order
	// of the feed and never twice at a time. It holds up the run while it runs.
	Observe func(Outcome, Progress)
	// Rejected is given each row that failed, at whatever stage, as far as it
	// was read. It is called at once, by several goroutines and not in the
	// order of the feed, so that rows with their data: URLs need not wait for
	// their turn in memory. feed.Report.Write is made for it.
	Rejected func(Record, *Fault)
}

func (o Options) withDefaults() Options {
	if o.Batch <= 0 {
		o.Batch = 8
	}
	if o.Decoders <= 0 {
		o.Decoders = runtime.GOMAXPROCS(0)
	}
	if o.Revalidate == 0 {
		o.Revalidate = 24 * time.Hour
	}
	if o.Fetchers <= 0 {
		o.Fetchers = 32
	}
	if o.MaxVanish <= 0 {
		o.MaxVanish = 0.2
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = picture.DefaultLimits().Bytes
	}
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	if o.Observe == nil {
		o.Observe = func(Outcome, Progress) {}
	}
	if o.Rejected == nil {
		o.Rejected = func(Record, *Fault) {}
	}
	return o
}

// Indexer imports feeds (Run) and single items (Stream). It is safe for
// concurrent use, but two runs over the same items at once do their work twice.
type Indexer struct {
	parts   Parts
	options Options
}

// New returns an Indexer.
func New(p Parts, o Options) *Indexer {
	return &Indexer{parts: p, options: o.withDefaults()}
}
