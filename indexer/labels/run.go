package labels

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"sightline/encoder"
	"sightline/store"
	"sightline/store/features"
	"sightline/store/filter"
)

// Index is what Run needs of a store.Index.
type Index interface {
	Get(ctx context.Context, ids []string) ([]store.Entry, error)
	Scan(ctx context.Context, after string, limit int, e filter.Expr) ([]store.Entry, error)
	Stats(ctx context.Context) (store.Stats, error)
	Upsert(ctx context.Context, entries []store.Entry) error
}

// Features are stored patch states; features.Store is one.
type Features interface {
	Get(ctx context.Context, picture string) (features.Record, bool, error)
}

// Pictures are the stored ones; pictures.Store is one.
type Pictures interface {
	Get(ctx context.Context, key string) ([]byte, error)
}

// Images sees pictures whose patch states are not stored; encoder.Model is one.
type Images interface {
	Pixels(data []byte) (encoder.Pixels, error)
	Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error)
}

// Parts are what a run joins; they belong to the caller.
type Parts struct {
	Scorer   *Scorer
	Index    Index
	Features Features
	Pictures Pictures
	Images   Images
}

// Summary says what is in the catalogue at the end of a run.
type Summary struct {
	Items    int            `json:"items"`
	Scored   int            `json:"scored"`         // in this run
	ByHand   int            `json:"by_hand"`        // corrected by somebody, and left as they are
	Failed   int            `json:"failed"`         // could not be scored
	Left     int            `json:"left,omitempty"` // to be scored: of a dry run
	Labels   map[string]int `json:"labels"`         // items that have each label of the set
	Flagged  int            `json:"flagged"`        // items with a label whose action is flag
	Hidden   int            `json:"hidden"`         // … is hide
	Failures []Failure      `json:"failures"`       // the first of them
}

// Failure is an item that could not be scored.
type Failure struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// maxFailures bounds Summary.Failures.
const maxFailures = 100

// Progress is how far a run is.
type Progress struct {
	Done, Of int
	New      int // of this run
}

// batch is how many items are written at once, and so the most that is scored
// again after a kill.
const batch = 32

type run struct {
	parts Parts
	sum   Summary
	dry   bool
	wait  []scored
}

// scored is an item that waits to be written.
type scored struct {
	id, picture string
	names       []string
}

// Run gives labels to every item that has none of the Scorer's making for its first
// picture: new ones, those with another picture, and all of them when texts,
// thresholds or the model are others. Items that somebody has corrected are left
// alone as long as they have that picture. Versions and dates of items stay. When
// ctx ends, what was written stays, and the next Run goes on from there. A dry run
// counts. tell is told of every item.
func Run(ctx context.Context, p Parts, dry bool, tell func(Progress)) (Summary, error) {
	stats, err := p.Index.Stats(ctx)
	if err != nil {
		return Summary{}, fmt.Errorf("read catalogue: %w", err)
	}
	r := run{parts: p, dry: dry, sum: Summary{Labels: map[string]int{}, Failures: []Failure{}}}
	for _, l := range p.Scorer.Set {
		r.sum.Labels[l.Name] = 0
	}
	err = eachEntry(ctx, p.Index, nil, func(e store.Entry) error {
		r.sum.Items++
		err := r.item(ctx, e)
		tell(Progress{Done: r.sum.Items, Of: max(stats.Items, r.sum.Items), New: r.sum.Scored})
		return err
	})
	if err == nil {
		err = r.flush(ctx)
	}
	return r.sum, err
}

// eachEntry calls do for every entry that matches, in the order of ids.
func eachEntry(ctx context.Context, from Index, only filter.Expr, do func(store.Entry) error) error {
	const page = 500
	for after := ""; ; {
		entries, err := from.Scan(ctx, after, page, only)
		if err != nil {
			return fmt.Errorf("read catalogue: %w", err)
		}
		for _, e := range entries {
			after = e.Item.ID
			if err := do(e); err != nil {
				return err
			}
		}
		if len(entries) < page {
			return nil
		}
	}
}

