package embedded

import (
	"cmp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"sightline/store/filter"
)

// commonSlots is how many slots of a chunk must have a value before it gets a
// bitmap of its own. Below, making one at search costs less than its memory.
const commonSlots = 64

// values answers conditions on one type of value in one field. Sets it returns
// may be its own and must not be changed.
type values interface {
	add(slot uint32, v filter.Value)
	finish()
	every() *roaring.Bitmap
	len() int // different values
	find(v filter.Value) (place int, found bool)
	span(from, to int) *roaring.Bitmap // the slots that have one of these values
}

// column keeps the values of a field sorted, so that equality, order and
// prefix are all a range of it: 4 bytes a slot, and a value and 4 bytes for
// each that differs.
type column[T any] struct {
	key     func(filter.Value) T
	compare func(a, b T) int
	pairs   []pair[T] // until finish

	values []T                     // sorted, each once
	starts []uint32                // values[i] is in slots[starts[i]:starts[i+1]]
	slots  []uint32                // sorted within each value
	common map[int]*roaring.Bitmap // by place in values
	all    *roaring.Bitmap
}

type pair[T any] struct {
	value T
	slot  uint32
}

// newColumn holds the members of lists for filter.List.
func newColumn(t filter.Type) values {
	switch t {
	case filter.Number:
		return &column[float64]{key: func(v filter.Value) float64 { return v.Number }, compare: cmp.Compare[float64]}
	case filter.Int:
		return &column[int64]{key: func(v filter.Value) int64 { return v.Int }, compare: cmp.Compare[int64]}
	case filter.Bool:
		return &column[bool]{key: func(v filter.Value) bool { return v.Bool }, compare: compareBools}
	case filter.Time:
		return &column[time.Time]{key: func(v filter.Value) time.Time { return v.Time }, compare: time.Time.Compare}
	}
	return &column[string]{key: func(v filter.Value) string { return v.Text }, compare: strings.Compare}
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

func (c *column[T]) add(slot uint32, v filter.Value) {
	c.pairs = append(c.pairs, pair[T]{c.key(v), slot})
}

func (c *column[T]) order(a, b pair[T]) int {
	return cmp.Or(c.compare(a.value, b.value), cmp.Compare(a.slot, b.slot))
}

// finish sorts what was added; a list may have added the same text twice.
func (c *column[T]) finish() {
	slices.SortFunc(c.pairs, c.order)
	pairs := slices.CompactFunc(c.pairs, func(a, b pair[T]) bool { return c.order(a, b) == 0 })
	c.slots = make([]uint32, len(pairs))
	for i, p := range pairs {
		if i == 0 || c.compare(p.value, pairs[i-1].value) != 0 {
			c.values = append(c.values, p.value)
			c.starts = append(c.starts, uint32(i))
		}
		c.slots[i] = p.slot
	}
	c.starts = append(c.starts, uint32(len(pairs)))
	c.pairs = nil
	c.values, c.starts = slices.Clone(c.values), slices.Clone(c.starts) // without the room that append left
	c.all = setOf(c.slots)
	c.common = make(map[int]*roaring.Bitmap)
	for i := range c.values {
		if same := c.slots[c.starts[i]:c.starts[i+1]]; len(same) >= commonSlots {
			c.common[i] = setOf(same)
		}
	}
}

// setOf goes through a dense bitmap: roaring inserts numbers that are not
// sorted one by one, moving those behind.
func setOf(slots []uint32) *roaring.Bitmap {
	if len(slots) == 0 {
		return roaring.New()
	}
	words := make([]uint64, slices.Max(slots)/64+1)
	for _, slot := range slots {
		words[slot/64] |= 1 << (slot % 64)
	}
	return roaring.FromDense(words, false)
}

func (c *column[T]) every() *roaring.Bitmap { return c.all }

func (c *column[T]) len() int { return len(c.values) }

func (c *column[T]) find(v filter.Value) (place int, found bool) {
	return slices.BinarySearchFunc(c.values, c.key(v), c.compare)
}

func (c *column[T]) span(from, to int) *roaring.Bitmap {
	if set, ok := c.common[from]; ok && to == from+1 {
		return set
	}
	return setOf(c.slots[c.starts[from]:c.starts[to]])
}

// prefixed returns the slots whose text begins so: texts are sorted byte by
// byte, so they stand together, the prefix itself first.
func prefixed(c *column[string], prefix string) *roaring.Bitmap {
	from, _ := slices.BinarySearch(c.values, prefix)
	n := sort.Search(len(c.values)-from, func(i int) bool { return !strings.HasPrefix(c.values[from+i], prefix) })
	return c.span(from, from+n)
}
