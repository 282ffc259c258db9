package milvus

import (
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"sightline/store/filter"
)

// span encloses a filter: every item that matches satisfies over, and every
// item that satisfies under matches. Items between the two are decided by
// Item.Matches, here. For most filters the two are the same but for items that
// overflow (tokens.go).
type span struct{ over, under cond }

func exactly(c cond) span { return span{c, c} }

// undecided is a condition that Milvus can only narrow down.
func undecided(c cond) span { return span{c, never} }

// maxLikes bounds the values of one condition that are looked for by LIKE: each
// is a pass over the tokens of all rows.
const maxLikes = 32

func translate(e filter.Expr) span {
	switch e := e.(type) {
	case filter.And:
		return translateAll(e.Kids, and)
	case filter.Or:
		return translateAll(e.Kids, or)
	case filter.Not:
		kid := translate(e.Kid)
		return span{not(kid.under), not(kid.over)}
	case filter.Exists:
		return exists(e.Field)
	case filter.In:
		return translateIn(e)
	case filter.Compare:
		return translateCompare(e)
	case filter.Prefix:
		return translatePrefix(e)
	case filter.Contains:
		return translateContains(e)
	}
	return exactly(always)
}

func translateAll(kids []filter.Expr, joined func(...cond) cond) span {
	over, under := make([]cond, len(kids)), make([]cond, len(kids))
	for i, kid := range kids {
		s := translate(kid)
		over[i], under[i] = s.over, s.under
	}
	return span{joined(over...), joined(under...)}
}

func hasColumn(field string) bool {
	switch field {
	case colID, "price", "version", "updated_at":
		return true
	}
	return slices.Contains(textColumns, field)
}

// present is the condition that a field with a column is not missing.
func present(field string) cond {
	switch field {
	case colID:
		return always
	case "price":
		return compare(colPrice, ">=", floatLiteral(0))
	case "version":
		return compare(colVersion, ">", "0")
	case "updated_at":
		return compare(colSecond, ">", "0")
	}
	return compare(field, "!=", `""`)
}

func exists(field string) span {
	if hasColumn(field) {
		return exactly(present(field))
	}
	return byToken(hasToken(nameToken(field)))
}

// byToken is true for what the tokens say, and open for items that overflow.
func byToken(c cond) span {
	return span{or(c, compare(colTokens, "==", quote(overflowing))), c}
}

func translateIn(e filter.In) span {
	kind := e.Values[0].Type
	switch {
	case hasColumn(e.Field) && kind != filter.FieldType(e.Field):
		return exactly(never) // the parser lets none through
	case hasColumn(e.Field):
		found := oneOf(e.Field, e.Values)
		if e.Not {
			return exactly(and(present(e.Field), not(found)))
		}
		return exactly(and(present(e.Field), found))
	case len(e.Values) > maxLikes:
		return undecided(byToken(hasToken(typeToken(e.Field, kind))).over)
	}
	likes := make([]cond, len(e.Values))
	for i, v := range e.Values {
		likes[i] = hasToken(valueToken(e.Field, v))
	}
	found := byToken(or(likes...))
	if !e.Not {
		return found
	}
	typed := byToken(hasToken(typeToken(e.Field, kind)))
	return span{and(typed.over, not(found.under)), and(typed.under, not(found.over))}
}

// oneOf wants a field with a column to have one of some values. Values that no
// item can have are left out.
func oneOf(field string, values []filter.Value) cond {
	var texts, numbers []string
	var times []cond
	for _, v := range values {
		switch {
		case v.Type == filter.String:
			texts = append(texts, v.Text)
		case v.Type == filter.Number && v.Number >= 0 && v.Number <= math.MaxFloat64:
			numbers = append(numbers, floatLiteral(v.Number+0))
		case v.Type == filter.Int && v.Int > 0:
			numbers = append(numbers, intLiteral(v.Int))
		case v.Type == filter.Time:
			second, nano := instant(v.Time)
			times = append(times, and(compare(colSecond, "==", intLiteral(second)), compare(colNano, "==", intLiteral(nano))))
		}
	}
	switch filter.FieldType(field) {
	case filter.String:
		return in(field, texts)
	case filter.Time:
		return or(times...)
	}
	return among(field, numbers)
}

