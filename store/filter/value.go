package filter

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Type is the kind of a value.
type Type uint8

// The types.
const (
	String Type = iota + 1
	Number      // a finite float64
	Int         // an int64; only version has this type
	Bool
	Time
	List // of texts; items have such values, filters do not
)

// noun continues "price is".
func (t Type) noun() string {
	switch t {
	case String:
		return "text"
	case Number:
		return "a number"
	case Int:
		return "a whole number below 2^63"
	case Bool:
		return "true or false"
	case Time:
		return "a time"
	}
	return "a list"
}

// Value is a value of an item or of a filter. Only what Type names is set.
type Value struct {
	Type   Type
	Text   string
	Number float64
	Int    int64
	Bool   bool
	Time   time.Time // in UTC in filters
	List   []string
}

// ValueOf wraps what an item keeps: string, float64, int64, bool, time.Time or
// []string. It returns false for anything else.
func ValueOf(v any) (Value, bool) {
	switch v := v.(type) {
	case string:
		return Value{Type: String, Text: v}, true
	case float64:
		return Value{Type: Number, Number: v}, true
	case int64:
		return Value{Type: Int, Int: v}, true
	case bool:
		return Value{Type: Bool, Bool: v}, true
	case time.Time:
		return Value{Type: Time, Time: v}, true
	case []string:
		return Value{Type: List, List: v}, true
	}
	return Value{}, false
}

// compare orders two values of one type. Lists are never compared.
func compare(a, b Value) int {
	switch a.Type {
	case String:
		return strings.Compare(a.Text, b.Text)
	case Number:
		return cmp.Compare(a.Number, b.Number)
	case Int:
		return cmp.Compare(a.Int, b.Int)
	case Time:
		return a.Time.Compare(b.Time)
	case Bool:
		return cmp.Compare(bit(a.Bool), bit(b.Bool))
	}
	return 0
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// unique sorts values and keeps each once.
func unique(values []Value) []Value {
	slices.SortFunc(values, compare)
	return slices.CompactFunc(values, func(a, b Value) bool { return compare(a, b) == 0 })
}

// literal is a value as written, before the field says what it must be. A
// number keeps its digits, since a version needs more than a float64 holds.
type literal struct {
	kind Type   // String, Number or Bool
	text string // numbers in JSON's syntax, "true" or "false"
	at   int    // see where
}

// as gives the value as one of the wanted type, or of its own when want is 0.
func (l literal) as(want Type) (Value, bool) {
	if want == 0 {
		want = l.kind
	}
	switch {
	case want == Int && l.kind == Number:
		return l.whole()
	case want == Time && l.kind == String:
		return l.time()
	case want != l.kind:
		return Value{}, false
	case want == Bool:
		return Value{Type: Bool, Bool: l.text == "true"}, true
	case want == Number:
		return l.number()
	}
	return Value{Type: String, Text: l.text}, true
}

func (l literal) number() (Value, bool) {
	n, err := strconv.ParseFloat(l.text, 64)
	if n == 0 {
		n = 0 // -0 too, so that equal filters have equal keys
	}
	return Value{Type: Number, Number: n}, err == nil
}

// whole also takes 5.0, as some JSON writers print whole numbers.
func (l literal) whole() (Value, bool) {
	digits, fraction, _ := strings.Cut(l.text, ".")
	n, err := strconv.ParseInt(digits, 10, 64)
	return Value{Type: Int, Int: n}, err == nil && strings.Trim(fraction, "0") == ""
}

// time reads RFC 3339 as strictly as the JSON of an item is read; time.Parse
// takes more.
func (l literal) time() (Value, bool) {
	var t time.Time
	err := t.UnmarshalText([]byte(l.text))
	t = t.UTC()
	return Value{Type: Time, Time: t}, err == nil && t.Year() >= 0 && t.Year() <= 9999
}

// written is the literal in either form.
func (l literal) written() string {
	if l.kind == String {
		return quoted(shorten(l.text))
	}
	return shorten(l.text)
}
