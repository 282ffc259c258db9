package capfilt

import (
	"context"
	"fmt"

	"sightline/store"
)

// Catalogue is what Apply needs of a store.Index.
type Catalogue interface {
	Get(ctx context.Context, ids []string) ([]store.Entry, error)
	Upsert(ctx context.Context, entries []store.Entry) error
}

// Apply gives items the captions that the report keeps for them, as attributes
// (store.AttributeCaption), and returns how many it gave. Versions and dates stay,
// so that no later write of the shop is held up. An item whose picture or title is
// another by now, that has a caption of its own, or about which somebody has
// decided (store.Item.CaptionDecided), is left alone. dryRun only counts. Nothing
// else may write to the catalogue meanwhile.
func (r *Report) Apply(ctx context.Context, to Catalogue, fingerprint string, dryRun bool) (n int, err error) {
	const page = 500
	rows := map[string]Row{}
	flush := func() error {
		some, err := captioned(ctx, to, rows, fingerprint)
		if err != nil {
			return err
		}
		n += len(some)
		clear(rows)
		if dryRun || len(some) == 0 {
			return nil
		}
		return to.Upsert(ctx, some)
	}
	err = r.Rows(func(row Row) error {
		if !row.Kept {
			return nil
		}
		rows[row.ID] = row
		if len(rows) < page {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return n, fmt.Errorf("give items their captions: %w", err)
	}
	return n, nil
}

// captioned are the entries of rows as they are to be written.
func captioned(ctx context.Context, from Catalogue, rows map[string]Row, fingerprint string) ([]store.Entry, error) {
	ids := make([]string, 0, len(rows))
	for id := range rows {
		ids = append(ids, id)
	}
	entries, err := from.Get(ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []store.Entry
	for _, e := range entries {
		row := rows[e.Item.ID]
		if e.Picture != row.Picture || e.Item.Title != row.Title || e.Item.CaptionDecided(e.Picture) {
			continue
		}
		item, ok := e.Item.WithCaption(row.Caption.Text, e.Picture)
		if !ok {
			continue
		}
		keys := []string{e.Picture}
		for _, v := range e.Views {
			keys = append(keys, v.Picture)
		}
		if e.ContentHash, err = item.ContentHash(fingerprint, keys...); err != nil {
			return nil, err
		}
		e.Item = item
		out = append(out, e)
	}
	return out, nil
}
