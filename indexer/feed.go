package indexer

import (
	"errors"
	"fmt"

	"sightline/encoder/picture"
	"sightline/indexer/feed"
)

// The words of package feed that a run deals in.
type (
	// Record is one row of a feed.
	Record = feed.Record
	// Feed yields the rows of a catalogue.
	Feed = feed.Feed
	// Stage names where an item failed.
	Stage = feed.Stage
	// Fault is the failure of one item.
	Fault = feed.Fault
)

// The stages of a run, in order.
const (
	StageFeed         = feed.StageFeed
	StageFetch  Stage = "fetch"
	StageDecode Stage = "decode"
	StageEncode Stage = "encode"
	StageWrite  Stage = "write"
)

func feedFault(format string, args ...any) *Fault {
	return &Fault{Stage: StageFeed, Err: fmt.Errorf(format, args...)}
}

// decodeFault says of a picture what its owner can use; the decoder's own words
// are kept for logs.
func decodeFault(err error) *Fault {
	var p *picture.Error
	if errors.As(err, &p) && p.Msg != "" {
		err = worded{err, p.Msg}
	}
	return &Fault{Stage: StageDecode, Err: err}
}

type worded struct {
	error
	text string
}

func (w worded) Error() string { return w.text }
func (w worded) Unwrap() error { return w.error }

// causeOf is what a fault is logged with.
func causeOf(f *Fault) error {
	var w worded
	if errors.As(f.Err, &w) {
		return w.error
	}
	return f.Err
}
