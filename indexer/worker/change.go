package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sightline/indexer"
	"sightline/indexer/queue"
	"sightline/indexer/shopify"
	"sightline/store"
	"sightline/store/change"
)

// change does one write to one item.
func (w *Worker) change(ctx context.Context, job queue.Job) (result, error) {
	c, err := change.Decode(job.Payload)
	if err != nil {
		return result{}, refuse(StageJob, "%v", err)
	}
	unlock, err := w.items.lock(ctx, c.ID)
	if err != nil {
		return result{}, err
	}
	defer unlock()
	old, err := w.stored(ctx, c.ID)
	if err != nil {
		return result{}, err
	}
	switch c.Op {
	case change.Put:
		return w.put(ctx, c, old, job.CreatedAt)
	case change.Patch:
		return w.patch(ctx, c, old, job.CreatedAt)
	case change.Delete:
		return w.remove(ctx, c, old)
	}
	return result{}, refuse(StageJob, "unknown operation %q", c.Op)
}

// stored is the entry of an item, nil where there is none.
func (w *Worker) stored(ctx context.Context, id string) (*store.Entry, error) {
	found, err := w.parts.Index.Get(ctx, []string{id})
	if err != nil {
		return nil, fmt.Errorf("look up item %q in the index: %w", id, err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return &found[0], nil
}

func (w *Worker) put(ctx context.Context, c change.Change, old *store.Entry, at time.Time) (result, error) {
	images, item := c.Images, *c.Item
	if len(images) == 0 {
		images = listed(item)
	}
	if old != nil {
		item.Attributes = kept(item.Attributes, old.Item.Attributes)
	}
	if !c.AsOf.IsZero() && old != nil && item.Version == 0 {
		version, ok := item.Dated(old.Item, c.AsOf)
		if !ok {
			return result{Unchanged, "the item in the index is newer than the feed", true}, nil
		}
		item.Version = version
		if same(item.CarryCaption(old.Item, old.Picture).CarryLabels(old.Item, old.Picture), old.Item) { // or every feed would write every item
			item.Version = old.Item.Version
		}
	}
	if c.AsOf.IsZero() {
		item = accepted(item, old, at)
	}
	done, err := w.replace(ctx, c, old, record(item, images))
	if old == nil && done.outcome == Written {
		done.outcome = Created
	}
	return done, err
}

// accepted gives an item without version or date those of its acceptance.
func accepted(item store.Item, old *store.Entry, at time.Time) store.Item {
	if item.Version == 0 && old != nil {
		item.Version = store.VersionAt(old.Item.Version, at)
	}
	if item.UpdatedAt.IsZero() {
		item.UpdatedAt = at.UTC()
	}
	return item
}

// kept adds the number of Shopify's product, which only webhooks know and by
// which their deletions go.
func kept(attributes, old map[string]any) map[string]any {
	number, stored := old[shopify.AttributeID]
	if _, given := attributes[shopify.AttributeID]; given || !stored {
		return attributes
	}
	attributes = maps.Clone(attributes)
	if attributes == nil {
		attributes = map[string]any{}
	}
	attributes[shopify.AttributeID] = number
	return attributes
}

// same compares what shops say of an item.
func same(a, b store.Item) bool {
	before, err := b.ContentHash("")
	after, failed := a.ContentHash("")
	return err == nil && failed == nil && before == after
}

func (w *Worker) patch(ctx context.Context, c change.Change, old *store.Entry, at time.Time) (result, error) {
	if old == nil {
		if c.IfMatch != "" {
			return result{}, mismatch(c, old)
		}
		return result{}, refuse(StageMissing, "there is no item %q to change: put it first", c.ID)
	}
	item, named, err := merge(old.Item, c.Patch)
	if err != nil && !matches(c.IfMatch, old) {
		return result{}, mismatch(c, old)
	}
	if err != nil {
		return result{}, refuse(StageItem, "%v", err)
	}
	images := c.Images
	if len(images) == 0 {
		images = patched(item, named, *old)
	} else {
		item.Image, item.Images = sources(images)
	}
	_, versioned := named["version"]
	if !versioned {
		// What a patch is laid over it is never older than.
		item.Version = max(item.Version, store.VersionAt(old.Item.Version, at))
	}
	if _, dated := named["updated_at"]; !dated && item.UpdatedAt.Before(at) {
		item.UpdatedAt = at.UTC()
	}
	done, err := w.replace(ctx, c, old, record(item, images))
	if err == nil && done.late && !versioned {
		// Another process has written in between: the patch belongs onto that.
		return result{}, queue.Failure{Stage: string(indexer.StageWrite), Reason: done.reason}
	}
	return done, err
}

// replace writes a whole item where If-Match allows it.
func (w *Worker) replace(ctx context.Context, c change.Change, old *store.Entry, r indexer.Record) (result, error) {
	if !matches(c.IfMatch, old) {
		if old != nil && isDone(r, *old) {
			return result{outcome: Unchanged}, nil
		}
		return result{}, mismatch(c, old)
	}
	if err := r.Item.Validate(); err != nil {
		return result{}, refuse(StageItem, "%v", err)
	}
	images, err := located(r.Images, old)
	if err != nil {
		return result{}, err
	}
	return w.write(ctx, record(r.Item, images), old)
}

// isDone tells whether a change that If-Match does not allow has been made
// already: the worker that made it has not lived to say so. RFC 9110, 13.1.1
// allows that. Of pictures at addresses the item's fields have to do.
func isDone(r indexer.Record, old store.Entry) bool {
	if !same(r.Item, old.Item) || r.Item.Version != old.Item.Version {
		return false
	}
	has := held(old)
	return !slices.ContainsFunc(r.Images, func(image string) bool {
		_, stored := change.StoredKey(image)
		return stored && !slices.Contains(has, image)
	})
}

// remove deletes an item. One that is not there is missing, not another than
// If-Match names: an attempt that nobody heard of may have deleted it.
func (w *Worker) remove(ctx context.Context, c change.Change, old *store.Entry) (result, error) {
	if old != nil && !matches(c.IfMatch, old) {
		return result{}, mismatch(c, old)
	}
	n, err := w.parts.Index.Delete(ctx, []string{c.ID})
	switch {
	case errors.Is(err, store.ErrInvalid):
		return result{}, refuse(StageDelete, "%v", err)
	case err != nil:
		return result{}, fmt.Errorf("delete item %q: %w", c.ID, err)
	case n == 0:
		return result{outcome: Missing}, nil
	}
	return result{outcome: Deleted}, nil
}

// matches compares an entry, nil for none, with an If-Match of RFC 9110: "*",
// or ETags with commas between them.
func matches(ifMatch string, e *store.Entry) bool {
	switch {
	case ifMatch == "":
		return true
	case e == nil:
		return false
	}
	etag := change.ETag(*e)
	return slices.ContainsFunc(strings.Split(ifMatch, ","), func(want string) bool {
		want = strings.TrimSpace(want)
		return want == "*" || want == etag
	})
}

func mismatch(c change.Change, old *store.Entry) error {
	if old == nil {
		return refuse(StagePrecondition, "there is no item %q, so that none matches %s", c.ID, c.IfMatch)
	}
	return refuse(StagePrecondition, "item %q has the ETag %s, not %s: get it and make the change anew", c.ID, change.ETag(*old), c.IfMatch)
}