func translateCompare(e filter.Compare) span {
	switch {
	case !hasColumn(e.Field):
		return undecided(byToken(hasToken(typeToken(e.Field, e.Value.Type))).over)
	case e.Value.Type != filter.FieldType(e.Field):
		return exactly(never)
	}
	v := e.Value
	switch v.Type {
	case filter.Number:
		if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
			return undecided(present(e.Field))
		}
		return orderedBy(e, v.Number < 0, floatLiteral(v.Number+0))
	case filter.Int:
		return orderedBy(e, v.Int < 0, intLiteral(v.Int))
	case filter.Time:
		return exactly(and(present(e.Field), compareTime(e.Op, v.Time)))
	}
	if !utf8.ValidString(v.Text) {
		return undecided(present(e.Field))
	}
	return orderedBy(e, false, quote(v.Text))
}

// orderedBy compares a column with a literal. Below every value there is, no
// literal is needed; Milvus reads signs in too many ways.
func orderedBy(e filter.Compare, below bool, literal string) span {
	switch {
	case !below:
		return exactly(and(present(e.Field), compare(e.Field, operator(e.Op), literal)))
	case e.Op == filter.Less || e.Op == filter.LessEqual:
		return exactly(never)
	}
	return exactly(present(e.Field))
}

func operator(o filter.Order) string {
	switch o {
	case filter.Less:
		return "<"
	case filter.LessEqual:
		return "<="
	case filter.Greater:
		return ">"
	default:
		return ">="
	}
}

// compareTime: nanoseconds since the year 0 do not fit 64 bits.
func compareTime(o filter.Order, at time.Time) cond {
	second, nano := instant(at)
	strict := "<"
	if o == filter.Greater || o == filter.GreaterEqual {
		strict = ">"
	}
	return or(compare(colSecond, strict, intLiteral(second)),
		and(compare(colSecond, "==", intLiteral(second)), compare(colNano, operator(o), intLiteral(nano))))
}

// secondsBefore is from the beginning of the year -1 to 1970: an item's time is
// of the year 0 or later in its own zone.
const secondsBefore = 62_198_755_200

// instant is a time as it is stored. It is below 0, before clipping, only in
// filters made by hand.
func instant(at time.Time) (second, nano int64) {
	return max(at.Unix()+secondsBefore, 0), int64(at.Nanosecond())
}

// encodeTime is of an item's time: the zero time is none, and 0, 0.
func encodeTime(at time.Time) (second, nano int64) {
	if at.IsZero() {
		return 0, 0
	}
	return instant(at)
}

func translatePrefix(e filter.Prefix) span {
	switch {
	case !hasColumn(e.Field):
		return undecided(byToken(hasToken(typeToken(e.Field, filter.String))).over)
	case filter.FieldType(e.Field) != filter.String:
		return exactly(never)
	case !utf8.ValidString(e.Text):
		return undecided(present(e.Field)) // half a character may begin one
	}
	return exactly(and(present(e.Field), startsWith(e.Field, e.Text)))
}

func translateContains(e filter.Contains) span {
	switch {
	case hasColumn(e.Field):
		return exactly(never) // no list has a column
	case len(e.Values) > maxLikes:
		return undecided(byToken(hasToken(typeToken(e.Field, filter.List))).over)
	}
	likes := make([]cond, len(e.Values))
	for i, text := range e.Values {
		likes[i] = hasToken(listToken(e.Field, text))
	}
	if e.All {
		return byToken(and(likes...))
	}
	return byToken(or(likes...))
}
