package filter

import (
	"fmt"
	"strings"
)

// MarshalJSON gives the canonical JSON form.
func (e And) MarshalJSON() ([]byte, error) { return appendJSON(nil, e), nil }

// MarshalJSON gives the canonical JSON form.
func (e Or) MarshalJSON() ([]byte, error) { return appendJSON(nil, e), nil }

// MarshalJSON gives the canonical JSON form.
func (e Not) MarshalJSON() ([]byte, error) { return appendJSON(nil, e), nil }

// MarshalJSON gives the canonical JSON form.
func (e In) MarshalJSON() ([]byte, error) { return appendJSON(nil, e), nil }

// MarshalJSON gives the canonical JSON form.
func (e Compare) MarshalJSON() ([]byte, error) { return appendJSON(nil, e), nil }

// MarshalJSON gives the canonical JSON form.
func (e Prefix) MarshalJSON() ([]byte, error) { return appendJSON(nil, e), nil }

// MarshalJSON gives the canonical JSON form.
func (e Exists) MarshalJSON() ([]byte, error) { return appendJSON(nil, e), nil }

// MarshalJSON gives the canonical JSON form.
func (e Contains) MarshalJSON() ([]byte, error) { return appendJSON(nil, e), nil }

func appendJSON(b []byte, e Expr) []byte {
	switch e := e.(type) {
	case And:
		return appendKids(b, `{"and":[`, e.Kids)
	case Or:
		return appendKids(b, `{"or":[`, e.Kids)
	case Not:
		if exists, ok := e.Kid.(Exists); ok {
			return appendTerm(b, exists.Field, opExists, "false")
		}
		return append(appendJSON(append(b, `{"not":`...), e.Kid), '}')
	case In:
		return appendIn(b, e)
	case Compare:
		return appendTerm(b, e.Field, e.Op.name(), e.Value.written())
	case Prefix:
		return appendTerm(b, e.Field, opPrefix, quoted(e.Text))
	case Exists:
		return appendTerm(b, e.Field, opExists, "true")
	case Contains:
		return appendContains(b, e)
	}
	return append(b, "null"...)
}

func appendKids(b []byte, open string, kids []Expr) []byte {
	b = append(b, open...)
	for i, kid := range kids {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, kid)
	}
	return append(b, "]}"...)
}

func appendTerm(b []byte, field string, o op, value string) []byte {
	return fmt.Appendf(b, `{"field":%s,"%s":%s}`, quoted(field), o, value)
}

func appendIn(b []byte, e In) []byte {
	one, many := opEq, opIn
	if e.Not {
		one, many = opNe, opNin
	}
	if len(e.Values) == 1 {
		return appendTerm(b, e.Field, one, e.Values[0].written())
	}
	return appendTerm(b, e.Field, many, "["+strings.Join(written(e.Values), ",")+"]")
}

func appendContains(b []byte, e Contains) []byte {
	if len(e.Values) == 1 {
		return appendTerm(b, e.Field, opContains, quoted(e.Values[0]))
	}
	o := opContainsAny
	if e.All {
		o = opContainsAll
	}
	texts := make([]string, len(e.Values))
	for i, text := range e.Values {
		texts[i] = quoted(text)
	}
	return appendTerm(b, e.Field, o, "["+strings.Join(texts, ",")+"]")
}
