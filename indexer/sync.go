package indexer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"sightline/store"
)

// ErrNotDeleted says that a full sync wrote what the feed holds and then deleted
// nothing, because the feed may not be the whole catalogue. Its message names
// the reason and the way out.
var ErrNotDeleted = errors.New("nothing was deleted")

// deleteBatch is how many items one Delete takes: a transaction of some 10 ms.
const deleteBatch = 500

// lateNews is how long a webhook may be on its way: Shopify tries for 4 hours,
// and a queue may stand for a day.
const lateNews = 48 * time.Hour

// idKey stands for an id among the seen ones: 16 bytes whatever its length.
type idKey [16]byte

func keyOfID(id string) idKey {
	sum := sha256.Sum256([]byte(id))
	return idKey(sum[:16])
}

// sync deletes the items that the feed, which has been gone through, does not
// name. A row that failed counts as named.
func (r *run) sync(ctx context.Context) (deleted int, err error) {
	if r.nameless > 0 && !r.ix.options.Force {
		return 0, fmt.Errorf("%w: %d rows of the feed could not be read as far as their id, so it is not known which items they are; correct them, or say --force", ErrNotDeleted, r.nameless)
	}
	total := 0
	var gone []string
	err = eachStored(ctx, r.ix.parts.Index, func(e store.Entry) bool {
		if r.newer(e) {
			return true // which the feed cannot know
		}
		total++
		if _, named := r.rows[keyOfID(e.Item.ID)]; !named {
			gone = append(gone, e.Item.ID)
		}
		return true
	})
	if err != nil {
		return 0, fmt.Errorf("compare with the catalogue: %w", err)
	}
	if most := r.ix.options.MaxVanish; float64(len(gone)) > most*float64(total) && !r.ix.options.Force {
		return 0, fmt.Errorf("%w: %d of %d items are not in the feed, more than %.0f %%; if the feed is whole, say --force", ErrNotDeleted, len(gone), total, 100*most)
	}
	if r.ix.options.DryRun {
		return len(gone), nil
	}
	return r.deleteAll(ctx, gone)
}

func (r *run) deleteAll(ctx context.Context, gone []string) (deleted int, err error) {
	for len(gone) > 0 {
		batch := gone[:min(deleteBatch, len(gone))]
		gone = gone[len(batch):]
		batch, err := r.spare(ctx, batch)
		if err != nil {
			return deleted, err
		}
		n, err := r.ix.parts.Index.Delete(ctx, batch)
		deleted += n
		if err != nil {
			return deleted, fmt.Errorf("delete items: %w", err)
		}
	}
	return deleted, r.forget(ctx)
}

// newer tells whether an item was written after the feed was exported.
func (r *run) newer(e store.Entry) bool {
	asOf := r.ix.options.AsOf
	return !asOf.IsZero() && e.Item.NewerThan(asOf)
}

// spare leaves out what a webhook has written since the items were compared.
func (r *run) spare(ctx context.Context, ids []string) ([]string, error) {
	if r.ix.options.AsOf.IsZero() {
		return ids, nil
	}
	found, err := r.ix.parts.Index.Get(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look up %d items to delete: %w", len(ids), err)
	}
	left := ids[:0]
	for _, e := range found {
		if !r.newer(e) {
			left = append(left, e.Item.ID)
		}
	}
	return left, nil
}

// forget drops the memory of what was deleted before this run: the feed has now
// told of every item, so late news from before it are no longer to be feared.
// Beside webhooks, which may be sent again for hours, it is kept for lateNews.
func (r *run) forget(ctx context.Context) error {
	x, ok := r.ix.parts.Index.(interface {
		ForgetDeleted(ctx context.Context, before time.Time) (int, error)
	})
	if !ok {
		return nil
	}
	before := r.report.start
	if !r.ix.options.AsOf.IsZero() {
		before = before.Add(-lateNews)
	}
	if _, err := x.ForgetDeleted(ctx, before); err != nil {
		return fmt.Errorf("forget deleted items: %w", err)
	}
	return nil
}
