package harness

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Book is what the catalogue has to hold, by what was acknowledged. Every state
// of an item has a title of its own, so that an answer shows which one it is. It
// is safe for concurrent use; of one item, one write at a time goes on.
type Book struct {
	// Allowance is how long after the acknowledgement of a write searches may
	// show what was before.
	Allowance time.Duration

	mu         sync.Mutex
	items      map[string][]state
	lenient    bool
	violations []string
	checked    int
}

// state is what an item was set to. It holds from begun on, perhaps, and from
// acked on for certain.
type state struct {
	item         Item
	gone         bool
	begun, acked time.Time
}

const (
	mostStates     = 16 // kept of an item
	mostViolations = 50 // kept; all are counted
)

// NewBook is a book of a catalogue as it was imported.
func NewBook(items map[string]Item, allowance time.Duration) *Book {
	b := &Book{Allowance: allowance, items: map[string][]state{}}
	for id, i := range items {
		b.items[id] = []state{{item: i, acked: time.Now()}}
	}
	return b
}

// Begin notes that a write is under way.
func (b *Book) Begin(item Item, gone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.items[item.ID]
	all = append(all, state{item: item, gone: gone, begun: time.Now()})
	b.items[item.ID] = all[max(0, len(all)-mostStates):]
}

// Acknowledge notes that the write of an item that is under way was acknowledged.
func (b *Book) Acknowledge(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.items[id]
	all[len(all)-1].acked = time.Now()
}

// Lenient has answers be taken as they are, while two collections are served.
func (b *Book) Lenient(yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lenient = yes
}

// Check holds an answer to the book, which was asked for at a moment.
func (b *Book) Check(a *Answer, asked time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lenient {
		return
	}
	for _, h := range a.Hits {
		b.checked++
		if why := b.wrong(h.ID, h.Item.Title, asked); why != "" {
			b.complain(why)
		}
	}
}

// wrong says what is wrong with a hit. An answer may show a state until the next
// one was acknowledged, and as long after as is allowed.
func (b *Book) wrong(id, title string, asked time.Time) string {
	all := b.items[id]
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].gone || all[i].item.Title != title {
			continue
		}
		if i+1 == len(all) || all[i+1].acked.IsZero() || all[i+1].acked.Add(b.Allowance).After(asked) {
			return ""
		}
		what := "is outdated"
		if all[i+1].gone {
			what = "was deleted"
		}
		return fmt.Sprintf("%s %q %s %v before the search", id, title, what, asked.Sub(all[i+1].acked).Round(time.Millisecond))
	}
	return fmt.Sprintf("%s %q was never written", id, title)
}

// CheckAll holds a whole catalogue to the book, while writes go on: what was
// acknowledged before it was asked for is there, or what was written since.
func (b *Book) CheckAll(got map[string]Item, asked time.Time) (items int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, all := range b.items {
		g, there := got[id]
		if there {
			if why := b.wrong(id, g.Title, asked); why != "" {
				b.complain("in the catalogue: " + why)
			}
		} else if !mayMiss(all, asked) {
			b.complain("lost: " + id)
		}
	}
	for id, g := range got {
		if len(b.items[id]) == 0 {
			b.complain(fmt.Sprintf("in the catalogue: %s %q was never written", id, g.Title))
		}
	}
	return len(b.items)
}

// mayMiss tells whether an item need not be there at a moment.
func mayMiss(all []state, at time.Time) bool {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].gone {
			return true
		}
		if s := all[i]; !s.acked.IsZero() && s.acked.Before(at) {
			return false
		}
	}
	return true
}

func (b *Book) complain(why string) {
	b.violations = append(b.violations, why)
}

// Violations are hits that should not have been there, with how many hits were
// checked.
func (b *Book) Violations() (all []string, checked int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.violations[:min(len(b.violations), mostViolations)]), b.checked
}

// Want is the catalogue as it was acknowledged last, when no write is under way.
func (b *Book) Want() map[string]Item {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := map[string]Item{}
	for id, states := range b.items {
		if last := states[len(states)-1]; !last.gone {
			all[id] = last.item
		}
	}
	return all
}

// Get is an item's last state; ok is false where it is not there.
func (b *Book) Get(id string) (item Item, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.items[id]
	if len(all) == 0 || all[len(all)-1].gone {
		return Item{}, false
	}
	return all[len(all)-1].item, true
}

// Compare lists how a catalogue differs from the book: at most 20 lines.
func (b *Book) Compare(got map[string]Item) []string {
	want := b.Want()
	var all []string
	for _, id := range slices.Sorted(maps.Keys(want)) {
		g, ok := got[id]
		if !ok {
			all = append(all, "lost: "+id)
		} else if w := want[id]; g.Title != w.Title || g.Price != w.Price {
			all = append(all, fmt.Sprintf("differs: %s is %q at %v, acknowledged was %q at %v", id, g.Title, g.Price, w.Title, w.Price))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[id]; !ok {
			all = append(all, fmt.Sprintf("too much: %s %q", id, got[id].Title))
		}
	}
	return all[:min(len(all), 20)]
}
