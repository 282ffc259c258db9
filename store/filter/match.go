package filter

import (
	"slices"
	"strings"
)

// Match says whether an item matches. get returns the value of a field as it is
// named in the tree, in the field's type, and false when it is missing. Match
// is the meaning of the language: whatever a store does instead must agree.
func Match(e Expr, get func(field string) (Value, bool)) bool {
	switch e := e.(type) {
	case And:
		return !slices.ContainsFunc(e.Kids, func(kid Expr) bool { return !Match(kid, get) })
	case Or:
		return slices.ContainsFunc(e.Kids, func(kid Expr) bool { return Match(kid, get) })
	case Not:
		return !Match(e.Kid, get)
	case Exists:
		_, ok := get(e.Field)
		return ok
	case In:
		v, ok := get(e.Field)
		return ok && e.match(v)
	case Compare:
		v, ok := get(e.Field)
		return ok && e.match(v)
	case Prefix:
		v, ok := get(e.Field)
		return ok && v.Type == String && strings.HasPrefix(v.Text, e.Text)
	case Contains:
		v, ok := get(e.Field)
		return ok && v.Type == List && e.match(v.List)
	}
	return true
}

func (e In) match(v Value) bool {
	if v.Type != e.Values[0].Type {
		return false
	}
	_, found := slices.BinarySearchFunc(e.Values, v, compare)
	return found != e.Not
}

func (e Compare) match(v Value) bool {
	if v.Type != e.Value.Type {
		return false
	}
	switch order := compare(v, e.Value); e.Op {
	case Less:
		return order < 0
	case LessEqual:
		return order <= 0
	case Greater:
		return order > 0
	default:
		return order >= 0
	}
}

func (e Contains) match(list []string) bool {
	if e.All {
		return !slices.ContainsFunc(e.Values, func(text string) bool { return !slices.Contains(list, text) })
	}
	return slices.ContainsFunc(list, func(text string) bool {
		_, found := slices.BinarySearch(e.Values, text)
		return found
	})
}
