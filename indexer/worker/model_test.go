package worker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"sightline/indexer/queue"
	"sightline/store"
	"sightline/store/change"
)

// model does changes one after the other, each once, by the rules of
// docs/queue.md.
type model struct {
	pick    func(n int) int // a choice of n, drawn
	items   map[string]store.Entry
	deleted map[string]int64
	etags   []string // that some item has or had
	n       int
}

func newModel(pick func(n int) int) *model {
	return &model{pick: pick, items: map[string]store.Entry{}, deleted: map[string]int64{}, etags: []string{"*", `"none"`}}
}

// next draws a change, makes it and says how its job has to end.
func (m *model) next() (c change.Change, end queue.State) {
	id := string(rune('a' + m.pick(3)))
	ifMatch := ""
	if m.pick(4) == 0 {
		ifMatch = m.etags[m.pick(len(m.etags))]
	}
	m.n++
	old, there := m.items[id]
	switch m.pick(6) {
	case 0:
		c, end = remove(id), m.remove(id, ifMatch)
	case 1, 2, 3:
		var after store.Entry
		c, after = m.patch(id, old)
		if end = queue.Dead; there {
			end = m.write(after, ifMatch)
		}
	default:
		item := store.Item{ID: id, Title: fmt.Sprint("put ", m.n), Image: m.image(), Version: int64(m.pick(3) * m.pick(2))}
		c = put(item)
		if item.Version == 0 && there { // the last one wins
			item.Version = old.Item.Version
		}
		end = m.write(store.Entry{Item: item, Picture: keyOf(item.Image)}, ifMatch)
	}
	c.IfMatch = ifMatch
	return c, end
}

func (m *model) image() string { return fmt.Sprint("https://x/", m.pick(3)) }

// allowed is If-Match.
func (m *model) allowed(id, ifMatch string) bool {
	e, there := m.items[id]
	return ifMatch == "" || there && (ifMatch == "*" || ifMatch == change.ETag(e))
}

func (m *model) remove(id, ifMatch string) (end queue.State) {
	e, there := m.items[id]
	switch {
	case there && !m.allowed(id, ifMatch):
		return queue.Dead
	case there:
		delete(m.items, id)
		m.deleted[id] = e.Item.Version
	}
	return queue.Done
}

func (m *model) write(e store.Entry, ifMatch string) (end queue.State) {
	e.ContentHash, _ = e.Item.ContentHash("model", e.Picture)
	old, there := m.items[e.Item.ID]
	switch {
	case !m.allowed(e.Item.ID, ifMatch) && there && old.ContentHash == e.ContentHash && old.Item.Version == e.Item.Version:
		return queue.Done
	case !m.allowed(e.Item.ID, ifMatch):
		return queue.Dead
	case there && e.Item.Version >= old.Item.Version || !there && e.Item.Version >= m.deleted[e.Item.ID]:
		m.items[e.Item.ID] = e
		m.etags = append(m.etags, change.ETag(e))
		delete(m.deleted, e.Item.ID)
	}
	return queue.Done
}

// patch draws one and lays it over an entry.
func (m *model) patch(id string, e store.Entry) (change.Change, store.Entry) {
	var parts []string
	e.Item = e.Item.Clone()
	switch m.pick(3) {
	case 0:
		p := float64(m.pick(100))
		e.Item.Price = &p
		parts = append(parts, fmt.Sprintf(`"price":%g`, p))
	case 1:
		e.Item.Price = nil
		parts = append(parts, `"price":null`)
	}
	parts = append(parts, m.attributes(&e.Item)...)
	if m.pick(3) == 0 {
		e.Item.Image = m.image()
		e.Picture = keyOf(e.Item.Image)
		parts = append(parts, fmt.Sprintf(`"image":%q`, e.Item.Image))
	}
	if m.pick(3) == 0 {
		e.Item.Version = int64(m.pick(4))
		parts = append(parts, fmt.Sprintf(`"version":%d`, e.Item.Version))
	}
	return patch(id, "{"+strings.Join(parts, ",")+"}"), e
}

func (m *model) attributes(item *store.Item) (parts []string) {
	name := fmt.Sprint("attribute ", m.pick(3))
	set := map[string]any{name: float64(m.n)}
	for other, value := range item.Attributes {
		if other != name {
			set[other] = value
		}
	}
	switch m.pick(4) {
	case 0:
		parts = append(parts, fmt.Sprintf(`%q:%d`, name, m.n))
	case 1:
		parts = append(parts, fmt.Sprintf(`"attributes":{%q:%d}`, name, m.n))
	case 2:
		delete(set, name)
		parts = append(parts, fmt.Sprintf(`%q:null`, name))
	default:
		return nil
	}
	if item.Attributes = set; len(set) == 0 {
		item.Attributes = nil
	}
	return parts
}

// reporter is a *testing.T or a *rapid.T.
type reporter interface {
	Context() context.Context
	Errorf(format string, args ...any)
	Helper()
}

// check compares the end of everything with the model.
func (m *model) check(t reporter, s *shop, q queue.Queue, ends map[string]queue.State) {
	t.Helper()
	got := s.items()
	for id, e := range got {
		e.Embedding = nil
		got[id] = e
	}
	a, b := fmt.Sprint(printable(got)), fmt.Sprint(printable(m.items))
	if a != b {
		t.Errorf("got  %s\nwant %s", a, b)
	}
	for id, want := range ends {
		j, err := q.Get(t.Context(), id)
		if err != nil || j.State != want {
			t.Errorf("job %s is %s (%v, %s), want %s: %v", id, j.State, j.LastError, j.Payload, want, err)
		}
	}
}

func printable(entries map[string]store.Entry) map[string]string {
	out := map[string]string{}
	for id, e := range entries {
		p := "no price"
		if e.Item.Price != nil {
			p = fmt.Sprint(*e.Item.Price)
		}
		e.Item.Price, e.Item.UpdatedAt = nil, time.Time{} // when the change was accepted
		out[id] = fmt.Sprint(e.Item, p, keysOf(e))
	}
	return out
}

// enqueue draws n changes into the queue.
func (m *model) enqueue(t testing.TB, q queue.Queue, n int) (ends map[string]queue.State) {
	t.Helper()
	ends = map[string]queue.State{}
	for range n {
		c, end := m.next()
		out, err := q.Enqueue(t.Context(), job(t, c))
		if err != nil {
			t.Fatal(err)
		}
		ends[out[0].ID] = end
	}
	return ends
}
