package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

var (
	// ErrFingerprint says that stored data was made by another model than the
	// one in use; vectors of two models must never meet in one index.
	ErrFingerprint = errors.New("made with another model")
	// ErrClosed is returned by every method of an index or store after Close.
	ErrClosed = errors.New("the store is closed")
	// ErrNoSpace is wrapped by writes that failed because the disk is full. They
	// changed nothing; reading goes on, and writing does when there is space.
	ErrNoSpace = errors.New("no space left")
	// ErrUnavailable is wrapped by calls that failed because a store beyond this
	// process does not answer. They may be repeated.
	ErrUnavailable = errors.New("the store does not answer")
	// ErrInvalid is wrapped by every refusal of what a caller passed in.
	ErrInvalid = errors.New("invalid")
)

// FieldError is one thing wrong with one field, in words for the shop.
type FieldError struct {
	Field   string // JSON name; attributes as "attributes.NAME" or "NAME" when given at the top level
	Problem string // continues the field's name: "must be a number"
}

// ItemError lists everything wrong with one item, ordered by field. It wraps
// ErrInvalid.
type ItemError struct {
	ID     string // as given, so possibly empty or itself wrong
	Fields []FieldError
}

// Error gives all problems on one line.
func (e *ItemError) Error() string {
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		parts[i] = fmt.Sprintf("%q %s", f.Field, f.Problem)
	}
	return fmt.Sprintf("item %q: %s", e.ID, strings.Join(parts, "; "))
}

// Unwrap makes errors.Is(err, ErrInvalid) true.
func (e *ItemError) Unwrap() error { return ErrInvalid }

// problems collects what is wrong with one item.
type problems struct{ fields []FieldError }

func (p *problems) add(field, format string, args ...any) {
	p.fields = append(p.fields, FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

func (p *problems) err(id string) error {
	if len(p.fields) == 0 {
		return nil
	}
	slices.SortStableFunc(p.fields, func(a, b FieldError) int { return cmp.Compare(a.Field, b.Field) })
	return &ItemError{ID: id, Fields: p.fields}
}
