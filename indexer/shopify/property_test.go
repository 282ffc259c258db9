package shopify_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sightline/indexer/queue/sqlite"
	"sightline/indexer/shopify"
)

// TestAnyOrder: deliveries that come shuffled, twice, again under other ids and
// between the worker's jobs, some of which run twice, end in the catalogue that
// the last change of each product alone makes.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		variants := rapid.Bool().Draw(r, "variants")
		events := newStore(r).live(r)
		q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir()})
		if err != nil {
			r.Fatal(err)
		}
		defer q.Close()
		h := handlerOf(t, shopify.Options{Queue: q, Variants: variants})
		index := newCatalogue()
		for _, d := range disorder(r, events) {
			if w := send(h, d); w.Code != 200 {
				r.Fatalf("%d %s", w.Code, w.Body)
			}
			index.work(t, q, rapid.IntRange(0, 2).Draw(r, "jobs"), func() bool { return rapid.Bool().Draw(r, "twice") })
		}
		index.work(t, q, 1000, func() bool { return false })
		if want := lastOf(t, events, variants); !reflect.DeepEqual(index.items, want.items) {
			r.Fatalf("got  %v\nwant %v", index.items, want.items)
		}
	})
}

// lastOf is what the last event of each product makes.
func lastOf(t *testing.T, events []event, variants bool) *catalogue {
	last := map[int]event{}
	for _, e := range events {
		last[e.product] = e
	}
	index := newCatalogue()
	for _, e := range last {
		_, job := jobOf(t, shopify.Options{Variants: variants}, e.delivery)
		index.apply(t, job.Payload)
	}
	return index
}

// disorder is every event at least once, in any order.
func disorder(r *rapid.T, events []event) []delivery {
	var out []delivery
	for i, e := range events {
		out = append(out, e.delivery)
		for n := range rapid.IntRange(0, 2).Draw(r, "again") {
			d := e.delivery
			if rapid.Bool().Draw(r, "other id") {
				d.id = fmt.Sprintf("again-%d-%d", i, n)
			}
			out = append(out, d)
		}
	}
	places := make([]int, len(out)) // not the deliveries: rapid prints what it draws
	for i := range places {
		places[i] = i
	}
	shuffled := make([]delivery, len(out))
	for i, at := range rapid.Permutation(places).Draw(r, "order") {
		shuffled[i] = out[at]
	}
	return shuffled
}

// event is a change of a product, and how it is announced.
type event struct {
	product int
	delivery
}

// liveStore is a shop with three products that share four handles, none two at
// a time. One that was deleted does not come back.
type liveStore struct {
	at      time.Time
	handles [3]string
	gone    [3]bool
	events  []event
}

func newStore(*rapid.T) *liveStore {
	return &liveStore{at: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
}

func (s *liveStore) live(r *rapid.T) []event {
	for range rapid.IntRange(1, 12).Draw(r, "events") {
		s.at = s.at.Add(time.Duration(rapid.IntRange(1, 1500).Draw(r, "later")) * time.Millisecond)
		p := rapid.IntRange(0, 2).Draw(r, "product")
		switch {
		case s.gone[p]:
		case s.handles[p] != "" && rapid.IntRange(0, 5).Draw(r, "delete") == 0:
			s.gone[p], s.handles[p] = true, ""
			s.announce(r, p, remove, map[string]any{"id": p + 1})
		default:
			s.change(r, p)
		}
	}
	return s.events
}

func (s *liveStore) change(r *rapid.T, p int) {
	handle := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(r, "handle")
	for other, taken := range s.handles {
		if taken == handle && other != p {
			return
		}
	}
	s.handles[p] = handle
	status := rapid.SampledFrom([]string{"active", "active", "active", "draft"}).Draw(r, "status")
	var variants []any
	for i := range rapid.IntRange(1, 3).Draw(r, "variants") {
		variants = append(variants, map[string]any{
			"sku": fmt.Sprintf("P%d-%d", p, i), "option1": fmt.Sprint(i), "price": fmt.Sprintf("%d.00", rapid.IntRange(1, 99).Draw(r, "price")),
			"inventory_quantity": rapid.IntRange(-1, 1).Draw(r, "stock"), "inventory_management": "shopify",
		})
	}
	s.announce(r, p, update, map[string]any{
		"id": p + 1, "handle": handle, "title": fmt.Sprintf("product %d, change %d", p, len(s.events)), "status": status,
		"variants": variants, "images": []any{}, "metafields": []any{}, "options": []any{map[string]any{"name": "Size"}},
		"updated_at": s.at.Truncate(time.Second).Format(time.RFC3339),
	})
}

func (s *liveStore) announce(r *rapid.T, p int, topic string, body map[string]any) {
	data, err := json.Marshal(body)
	if err != nil {
		r.Fatal(err)
	}
	s.events = append(s.events, event{p, delivery{
		topic: topic, id: fmt.Sprint("event-", len(s.events)), triggered: s.at.Format(time.RFC3339Nano), body: data,
	}})
}
