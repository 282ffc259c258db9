package filter

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Parse reads the text form. Its errors are of type *Error.
func Parse(text string) (Expr, error) {
	var b builder
	if problem := unreadable(text); problem != "" {
		b.add(Problem{Detail: problem})
		return b.finish(nil, "", 0)
	}
	return b.finish(b.parseText(text, "", 0), "", len(text))
}

// unreadable is what both forms refuse before they look closer.
func unreadable(src string) string {
	switch {
	case len(src) > maxSize:
		return tooLong(len(src))
	case !utf8.ValidString(src):
		return "the filter is not valid UTF-8 text: encode it so"
	}
	return ""
}

// parser reads one text. Its methods return false when there is no point in
// reading on; the builder has the problem then.
type parser struct {
	*builder
	where
	tok   token // not yet used
	next  int   // offset behind tok
	depth int
}

// parseText reads a text that stands at a path of the JSON form, depth levels
// down. What it returns is of use only if no problem was added.
func (b *builder) parseText(text, path string, depth int) Expr {
	if strings.TrimSpace(text) == "" {
		b.add(Problem{Path: path, Detail: "the filter is empty: leave it out to search everything"})
		return nil
	}
	p := &parser{builder: b, where: where{path, text}, depth: depth}
	p.advance()
	e, ok := p.or()
	if ok && p.tok.kind != tokenEnd {
		p.unexpected("AND, OR or the end")
	}
	return e
}

func (p *parser) advance() { p.tok, p.next = scan(p.text, p.next) }

// peek says whether a keyword or symbol is next.
func (p *parser) peek(word string) bool {
	return (p.tok.kind == tokenWord || p.tok.kind == tokenSymbol) && strings.EqualFold(p.tok.text, word)
}

