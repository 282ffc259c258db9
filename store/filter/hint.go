package filter

import (
	"fmt"
	"strings"
)

// unknownOperator says which operator was meant, if that can be told.
func unknownOperator(name string) string {
	shown := quoted(shorten(name))
	if near := nearest(name, operators()); near != "" {
		return fmt.Sprintf("%s is not an operator; did you mean %q?", shown, near)
	}
	return fmt.Sprintf("%s is not an operator; there are %s", shown, strings.Join(operators(), ", "))
}

// synonym is what other search engines call our operators.
func synonym(name string) string {
	switch name {
	case "equals", "equal", "is", "term", "value", "=", "==":
		return "eq"
	case "neq", "not", "not_eq", "not_equals", "!=", "<>":
		return "ne"
	case "le", "max", "<=":
		return "lte"
	case "ge", "min", ">=":
		return "gte"
	case "less_than", "below", "<":
		return "lt"
	case "greater_than", "above", ">":
		return "gt"
	case "any_of", "one_of", "terms", "values":
		return "in"
	case "not_in", "none_of":
		return "nin"
	case "range":
		return "between"
	case "starts_with", "startswith", "begins_with", "like":
		return "prefix"
	case "missing", "null", "is_null", "not_null":
		return "exists"
	case "any":
		return "contains_any"
	case "all":
		return "contains_all"
	}
	return ""
}

// nearest returns a synonym, or the known name at most two edits away that is
// not as short as the edits. "$gt" and "GT" are read as "gt".
func nearest(name string, known []string) string {
	name = strings.TrimLeft(strings.ToLower(shorten(name)), "$_")
	if other := synonym(name); other != "" {
		return other
	}
	best, least := "", 3
	for _, candidate := range known {
		if d := Edits(name, candidate); d < least && d < len(candidate) {
			best, least = candidate, d
		}
	}
	return best
}

// Edits is the Levenshtein distance of a and b in bytes.
func Edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := bit(a[i] != b[j])
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+change)
		}
	}
	return row[len(b)]
}
