package rerank

import (
	"context"
	"fmt"
	"slices"

	"sightline/encoder"
)

// kind of a run. Pairs of each take a time of their own.
type kind int

const (
	ofPictures   kind = iota // one text with many pictures
	ofProjection             // what all titles read of one picture
	ofTitles                 // one picture, projected, with many titles
	kinds
)

// work is what one sub-batch asks of the device.
type work struct {
	kind kind

	q      encoder.Query // of pictures, as the next two
	keys   []string
	states []encoder.States

	// Of the others. Titles are in rising length, so that a cut leaves out the
	// longest; a projection has none, and call gives no logits for it.
	titles []encoder.Query
	call   func(ctx context.Context, titles []encoder.Query) ([]encoder.Logits, error)
	try    func(ctx context.Context) error // the least that shows whether the matcher works
}

// pairs that can be cut.
func (w work) pairs() int {
	switch w.kind {
	case ofPictures:
		return len(w.states)
	case ofTitles:
		return len(w.titles)
	}
	return 1
}

// tokens of each of the first n pairs, padding included.
func (w work) tokens(n int) int {
	switch {
	case w.kind == ofPictures:
		return len(w.q.IDs)
	case w.kind == ofTitles && n > 0:
		return len(w.titles[n-1].IDs)
	}
	return 1
}

// joins says whether two can be one run: pictures with one text.
func (w work) joins(other work) bool {
	return w.kind == ofPictures && other.kind == ofPictures && slices.Equal(w.q.IDs, other.q.IDs)
}

// do runs it.
func (w work) do(ctx context.Context, m Matcher) ([]encoder.Logits, error) {
	var logits []encoder.Logits
	var err error
	want := w.pairs()
	switch w.kind {
	case ofPictures:
		logits, err = m.Match(ctx, w.q, w.states)
	case ofProjection:
		want = 0
		fallthrough
	default:
		logits, err = w.call(ctx, w.titles)
	}
	if err == nil && len(logits) != want {
		err = fmt.Errorf("%d logits for %d pairs", len(logits), want)
	}
	return logits, err
}

// probe reads one pair. It does not hold on to the others.
func (w work) probe(m Matcher) func(context.Context) error {
	if w.kind != ofPictures {
		return w.try
	}
	q, states := w.q, []encoder.States{w.states[0]}
	return func(ctx context.Context) error {
		_, err := m.Match(ctx, q, states)
		return err
	}
}
