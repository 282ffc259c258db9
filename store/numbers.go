package store

import (
	"fmt"

	"sightline/store/filter"
)

// Range is the numbers n with From <= n < To; infinities for no bound.
type Range struct{ From, To float64 }

// Has says whether n is within the range.
func (r Range) Has(n float64) bool { return r.From <= n && n < r.To }

// Numbers describes the numbers that items have in a field.
type Numbers struct {
	Count    int     // items with a number there
	Min, Max float64 // 0 without any
	Ranges   []int   // how many are within each of the ranges asked for, which may overlap
}

// NewNumbers describes nothing yet.
func NewNumbers(ranges []Range) Numbers { return Numbers{Ranges: make([]int, len(ranges))} }

// Add counts a number that so many items have, at least one.
func (n *Numbers) Add(number float64, items int, ranges []Range) {
	if n.Count == 0 {
		n.Min, n.Max = number, number
	}
	n.Count += items
	n.Min, n.Max = min(n.Min, number), max(n.Max, number)
	for i, r := range ranges {
		if r.Has(number) {
			n.Ranges[i] += items
		}
	}
}

// Join adds what was counted elsewhere, of the same ranges.
func (n *Numbers) Join(other Numbers) {
	if other.Count == 0 {
		return
	}
	if n.Count == 0 {
		n.Min, n.Max = other.Min, other.Max
	}
	n.Count += other.Count
	n.Min, n.Max = min(n.Min, other.Min), max(n.Max, other.Max)
	for i, count := range other.Ranges {
		n.Ranges[i] += count
	}
}

// maxRanges bounds the ranges of one call of Numbers.
const maxRanges = 128

// ValidateNumbers checks the field and the ranges of Index.Numbers.
func ValidateNumbers(field string, ranges []Range) error {
	if len(ranges) > maxRanges {
		return fmt.Errorf("%w numbers: %d ranges; the limit is %d", ErrInvalid, len(ranges), maxRanges)
	}
	for i, r := range ranges {
		if !(r.From < r.To) { // NaN too
			return fmt.Errorf("%w numbers: range %d is from %g to %g: from must be below to", ErrInvalid, i+1, r.From, r.To)
		}
	}
	switch _, free := filter.Attribute(field); {
	case free || filter.FieldType(field) == filter.Number:
		return nil
	case filter.FieldType(field) != 0:
		return fmt.Errorf("%w numbers: %s is not a number", ErrInvalid, field)
	}
	return fmt.Errorf("%w numbers: %q is not a field; an attribute is written attributes.NAME", ErrInvalid, field)
}
