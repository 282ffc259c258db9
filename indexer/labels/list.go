package labels

import (
	"context"
	"fmt"
	"slices"

	"sightline/store"
	"sightline/store/filter"
)

// Listed is an item with its labels.
type Listed struct {
	ID     string   `json:"id"`
	Labels []string `json:"labels"`
	ByHand bool     `json:"by_hand,omitempty"` // somebody has corrected them
	Title  string   `json:"title,omitempty"`
}

// List calls do for every item that has one of the labels, of any where none are
// named, in the order of ids.
func List(ctx context.Context, from Index, names []string, do func(Listed) error) error {
	const field = "attributes." + store.AttributeLabels
	var only filter.Expr = filter.Exists{Field: field}
	if len(names) > 0 {
		names = slices.Compact(slices.Sorted(slices.Values(names)))
		only = filter.Contains{Field: field, Values: names}
	}
	return eachEntry(ctx, from, only, func(e store.Entry) error {
		made, _ := e.Item.Labelling()
		return do(Listed{ID: e.Item.ID, Labels: e.Item.Labels(), ByHand: made.ByHand, Title: e.Item.Title})
	})
}

// Of are the margins of one item's first picture.
func Of(ctx context.Context, p Parts, id string) ([]float64, error) {
	entries, err := p.Index.Get(ctx, []string{id})
	if err != nil {
		return nil, fmt.Errorf("read item: %w", err)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("there is no item %q", id)
	}
	states, reason, err := p.states(ctx, entries[0])
	if err != nil {
		return nil, fmt.Errorf("item %q: %w", id, err)
	}
	if reason != "" {
		return nil, fmt.Errorf("item %q: %s", id, reason)
	}
	return p.Scorer.Margins(ctx, states)
}