// take steps over a keyword or symbol if it is next.
func (p *parser) take(word string) bool {
	if !p.peek(word) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(word string) bool { return p.take(word) || p.unexpected(word) }

func (p *parser) fail(at int, format string, args ...any) bool {
	p.add(p.problem(at, fmt.Sprintf(format, args...)))
	return false
}

func (p *parser) unexpected(wanted string) bool {
	if p.tok.kind == tokenBad {
		return p.fail(p.tok.at, "%s", p.tok.text)
	}
	return p.fail(p.tok.at, "expected %s, found %s", wanted, p.found())
}

// found is the next token as the user wrote it.
func (p *parser) found() string {
	if p.tok.kind == tokenEnd {
		return "the end"
	}
	return shorten(p.text[p.tok.at:p.next])
}

func (p *parser) or() (Expr, bool) {
	parts, ok := p.chain("OR", p.and)
	return joinOr(parts), ok
}

func (p *parser) and() (Expr, bool) {
	parts, ok := p.chain("AND", p.not)
	return joinAnd(parts), ok
}

func (p *parser) chain(word string, operand func() (Expr, bool)) ([]Expr, bool) {
	var parts []Expr
	for {
		part, ok := operand()
		parts = append(parts, part)
		if !ok || !p.take(word) {
			return parts, ok
		}
	}
}

func (p *parser) not() (Expr, bool) {
	open := p.tok
	switch {
	case p.take("NOT"):
		e, ok := p.nested(open, p.not)
		return negate(e), ok
	case p.take("("):
		e, ok := p.nested(open, p.or)
		return e, ok && p.close(open)
	}
	return p.condition()
}

func (p *parser) nested(open token, read func() (Expr, bool)) (Expr, bool) {
	if p.depth == maxDepth {
		return nil, p.fail(open.at, "%s", tooDeep())
	}
	p.depth++
	e, ok := read()
	p.depth--
	return e, ok
}

func (p *parser) close(open token) bool {
	if p.tok.kind == tokenEnd {
		return p.fail(open.at, "this ( is never closed: add a ) behind what belongs together")
	}
	return p.take(")") || p.unexpected("AND, OR or )")
}

func (p *parser) condition() (Expr, bool) {
	t := term{where: p.where, at: p.tok.at}
	if !p.field(&t) || !p.operator(&t) {
		return nil, false
	}
	if t.field == "" { // a wrong name, reported; what follows is read for more problems
		return nil, true
	}
	return p.leaf(t), true
}

// field leaves t.field empty for a name that means no field.
func (p *parser) field(t *term) bool {
	switch {
	case p.tok.kind == tokenWord && isKeyword(p.tok.text):
		return p.fail(p.tok.at, "expected a field, found the keyword %s: write attributes.%[1]s for an attribute of that name", p.tok.text)
	case p.tok.kind == tokenText:
		return p.fail(p.tok.at, `expected a field, found %s: write the field first, such as category = "shoes"`, p.found())
	case p.tok.kind != tokenWord && p.tok.kind != tokenName:
		return p.unexpected("a field")
	}
	var problem string
	if t.field, problem = resolve(p.tok.text); problem != "" {
		p.fail(p.tok.at, "%s", problem)
	}
	p.advance()
	return true
}

func (p *parser) operator(t *term) bool {
	if p.tok.kind == tokenSymbol && comparison(p.tok.text) != "" {
		t.op = comparison(p.tok.text)
		p.advance()
		return p.value(t)
	}
	switch {
	case p.take("IN"):
		return p.list(t, opIn)
	case p.take("NOT"):
		return p.notIn(t)
	case p.take("BETWEEN"):
		t.op = opBetween
		return p.value(t) && p.expect("AND") && p.value(t)
	case p.take("STARTS"):
		t.op = opPrefix
		return p.expect("WITH") && p.value(t)
	case p.take("CONTAINS"):
		return p.contains(t)
	case p.take("EXISTS"):
		t.op = opExists
		return true
	case p.take("MISSING"):
		t.op = opMissing
		return true
	}
	return p.unexpected("an operator (=, !=, <, <=, >, >=, IN, NOT IN, BETWEEN, STARTS WITH, CONTAINS, EXISTS or MISSING)")
}

// notIn leaves NOT before other operators to the front of a condition, where
// it plainly takes items without the field too.
func (p *parser) notIn(t *term) bool {
	if p.tok.kind == tokenWord && !p.peek("IN") {
		return p.fail(p.tok.at, "only IN can follow NOT here: write NOT in front of the field")
	}
	return p.expect("IN") && p.list(t, opNin)
}

func (p *parser) contains(t *term) bool {
	switch {
	case p.take("ANY"):
		return p.list(t, opContainsAny)
	case p.take("ALL"):
		return p.list(t, opContainsAll)
	case p.peek("("):
		return p.fail(p.tok.at, "say how many must be there: write CONTAINS ANY (…) or CONTAINS ALL (…)")
	}
	t.op = opContains
	return p.value(t)
}

func (p *parser) list(t *term, o op) bool {
	t.op = o
	if !p.expect("(") {
		return false
	}
	for p.value(t) {
		switch {
		case len(t.values) > maxValues:
			return p.fail(t.values[maxValues].at, "more than %d values in one list: split it with OR", maxValues)
		case p.take(")"):
			return true
		case !p.peek(","):
			return p.unexpected(", or )")
		}
		p.advance()
	}
	return false
}

func (p *parser) value(t *term) bool {
	lit := literal{text: p.tok.text, at: p.tok.at}
	switch {
	case p.tok.kind == tokenText:
		lit.kind = String
	case p.tok.kind == tokenNumber:
		lit.kind = Number
	case p.peek("true"), p.peek("false"):
		lit.kind, lit.text = Bool, strings.ToLower(lit.text)
	default:
		return p.noValue()
	}
	t.values = append(t.values, lit)
	p.advance()
	return true
}

func (p *parser) noValue() bool {
	word := p.tok.text
	switch {
	case p.peek("null"), p.peek("nil"), p.peek("none"):
		return p.fail(p.tok.at, "%s is no value: write MISSING or EXISTS behind the field", word)
	case p.peek("("):
		return p.fail(p.tok.at, "expected one value, found a list: use IN (…) or CONTAINS ANY (…)")
	case p.tok.kind == tokenName || p.tok.kind == tokenWord && !isKeyword(word):
		return p.fail(p.tok.at, "%s is no value: write texts in quotes, %s", p.found(), quoted(shorten(word)))
	}
	return p.unexpected("a value")
}
