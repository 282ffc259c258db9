package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sightline/indexer"
	"sightline/indexer/queue"
	"sightline/store"
)

// write imports one record over old, nil for none, and says what the index made
// of it.
func (w *Worker) write(ctx context.Context, r indexer.Record, old *store.Entry) (result, error) {
	if old != nil && r.Item.Version < old.Item.Version { // before anything is fetched
		return late(r.Item, old), nil
	}
	out, err := w.parts.Importer.Do(ctx, r)
	if err != nil {
		return result{}, fmt.Errorf("write item %q: %w", r.Item.ID, err)
	}
	switch out.State {
	case indexer.Failed:
		return result{}, failureOf(out)
	case indexer.Unchanged:
		if out.Reason != "" {
			return result{Unchanged, out.Reason, true}, nil
		}
		return result{outcome: Unchanged, reason: leftOut(out.Warnings)}, nil
	}
	done, err := w.settled(ctx, r.Item)
	if done.outcome == Written {
		done.reason = joined(leftOut(out.Warnings), out.Reason)
	}
	return done, err
}

// leftOut tells of the pictures that the item was written without. The job is
// done all the same: trying again would hold back the item's next changes, for
// hours if the pictures' server is down.
func leftOut(warnings []indexer.Warning) string {
	parts := make([]string, len(warnings))
	for i, v := range warnings {
		parts[i] = fmt.Sprintf("without picture %d (%s)", v.Picture, v.Reason)
	}
	return strings.Join(parts, "; ")
}

// joined puts what there is to say into one line.
func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// settled looks at what was written, for an index passes over an older version
// than it has, or has deleted, without a word.
func (w *Worker) settled(ctx context.Context, item store.Item) (result, error) {
	now, err := w.stored(ctx, item.ID)
	if err != nil {
		return result{}, err
	}
	if now == nil || now.Item.Version > item.Version {
		return late(item, now), nil
	}
	return result{outcome: Written}, nil
}

func late(item store.Item, now *store.Entry) result {
	reason := fmt.Sprintf("version %d is older than that of the item that was deleted; give a newer one", item.Version)
	if now != nil {
		reason = fmt.Sprintf("version %d is older than version %d in the index", item.Version, now.Item.Version)
	}
	return result{Unchanged, reason, true}
}

// failureOf is an outcome of the importer as the queue's failure.
func failureOf(o indexer.Outcome) queue.Failure {
	return queue.Failure{Stage: string(o.Stage), Reason: o.Reason, Permanent: !o.Temporary}
}
