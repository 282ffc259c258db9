package remote

import (
	"context"
	"fmt"
	"time"

	"sightline/api/client"
	"sightline/indexer"
	"sightline/store"
)

// deleteBatch is how many items one request deletes.
const deleteBatch = 1000

// sync deletes the items that the feed, which has been gone through, does not
// name, as an import without a server does. What was written since the start is
// left alone.
func (im *Importer) sync(ctx context.Context, t *tally, start time.Time) (deleted int, err error) {
	if t.blind > 0 && !im.Force {
		return 0, fmt.Errorf("%w: %d rows of the feed could not be read as far as their id, so it is not known which items they are; correct them, or say --force", indexer.ErrNotDeleted, t.blind)
	}
	gone, total, err := im.unnamed(ctx, t, start)
	if err != nil {
		return 0, fmt.Errorf("compare with the catalogue: %w", err)
	}
	if float64(len(gone)) > im.MaxVanish*float64(total) && !im.Force {
		return 0, fmt.Errorf("%w: %d of %d items are not in the feed, more than %.0f %%; if the feed is whole, say --force", indexer.ErrNotDeleted, len(gone), total, 100*im.MaxVanish)
	}
	for len(gone) > 0 {
		some := gone[:min(deleteBatch, len(gone))]
		gone = gone[len(some):]
		n, err := im.delete(ctx, some)
		deleted += n
		if err != nil {
			return deleted, fmt.Errorf("delete items: %w", err)
		}
	}
	return deleted, nil
}

// unnamed are the items that the feed does not name, of how many.
func (im *Importer) unnamed(ctx context.Context, t *tally, start time.Time) (gone []string, total int, err error) {
	for found, err := range im.client.Items(ctx, "", "") {
		if err != nil {
			return nil, 0, err
		}
		item := store.Item{ID: found.ID, Version: found.Version, UpdatedAt: found.UpdatedAt}
		_, named := t.rows[item.ID]
		switch {
		case named:
			total++
		case !item.NewerThan(start):
			total++
			gone = append(gone, item.ID)
		}
	}
	return gone, total, nil
}

// delete returns how many of ids there were.
func (im *Importer) delete(ctx context.Context, ids []string) (n int, err error) {
	t, err := im.client.DeleteAll(ctx, ids, client.WriteOptions{Wait: serverWait})
	if err != nil {
		return 0, err
	}
	if _, err := im.client.WaitJob(ctx, t.Job); err != nil {
		return 0, err
	}
	for item, err := range im.client.JobItems(ctx, t.Job) {
		if err != nil {
			return n, err
		}
		if item.Outcome == "deleted" {
			n++
		}
	}
	return n, nil
}
