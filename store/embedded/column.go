package embedded

import (
	"cmp"
	"math/bits"
	"slices"
	"sort"
	"strings"

	"sightline/store/filter"
)

// commonSlots is how many slots of a chunk must have a value before it gets a
// set of its own. Below, making one at search takes 0.2 µs and less memory.
const commonSlots = 256

// values answers conditions on one type of value in one field.
type values interface {
	add(slot int, v filter.Value) // slots come in ascending order
	finish()                      // after the last add
	len() int                     // different values
	find(v filter.Value) (place int, found bool)
	span(from, to int, into slotSet) // adds the slots that have one of these values
}

// column keeps the values of a field sorted, so that equality, order and
// prefix are all a range of it: 2 bytes a slot, and a value and 4 bytes for
// each that differs. Values that == holds for are those that compare equal.
type column[T comparable] struct {
	key     func(filter.Value) T
	compare func(a, b T) int
	draft   *columnDraft[T] // until finish

	values []T             // sorted, each once
	starts []uint32        // values[i] is in slots[starts[i]:starts[i+1]]
	slots  []uint16        // sorted within each value
	common map[int]slotSet // by place in values
}

// columnDraft finds equal values by hash, so that only different ones are
// sorted: most fields have few.
type columnDraft[T comparable] struct {
	places map[T]int
	latest []int // by place: the last slot, since a list may have a text twice
	counts []uint32
	pairs  []pair
}

type pair struct {
	place uint32
	slot  uint16
}

// newColumn holds the members of lists for filter.List.
func newColumn(t filter.Type) values {
	switch t {
	case filter.Number:
		return makeColumn(func(v filter.Value) float64 { return v.Number }, cmp.Compare[float64])
	case filter.Int:
		return makeColumn(func(v filter.Value) int64 { return v.Int }, cmp.Compare[int64])
	case filter.Bool:
		return makeColumn(func(v filter.Value) bool { return v.Bool }, compareBools)
	case filter.Time:
		return makeColumn(func(v filter.Value) instant { return instant{v.Time.Unix(), v.Time.Nanosecond()} }, instant.compare)
	}
	return makeColumn(func(v filter.Value) string { return v.Text }, strings.Compare)
}

func makeColumn[T comparable](key func(filter.Value) T, compare func(a, b T) int) *column[T] {
	return &column[T]{key: key, compare: compare, draft: &columnDraft[T]{places: make(map[T]int)}}
}

// instant is a time.Time without its zone, which == would look at.
type instant struct {
	seconds     int64
	nanoseconds int
}

func (a instant) compare(b instant) int {
	return cmp.Or(cmp.Compare(a.seconds, b.seconds), cmp.Compare(a.nanoseconds, b.nanoseconds))
}

// compareBools puts false first.
func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

func (c *column[T]) add(slot int, v filter.Value) {
	d, value := c.draft, c.key(v)
	place, known := d.places[value]
	if !known {
		place = len(c.values)
		d.places[value] = place
		c.values = append(c.values, value)
		d.counts = append(d.counts, 0)
		d.latest = append(d.latest, -1)
	}
	if d.latest[place] == slot {
		return
	}
	d.latest[place] = slot
	d.counts[place]++
	d.pairs = append(d.pairs, pair{uint32(place), uint16(slot)})
}

// finish sorts the values and counts their slots into place.
func (c *column[T]) finish() {
	d := c.draft
	order := make([]int, len(c.values))
	for place := range order {
		order[place] = place
	}
	slices.SortFunc(order, func(a, b int) int { return c.compare(c.values[a], c.values[b]) })
	values := make([]T, len(order))
	c.starts = make([]uint32, len(order)+1)
	next := make([]uint32, len(order)) // by place: where its next slot goes
	for i, place := range order {
		values[i] = c.values[place]
		next[place] = c.starts[i]
		c.starts[i+1] = c.starts[i] + d.counts[place]
	}
	c.slots = make([]uint16, len(d.pairs))
	for _, p := range d.pairs {
		c.slots[next[p.place]] = p.slot
		next[p.place]++
	}
	c.values, c.draft = values, nil
	for i := range c.values {
		if same := c.at(i, i+1); len(same) >= commonSlots {
			c.keep(i, same)
		}
	}
}

func (c *column[T]) keep(place int, same []uint16) {
	if c.common == nil {
		c.common = make(map[int]slotSet)
	}
	set := newSlotSet(int(same[len(same)-1]) + 1)
	for _, slot := range same {
		set.add(int(slot))
	}
	c.common[place] = set
}

func (c *column[T]) at(from, to int) []uint16 { return c.slots[c.starts[from]:c.starts[to]] }

func (c *column[T]) len() int { return len(c.values) }

func (c *column[T]) find(v filter.Value) (place int, found bool) {
	return slices.BinarySearchFunc(c.values, c.key(v), c.compare)
}

func (c *column[T]) span(from, to int, into slotSet) {
	if set, ok := c.common[from]; ok && to == from+1 {
		into.or(set)
		return
	}
	for _, slot := range c.at(from, to) {
		into.add(int(slot))
	}
}

// tally calls do for each value with how many slots of set have it, if any.
func (c *column[T]) tally(set slotSet, do func(value T, count int)) {
	for i, v := range c.values {
		n := 0
		if common, ok := c.common[i]; ok {
			for w, word := range common {
				n += bits.OnesCount64(word & set[w])
			}
		} else {
			for _, slot := range c.at(i, i+1) {
				n += int(set[slot/64] >> (slot % 64) & 1)
			}
		}
		if n > 0 {
			do(v, n)
		}
	}
}

// prefixed returns the places of the texts that begin so: texts are sorted byte
// by byte, so they stand together, the prefix itself first.
func prefixed(c *column[string], prefix string) (from, to int) {
	from, _ = slices.BinarySearch(c.values, prefix)
	n := sort.Search(len(c.values)-from, func(i int) bool { return !strings.HasPrefix(c.values[from+i], prefix) })
	return from, from + n
}
