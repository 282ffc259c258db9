package filter

import (
	"fmt"
	"slices"
	"strconv"
)

// op is an operator by its name in JSON.
type op string

const (
	opEq          op = "eq"
	opNe          op = "ne"
	opLt          op = "lt"
	opLte         op = "lte"
	opGt          op = "gt"
	opGte         op = "gte"
	opIn          op = "in"
	opNin         op = "nin"
	opBetween     op = "between"
	opPrefix      op = "prefix"
	opExists      op = "exists"
	opContains    op = "contains"
	opContainsAny op = "contains_any"
	opContainsAll op = "contains_all"
	opMissing     op = "missing" // "exists": false in JSON
)

func operators() []string {
	return []string{
		"eq", "ne", "lt", "lte", "gt", "gte", "in", "nin", "between", "prefix", "exists", "contains", "contains_any", "contains_all",
	}
}

// text is the operator in text form.
func (o op) text() string {
	switch o {
	case opEq:
		return "="
	case opNe:
		return "!="
	case opLt:
		return "<"
	case opLte:
		return "<="
	case opGt:
		return ">"
	case opGte:
		return ">="
	case opPrefix:
		return "STARTS WITH"
	case opContains:
		return "CONTAINS"
	case opIn:
		return "IN"
	}
	return "" // the others are in no message
}

// order is 0 for operators that are none of order.
func (o op) order() Order {
	switch o {
	case opLt:
		return Less
	case opLte:
		return LessEqual
	case opGt:
		return Greater
	case opGte:
		return GreaterEqual
	}
	return 0
}

func (o op) contains() bool { return o == opContains || o == opContainsAny || o == opContainsAll }

// term is a condition as written; both forms lead here.
type term struct {
	where
	at     int // of the field in a text, whole in JSON
	field  string
	op     op
	values []literal
}

// builder makes trees of terms and collects what is wrong with them.
type builder struct {
	problems []Problem
	more     int
	leaves   int
}

func (b *builder) add(p Problem) {
	if len(b.problems) == maxProblems {
		b.more++
		return
	}
	b.problems = append(b.problems, p)
}

// leaf returns nil after a problem; the tree is not used then.
func (b *builder) leaf(t term) Expr {
	if !b.count(t) {
		return nil
	}
	if misuse := t.misuse(); misuse != "" {
		b.add(t.problem(t.at, misuse))
		return nil
	}
	values, at, problem := t.typed()
	if problem != "" {
		b.add(t.problem(at, problem))
		return nil
	}
	return t.expr(values)
}

// count reports the limit once, at the condition that crosses it.
func (b *builder) count(t term) bool {
	before := b.leaves
	b.leaves++
	if t.op == opBetween {
		b.leaves++
	}
	if b.leaves > maxLeaves && before <= maxLeaves {
		b.add(t.problem(t.at, fmt.Sprintf("more than %d conditions: give many values of one field as one list", maxLeaves)))
	}
	return b.leaves <= maxLeaves
}

// misuse says why the operator is not for this field.
func (t term) misuse() string {
	has := FieldType(t.field)
	switch {
	case has != 0 && t.op.contains():
		return fmt.Sprintf("%s is %s, not a list: use %s or %s", t.field, has.noun(), t.say(opEq), t.say(opIn))
	case has != 0 && has != String && t.op == opPrefix:
		return fmt.Sprintf("%s is %s: %s is for text", t.field, has.noun(), t.say(opPrefix))
	}
	return ""
}

// say names an operator in the form that the term has.
func (t term) say(o op) string {
	if t.text == "" {
		return strconv.Quote(string(o))
	}
	return o.text()
}

