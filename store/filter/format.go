package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Format gives the canonical text: Parse of it is the same tree.
func Format(e Expr) string { return writer{}.text(e, bindOr) }

// Key is equal for filters that differ only in how they were written and in the
// order of operands and list values, and different for filters that mean
// different things. It is as long as the filter; hash it where that is too long.
func Key(e Expr) string { return writer{sorted: true}.text(e, bindOr) }

// How strongly operators bind.
const (
	bindOr = iota
	bindAnd
	bindNot
)

// writer writes the text form, and with sorted the operands of AND and OR in
// the order of their texts.
type writer struct{ sorted bool }

// text writes a filter as an operand of what binds so strongly.
func (w writer) text(e Expr, outer int) string {
	switch e := e.(type) {
	case And:
		return w.join(e.Kids, " AND ", bindAnd, outer)
	case Or:
		return w.join(e.Kids, " OR ", bindOr, outer)
	case Not:
		if exists, ok := e.Kid.(Exists); ok {
			return formatName(exists.Field) + " MISSING"
		}
		return "NOT " + w.text(e.Kid, bindNot)
	case In:
		return formatIn(e)
	case Compare:
		return formatName(e.Field) + " " + e.Op.name().text() + " " + e.Value.written()
	case Prefix:
		return formatName(e.Field) + " STARTS WITH " + quoted(e.Text)
	case Exists:
		return formatName(e.Field) + " EXISTS"
	case Contains:
		return formatContains(e)
	}
	return ""
}

func (w writer) join(kids []Expr, word string, inner, outer int) string {
	parts := make([]string, len(kids))
	for i, kid := range kids {
		parts[i] = w.text(kid, inner)
	}
	if w.sorted {
		slices.Sort(parts)
	}
	text := strings.Join(parts, word)
	if inner < outer {
		return "(" + text + ")"
	}
	return text
}

func formatIn(e In) string {
	name := formatName(e.Field)
	if len(e.Values) == 1 {
		symbol := " = "
		if e.Not {
			symbol = " != "
		}
		return name + symbol + e.Values[0].written()
	}
	word := " IN ("
	if e.Not {
		word = " NOT IN ("
	}
	return name + word + strings.Join(written(e.Values), ", ") + ")"
}

func formatContains(e Contains) string {
	name := formatName(e.Field)
	if len(e.Values) == 1 {
		return name + " CONTAINS " + quoted(e.Values[0])
	}
	texts := make([]string, len(e.Values))
	for i, text := range e.Values {
		texts[i] = quoted(text)
	}
	word := "ANY"
	if e.All {
		word = "ALL"
	}
	return fmt.Sprintf("%s CONTAINS %s (%s)", name, word, strings.Join(texts, ", "))
}

func formatName(field string) string {
	if isPlain(field) {
		return field // no keyword: it is a fixed field or begins with "attributes."
	}
	return string(appendQuoted(nil, field, '`'))
}

// name is the operator of a Compare.
func (o Order) name() op {
	return []op{opLt, opLte, opGt, opGte}[o-1]
}

func written(values []Value) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.written()
	}
	return texts
}

// written is the value in either form.
func (v Value) written() string {
	switch v.Type {
	case Number:
		return strconv.FormatFloat(v.Number, 'g', -1, 64)
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case Bool:
		return strconv.FormatBool(v.Bool)
	case Time:
		return quoted(v.Time.Format(time.RFC3339Nano))
	}
	return quoted(v.Text)
}

// quoted is a text in either form.
func quoted(text string) string { return string(appendQuoted(nil, text, '"')) }

// appendQuoted escapes what JSON must have escaped and no more.
func appendQuoted(b []byte, text string, quote byte) []byte {
	b = append(b, quote)
	for i := range len(text) {
		switch c := text[i]; {
		case c == quote || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, quote)
}
