package shopify_test

import (
	"context"
	"maps"
	"testing"

	"sightline/indexer/queue"
	"sightline/indexer/shopify"
	"sightline/store"
)

// catalogue is an index without vectors: an older version never overwrites a
// newer one, nor what was deleted of a newer one.
type catalogue struct {
	items   map[string]store.Item
	deleted map[string]int64
}

func newCatalogue(items ...store.Item) *catalogue {
	c := &catalogue{items: map[string]store.Item{}, deleted: map[string]int64{}}
	for _, item := range items {
		c.upsert(item)
	}
	return c
}

func (c *catalogue) upsert(item store.Item) {
	if old, ok := c.items[item.ID]; ok && item.Version < old.Version || item.Version < c.deleted[item.ID] {
		return
	}
	c.items[item.ID] = item
}

// apply does what docs/shopify.md asks of a worker.
func (c *catalogue) apply(t testing.TB, payload []byte) {
	t.Helper()
	job, err := shopify.DecodeJob(payload)
	if err != nil {
		t.Fatal(err)
	}
	if job.Op == shopify.Reject {
		return
	}
	for _, item := range job.Items {
		if job.KeepAttributes {
			kept := maps.Clone(c.items[item.Item.ID].Attributes)
			if kept == nil {
				kept = map[string]any{}
			}
			maps.Copy(kept, item.Item.Attributes)
			item.Item.Attributes = kept
		}
		c.upsert(item.Item)
	}
	where, err := job.Where()
	if err != nil {
		t.Fatal(err)
	}
	for id, item := range c.items {
		if item.Matches(where) {
			delete(c.items, id)
			c.deleted[id] = item.Version
		}
	}
}

// work runs up to n jobs, some of them twice, as a worker does whose lease ends
// before its report.
func (c *catalogue) work(t testing.TB, q queue.Queue, n int, twice func() bool) {
	t.Helper()
	for range n {
		leases, err := q.Lease(context.Background(), queue.LeaseOptions{Worker: "w", Max: 1, For: 1e12, NoWait: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(leases) == 0 {
			return
		}
		c.apply(t, leases[0].Job.Payload)
		if twice() {
			err = q.Release(context.Background(), leases[0])
		} else {
			err = q.Done(context.Background(), leases[0], "done")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// exported are the golden feed's items, without numbers and versions.
func exported(t *testing.T) []store.Item {
	t.Helper()
	var items []store.Item
	for _, r := range exportOf(t, false) {
		items = append(items, r.Item)
	}
	return items
}

// TestAfterExport: webhooks change what a full feed has written, though its
// items have no number of the product.
func TestAfterExport(t *testing.T) {
	tee := golden(t, "tee.json")
	for name, c := range map[string]struct {
		deliveries []delivery
		want       bool // that there is still a basic-tee
	}{
		"unpublished": {[]delivery{{topic: update, body: replace(t, tee, `"status":"active"`, `"status":"draft"`)}}, false},
		"renamed after an update": {[]delivery{
			{topic: update, body: tee},
			{topic: update, body: replace(t, tee, `"handle":"basic-tee"`, `"handle":"plain-tee"`)},
		}, false},
		"deleted after an update": {[]delivery{
			{topic: update, body: tee},
			{topic: remove, body: golden(t, "delete.json"), triggered: "2026-11-25T00:00:00Z"},
		}, false},
		// A deletion names the number only; the full feed has to follow.
		"deleted": {[]delivery{{topic: remove, body: golden(t, "delete.json")}}, true},
		"another product's draft of that handle": {[]delivery{
			{topic: update, body: tee},
			{topic: update, body: replace(t, golden(t, "draft.json"), `"handle":"draft-vase"`, `"handle":"basic-tee"`)},
		}, true},
	} {
		index := newCatalogue(exported(t)...)
		others := len(index.items) - 1
		for _, d := range c.deliveries {
			_, job := jobOf(t, shopify.Options{}, d)
			index.apply(t, job.Payload)
		}
		if _, got := index.items["basic-tee"]; got != c.want {
			t.Errorf("%s: item there: %v, want %v", name, got, c.want)
		}
		delete(index.items, "basic-tee")
		delete(index.items, "plain-tee")
		if len(index.items) != others {
			t.Errorf("%s: %d other items, want %d", name, len(index.items), others)
		}
	}
}

// TestKeepAttributes: a webhook without metafields leaves those of the feed.
func TestKeepAttributes(t *testing.T) {
	index := newCatalogue(exported(t)...)
	job, queued := jobOf(t, shopify.Options{}, delivery{topic: update, body: replace(t, golden(t, "tee.json"), `"metafields":`, `"other":`)})
	if !job.KeepAttributes || job.Items[0].Item.Attributes["material"] != nil {
		t.Fatalf("%+v", job)
	}
	index.apply(t, queued.Payload)
	if item := index.items["basic-tee"]; item.Attributes["material"] == nil || item.Version != job.Version {
		t.Errorf("%+v", item)
	}
}