func (r *run) item(ctx context.Context, e store.Entry) error {
	made, ok := e.Item.Labelling()
	switch current := ok && made.Picture == e.Picture; {
	case current && made.ByHand:
		r.sum.ByHand++
		r.count(e.Item.Labels())
		return nil
	case current && made.Rules == r.parts.Scorer.rules:
		r.count(e.Item.Labels())
		return nil
	case r.dry:
		r.sum.Left++
		return nil
	}
	states, reason, err := r.parts.states(ctx, e)
	if err != nil {
		return fmt.Errorf("item %q: %w", e.Item.ID, err)
	}
	if reason != "" {
		r.fail(e.Item.ID, reason)
		return nil
	}
	margins, err := r.parts.Scorer.Margins(ctx, states)
	if err != nil {
		return fmt.Errorf("item %q: %w", e.Item.ID, err)
	}
	r.wait = append(r.wait, scored{e.Item.ID, e.Picture, r.parts.Scorer.Set.Given(margins)})
	if len(r.wait) < batch {
		return nil
	}
	return r.flush(ctx)
}

func (r *run) fail(id, reason string) {
	r.sum.Failed++
	if len(r.sum.Failures) < maxFailures {
		r.sum.Failures = append(r.sum.Failures, Failure{id, reason})
	}
}

func (r *run) count(names []string) {
	has := map[Action]bool{}
	for _, l := range r.parts.Scorer.Set {
		if slices.Contains(names, l.Name) {
			r.sum.Labels[l.Name]++
			has[l.Action] = true
		}
	}
	if has[Flag] {
		r.sum.Flagged++
	}
	if has[Hide] {
		r.sum.Hidden++
	}
}

// states are those that the import has stored, or those of the picture read anew.
// reason says why there are none; the error is the model's or the store's.
func (p Parts) states(ctx context.Context, e store.Entry) (s encoder.States, reason string, err error) {
	if e.Picture == "" {
		return s, "the item has no picture", nil
	}
	stored, ok, err := p.Features.Get(ctx, e.Picture)
	if err == nil && ok {
		return encoder.States(stored), "", nil
	}
	if ctx.Err() != nil {
		return s, "", fmt.Errorf("read patch states: %w", ctx.Err())
	}
	data, err := p.Pictures.Get(ctx, e.Picture)
	if err != nil {
		if ctx.Err() != nil {
			return s, "", fmt.Errorf("read picture: %w", ctx.Err())
		}
		return s, "the stored picture cannot be read: " + err.Error(), nil
	}
	pixels, err := p.Images.Pixels(data)
	if err != nil {
		return s, "the stored picture cannot be decoded: " + err.Error(), nil //nolint:nilerr // it is the item's trouble
	}
	f, err := p.Images.Images(ctx, []encoder.Pixels{pixels})
	if err != nil {
		return s, "", fmt.Errorf("encode picture: %w", err)
	}
	return f[0].States, "", nil
}

// flush writes what waits. Items are read again for that: where several programs
// write one catalogue, another may have changed them, or deleted them, meanwhile.
func (r *run) flush(ctx context.Context) error {
	if len(r.wait) == 0 {
		return nil
	}
	wait := make(map[string]scored, len(r.wait))
	for _, s := range r.wait {
		wait[s.id] = s
	}
	entries, err := r.parts.Index.Get(ctx, slices.Sorted(maps.Keys(wait)))
	if err != nil {
		return fmt.Errorf("read items: %w", err)
	}
	var out []store.Entry
	for _, e := range entries {
		s := wait[e.Item.ID]
		if e.Picture != s.picture { // the next run sees to it
			continue
		}
		changed, ok, err := r.parts.Scorer.give(e, s.names)
		if err != nil {
			return err
		}
		if !ok {
			r.fail(e.Item.ID, "the item has too many attributes to get two more")
			continue
		}
		out = append(out, changed)
		r.count(s.names)
	}
	if len(out) > 0 {
		if err := r.parts.Index.Upsert(ctx, out); err != nil {
			return fmt.Errorf("write labels: %w", err)
		}
	}
	r.sum.Scored += len(out)
	r.wait = r.wait[:0]
	return nil
}

// give makes the entry that has the labels.
func (s *Scorer) give(e store.Entry, names []string) (store.Entry, bool, error) {
	item, ok := e.Item.WithLabels(names, e.Picture, s.rules)
	if !ok {
		return e, false, nil
	}
	keys := []string{e.Picture}
	for _, v := range e.Views {
		keys = append(keys, v.Picture)
	}
	var err error
	if e.ContentHash, err = item.ContentHash(s.matcher.Fingerprint(), keys...); err != nil {
		return e, false, err
	}
	e.Item = item
	return e, true, nil
}
