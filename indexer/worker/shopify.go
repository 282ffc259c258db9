package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"sightline/indexer/queue"
	"sightline/indexer/shopify"
	"sightline/store"
)

// product does what a webhook of Shopify's asks for.
func (w *Worker) product(ctx context.Context, job queue.Job) (result, error) {
	j, err := shopify.DecodeJob(job.Payload)
	if err != nil {
		return result{}, refuse(StageJob, "%v", err)
	}
	switch j.Op {
	case shopify.Replace:
		written, err := w.writeAll(ctx, j)
		if err != nil {
			return result{}, err
		}
		gone, err := w.deleteWhere(ctx, j)
		if written.outcome == Unchanged && gone.outcome == Deleted {
			written = gone
		}
		return written, err
	case shopify.Delete:
		return w.deleteWhere(ctx, j)
	}
	return result{}, j.Failure()
}

// writeAll writes the items of a product, one after the other: workers on other
// products fill the encoder's batches. One that fails does not keep the others
// from being written.
func (w *Worker) writeAll(ctx context.Context, j shopify.Job) (result, error) {
	all := result{outcome: Unchanged}
	var failed failures
	for _, item := range j.Items {
		done, err := w.writeItem(ctx, item, j.KeepAttributes)
		f, own := errors.AsType[queue.Failure](err)
		switch {
		case own:
			failed = append(failed, failure{item.Item.ID, f})
		case err != nil:
			return result{}, err
		case done.outcome == Written:
			all = done
		case all.outcome == Unchanged && done.reason != "":
			all.reason = done.reason
		}
	}
	return all, failed.joined(len(j.Items))
}

func (w *Worker) writeItem(ctx context.Context, item shopify.Item, keep bool) (result, error) {
	unlock, err := w.items.lock(ctx, item.Item.ID)
	if err != nil {
		return result{}, err
	}
	defer unlock()
	old, err := w.stored(ctx, item.Item.ID)
	if err != nil {
		return result{}, err
	}
	if keep && old != nil && len(old.Item.Attributes) > 0 {
		kept := maps.Clone(old.Item.Attributes)
		maps.Copy(kept, item.Item.Attributes)
		item.Item.Attributes = kept
	}
	return w.write(ctx, record(item.Item, item.Images), old)
}

func (w *Worker) deleteWhere(ctx context.Context, j shopify.Job) (result, error) {
	where, err := j.Where()
	if err != nil {
		return result{}, refuse(StageJob, "%v", err)
	}
	n, err := w.parts.Index.DeleteWhere(ctx, where)
	switch {
	case errors.Is(err, store.ErrInvalid):
		return result{}, refuse(StageDelete, "%v", err)
	case err != nil:
		return result{}, fmt.Errorf("delete items of product %s: %w", j.ProductID, err)
	case n == 0:
		return result{outcome: Missing}, nil
	}
	return result{outcome: Deleted}, nil
}

// failure is why one item of a product was not written.
type failure struct {
	id string
	queue.Failure
}

type failures []failure

// joined is one failure of a product of so many items. It may be repeated if
// any of them may: what was written is unchanged then.
func (all failures) joined(items int) error {
	if len(all) == 0 {
		return nil
	}
	one := queue.Failure{Stage: all[0].Stage, Reason: all[0].Reason, Permanent: true}
	var reasons []string
	for _, f := range all {
		one.Permanent = one.Permanent && f.Permanent
		reasons = append(reasons, fmt.Sprintf("%q: %s", f.id, f.Error()))
	}
	if items > 1 {
		one.Reason = fmt.Sprintf("%d of %d items were not written: %s", len(all), items, strings.Join(reasons, "; "))
	}
	return one
}
