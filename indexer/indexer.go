package indexer

import (
	"context"
	"runtime"
	"time"

	"sightline/encoder"
	"sightline/encoder/picture"
	"sightline/store"
	"sightline/store/features"
)

// ImageEncoder is the picture side of a model; encoder.Model is one. Pixels is
// called by several goroutines, Images by one at a time.
type ImageEncoder interface {
	Fingerprint() string
	Pixels(data []byte) (encoder.Pixels, error)
	Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error)
}

// Sink is what an import needs of a store.Index.
type Sink interface {
	Get(ctx context.Context, ids []string) ([]store.Entry, error)
	Upsert(ctx context.Context, entries []store.Entry) error
}

// Features keeps patch states by picture; features.Store is one.
type Features interface {
	Has(key string) bool
	Put(ctx context.Context, key string, r features.Record) error
	Sync() error
}

// Pictures keeps copies of the original bytes by their SHA-256; pictures.Store
// is one.
type Pictures interface {
	Put(ctx context.Context, data []byte) (key string, err error)
}

// Parts are what an Indexer joins. All are safe for concurrent use and belong
// to the caller.
type Parts struct {
	Encoder  ImageEncoder
	Index    Sink
	Features Features
	Pictures Pictures
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
	// disk for an exact second look.
	Exact bool
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

// Indexer imports feeds. It is safe for concurrent use, but two runs over the
// same items at once do their work twice.
type Indexer struct {
	parts   Parts
	options Options
}

// New returns an Indexer.
func New(p Parts, o Options) *Indexer {
	return &Indexer{parts: p, options: o.withDefaults()}
}
