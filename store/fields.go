package store

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"sightline/store/filter"
)

// Field returns the value of a field as a filter's tree names it, such as
// "brand" or "attributes.material", and false when it is missing: when the
// item's JSON leaves it out. It is what filter.Match asks for.
func (it *Item) Field(name string) (filter.Value, bool) {
	if attribute, ok := filter.Attribute(name); ok {
		return filter.ValueOf(it.Attributes[attribute])
	}
	switch at := it.field(name).(type) {
	case *string:
		return filter.Value{Type: filter.String, Text: *at}, *at != ""
	case *int64:
		return filter.Value{Type: filter.Int, Int: *at}, *at != 0
	case *time.Time:
		return filter.Value{Type: filter.Time, Time: *at}, !at.IsZero()
	case **float64:
		if *at != nil {
			return filter.Value{Type: filter.Number, Number: **at}, true
		}
	}
	return filter.Value{}, false
}

// Fields yields every field that is not missing, under the names that Field
// takes. The order of attributes is not fixed.
func (it *Item) Fields() iter.Seq2[string, filter.Value] {
	return func(yield func(string, filter.Value) bool) {
		for _, name := range [...]string{
			"id", "title", "description", "url", "image", "price", "currency", "availability",
			"brand", "category", "color", "group_id", "version", "updated_at",
		} {
			if v, ok := it.Field(name); ok && !yield(name, v) {
				return
			}
		}
		for name, value := range it.Attributes {
			if v, ok := filter.ValueOf(value); ok && !yield("attributes."+name, v) {
				return
			}
		}
	}
}

// Matches says whether the item is one that a filter asks for; nil asks for all.
func (it *Item) Matches(e filter.Expr) bool { return filter.Match(e, it.Field) }

// FacetCount is how many items have a value in a field.
type FacetCount struct {
	Value any // string or bool
	Count int // at least 1
}

// FacetValues yields what Index.Facets counts of an item in a field.
func (it *Item) FacetValues(field string) iter.Seq[any] {
	return func(yield func(any) bool) {
		v, ok := it.Field(field)
		switch {
		case !ok:
		case v.Type == filter.String:
			yield(v.Text)
		case v.Type == filter.Bool:
			yield(v.Bool)
		}
		for i, text := range v.List {
			if !slices.Contains(v.List[:i], text) && !yield(text) {
				return
			}
		}
	}
}

// maxFacets bounds the fields of one call of Facets: each costs a pass over
// what the items hold.
const maxFacets = 64

// ValidateFacets checks the fields and the limit of Index.Facets.
func ValidateFacets(fields []string, limit int) error {
	if len(fields) > maxFacets {
		return fmt.Errorf("%w facets: %d fields; the limit is %d", ErrInvalid, len(fields), maxFacets)
	}
	if limit < 1 || limit > MaxWindow {
		return fmt.Errorf("%w facets: limit %d: it must be between 1 and %d", ErrInvalid, limit, MaxWindow)
	}
	for _, field := range fields {
		if err := checkTextField(field, "facets", "count ranges of it with filters instead"); err != nil {
			return err
		}
	}
	return nil
}

// checkTextField refuses fields that never hold a text. instead says what to do
// with one of another type.
func checkTextField(field, use, instead string) error {
	switch _, free := filter.Attribute(field); {
	case free || filter.FieldType(field) == filter.String:
		return nil
	case filter.FieldType(field) != 0:
		return fmt.Errorf("%w %s: %s is not a text; %s", ErrInvalid, use, field, instead)
	default:
		return fmt.Errorf("%w %s: %q is not a field; an attribute is written attributes.NAME", ErrInvalid, use, field)
	}
}

// ValidateScan checks the limit of Index.Scan.
func ValidateScan(limit int) error {
	if limit < 1 || limit > MaxWindow {
		return fmt.Errorf("%w scan: limit %d: it must be between 1 and %d", ErrInvalid, limit, MaxWindow)
	}
	return nil
}

// ValidateDeleteWhere checks the filter of Index.DeleteWhere.
func ValidateDeleteWhere(e filter.Expr) error {
	if e == nil {
		return fmt.Errorf("%w filter: deleting without one would delete the whole catalogue; if that is meant, give the filter: id EXISTS", ErrInvalid)
	}
	return nil
}

// RankFacets puts counted values in the order of Index.Facets and keeps the
// first limit in a slice of their own.
func RankFacets(counts []FacetCount, limit int) []FacetCount {
	slices.SortFunc(counts, func(a, b FacetCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), compareFacets(a.Value, b.Value))
	})
	return slices.Clone(counts[:min(limit, len(counts))]) // the rest may be as large as the catalogue
}

// compareFacets puts false and true before texts.
func compareFacets(a, b any) int {
	rank := func(v any) int {
		switch v {
		case false:
			return 0
		case true:
			return 1
		}
		return 2
	}
	textA, _ := a.(string)
	textB, _ := b.(string)
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(textA, textB))
}