// typed gives the values the type of the field, or says which one cannot have it.
func (t term) typed() (values []Value, at int, problem string) {
	want := FieldType(t.field)
	if t.op == opPrefix || t.op.contains() {
		want = String
	}
	for _, lit := range t.values {
		v, ok := lit.as(want)
		switch {
		case !ok:
			return nil, lit.at, t.mismatch(want, lit)
		case len(values) > 0 && values[0].Type != v.Type:
			return nil, lit.at, fmt.Sprintf("the values of one list must be of one type: %s is not %s", lit.written(), values[0].Type.noun())
		case v.Type == Bool && (t.op.order() != 0 || t.op == opBetween):
			return nil, lit.at, fmt.Sprintf("true and false have no order: use %s or %s", t.say(opEq), t.say(opNe))
		}
		values = append(values, v)
	}
	if t.op == opBetween && compare(values[0], values[1]) > 0 {
		return nil, t.values[0].at, "the range is empty: give the smaller value first"
	}
	return values, 0, ""
}

// mismatch says what the field has, and how the condition should be written.
func (t term) mismatch(want Type, lit literal) string {
	subject := formatName(t.field) + " is " + want.noun()
	switch {
	case want == 0:
		return lit.written() + " does not fit a 64-bit number: write a smaller one"
	case t.op == opPrefix:
		subject = "a prefix is text"
	case t.op.contains():
		subject = "lists hold texts"
	case want == Number && lit.kind == Number:
		subject = formatName(t.field) + " is a number of 64 bits"
	}
	return fmt.Sprintf("%s: write %s, not %s", subject, t.example(lit.wanted(want)), t.example(lit.written()))
}

// example is the term with one value; operators that take several are left out.
func (t term) example(value string) string {
	if symbol := t.op.text(); symbol == "" || t.op == opIn {
		return value
	} else if t.text != "" {
		return formatName(t.field) + " " + symbol + " " + value
	}
	return strconv.Quote(string(t.op)) + ": " + value
}

// wanted is the literal rewritten as the type, or some value of the type.
func (l literal) wanted(want Type) string {
	switch want {
	case String:
		return quoted(shorten(l.text))
	case Time:
		return `"2026-01-31T12:00:00Z"`
	}
	bare := literal{kind: Number, text: l.text}
	if _, ok := bare.as(want); ok && isNumber(l.text) {
		return l.text
	}
	return "50"
}

func (t term) expr(values []Value) Expr {
	switch t.op {
	case opEq, opIn:
		return In{Field: t.field, Values: unique(values)}
	case opNe, opNin:
		return In{Field: t.field, Values: unique(values), Not: true}
	case opBetween:
		return And{[]Expr{Compare{t.field, GreaterEqual, values[0]}, Compare{t.field, LessEqual, values[1]}}}
	case opPrefix:
		return Prefix{t.field, values[0].Text}
	case opExists:
		return Exists{t.field}
	case opMissing:
		return Not{Exists{t.field}}
	case opContains, opContainsAny, opContainsAll:
		return t.containsExpr(values)
	}
	return Compare{t.field, t.op.order(), values[0]}
}

func (t term) containsExpr(values []Value) Expr {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.Text
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	return Contains{Field: t.field, Values: texts, All: t.op == opContainsAll && len(texts) > 1}
}

// finish returns the tree, or everything that is wrong. size is of the input.
func (b *builder) finish(e Expr, root string, size int) (Expr, error) {
	if len(b.problems) == 0 {
		if problem := tooLarge(e, size); problem != "" {
			b.add(Problem{Path: root, Detail: problem})
		}
	}
	if len(b.problems) > 0 {
		return nil, &Error{Problems: b.problems, More: b.more}
	}
	return e, nil
}

// tooLarge looks at the canonical forms of long filters only: a byte grows to
// 6 at most ("\u0000"), and the words around 256 conditions take under 32 KiB.
func tooLarge(e Expr, size int) string {
	if depth(e) > maxDepth {
		return tooDeep()
	}
	if size <= maxSize/16 {
		return ""
	}
	if n := max(len(Format(e)), len(appendJSON(nil, e))); n > maxSize {
		return tooLong(n) + " in canonical form"
	}
	return ""
}

func tooDeep() string {
	return fmt.Sprintf("nested deeper than %d levels: write fewer AND, OR, NOT and parentheses inside each other", maxDepth)
}

func tooLong(n int) string {
	return fmt.Sprintf("the filter is %d bytes long; the limit is %d", n, maxSize)
}
