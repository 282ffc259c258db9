package filter

import (
	"maps"
	"slices"
)

// Expr is a filter: And, Or, Not, or one of the conditions In, Compare, Prefix,
// Exists and Contains. Conditions come from Parse and ParseJSON, which check
// them; trees may be joined further by hand. A nil Expr matches every item.
//
// A parsed tree is normal: no And holds an And, no Or an Or and no Not a Not;
// And and Or have two kids or more; lists of values are sorted and have no
// value twice. Nobody changes a tree, so it may be used by many at a time.
type Expr interface {
	// MarshalJSON gives the canonical JSON form.
	MarshalJSON() ([]byte, error)
	sealed()
}

type (
	// And matches when all kids do.
	And struct{ Kids []Expr }
	// Or matches when one kid does.
	Or struct{ Kids []Expr }
	// Not matches when the kid does not.
	Not struct{ Kid Expr }

	// In stands for =, !=, IN and NOT IN: the field has a value of the type of
	// Values, which is among them or, with Not, is not.
	In struct {
		Field  string
		Values []Value // 1 or more of one type, sorted
		Not    bool
	}
	// Compare wants a value of the same type that stands in this order to Value.
	Compare struct {
		Field string
		Op    Order
		Value Value // not a Bool
	}
	// Prefix wants a String that begins so.
	Prefix struct {
		Field string
		Text  string
	}
	// Exists wants a value of any type. MISSING is Not of it.
	Exists struct{ Field string }
	// Contains wants a List with one of Values or, with All, with every one.
	Contains struct {
		Field  string   // always an attribute: no fixed field is a list
		Values []string // 1 or more, sorted
		All    bool     // only with 2 values or more
	}
)

// Order is how the value of an item stands to the one in a Compare.
type Order uint8

// The orders.
const (
	Less Order = iota + 1
	LessEqual
	Greater
	GreaterEqual
)

func (And) sealed()      {}
func (Or) sealed()       {}
func (Not) sealed()      {}
func (In) sealed()       {}
func (Compare) sealed()  {}
func (Prefix) sealed()   {}
func (Exists) sealed()   {}
func (Contains) sealed() {}

// Fields returns the fields that a filter names, sorted, each once: what an
// index has to load, and what a caller can compare with the attributes that
// the catalogue has.
func Fields(e Expr) []string {
	found := make(map[string]bool)
	addFields(e, found)
	return slices.Sorted(maps.Keys(found))
}

func addFields(e Expr, found map[string]bool) {
	for _, kid := range kids(e) {
		addFields(kid, found)
	}
	switch e := e.(type) {
	case In:
		found[e.Field] = true
	case Compare:
		found[e.Field] = true
	case Prefix:
		found[e.Field] = true
	case Exists:
		found[e.Field] = true
	case Contains:
		found[e.Field] = true
	}
}

// Without leaves out the conditions about one field alone, as far as they are
// joined to the rest by AND. What is left may be nil.
func Without(e Expr, field string) Expr {
	parts := []Expr{e}
	if and, ok := e.(And); ok {
		parts = and.Kids
	}
	var kept []Expr
	for _, part := range parts {
		if names := Fields(part); len(names) != 1 || names[0] != field {
			kept = append(kept, part)
		}
	}
	switch {
	case e == nil || len(kept) == 0:
		return nil
	case len(kept) == len(parts):
		return e
	}
	return joinAnd(kept)
}

func kids(e Expr) []Expr {
	switch e := e.(type) {
	case And:
		return e.Kids
	case Or:
		return e.Kids
	case Not:
		return []Expr{e.Kid}
	}
	return nil
}

// depth counts the levels of And, Or and Not.
func depth(e Expr) int {
	inner := kids(e)
	if len(inner) == 0 {
		return 0
	}
	most := 0
	for _, kid := range inner {
		most = max(most, depth(kid))
	}
	return 1 + most
}

func joinAnd(parts []Expr) Expr {
	flat := flatten(parts, func(e Expr) []Expr { and, _ := e.(And); return and.Kids })
	if len(flat) == 1 {
		return flat[0]
	}
	return And{flat}
}

func joinOr(parts []Expr) Expr {
	flat := flatten(parts, func(e Expr) []Expr { or, _ := e.(Or); return or.Kids })
	if len(flat) == 1 {
		return flat[0]
	}
	return Or{flat}
}

// flatten puts the kids of a part in its place; inner gives none for a part
// that stays as it is.
func flatten(parts []Expr, inner func(Expr) []Expr) []Expr {
	var flat []Expr
	for _, part := range parts {
		if kids := inner(part); kids != nil {
			flat = append(flat, kids...)
		} else {
			flat = append(flat, part)
		}
	}
	return flat
}

func negate(e Expr) Expr {
	if not, ok := e.(Not); ok {
		return not.Kid
	}
	return Not{e}
}
