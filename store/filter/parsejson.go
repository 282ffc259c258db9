package filter

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// root is the path of the whole JSON filter.
const root = "$"

// ParseJSON reads the JSON form. A JSON string, as the whole or in place of any
// filter in it, is read as text. Its errors are of type *Error.
func ParseJSON(data []byte) (Expr, error) {
	var b builder
	if problem := unreadable(string(data)); problem != "" {
		b.add(Problem{Path: root, Detail: problem})
		return b.finish(nil, root, 0)
	}
	n, err := readNode(data)
	if err != nil {
		b.add(Problem{Path: root, Detail: err.Error()})
		return b.finish(nil, root, 0)
	}
	return b.finish(b.filter(n, root, 0), root, len(data))
}

// filter reads a filter that stands depth levels of and, or and not down. Like
// all that follow, it returns nothing useful after a problem.
func (b *builder) filter(n node, path string, depth int) Expr {
	switch {
	case depth > maxDepth:
		b.add(Problem{Path: path, Detail: tooDeep()})
		return nil
	case n.kind == '"':
		return b.parseText(n.text, path, depth)
	case n.kind != '{':
		b.add(Problem{Path: path, Detail: `must be a filter: an object such as {"price": {"lt": 50}}, or text such as "price < 50"`})
		return nil
	case len(n.kids) == 0:
		b.add(Problem{Path: path, Detail: "the filter is empty: leave it out to search everything"})
		return nil
	}
	if name, ok := n.member("field"); ok {
		return b.long(name, n, path)
	}
	return joinAnd(b.members(n, path, func(name string, kid node, path string) Expr { return b.part(name, kid, path, depth) }))
}

// members reads each member of an object, and reports the repeated ones.
func (b *builder) members(n node, path string, read func(name string, kid node, path string) Expr) []Expr {
	var parts []Expr
	seen := make(map[string]bool, len(n.names))
	for i, name := range n.names {
		at := member(path, name)
		if seen[name] {
			b.add(Problem{Path: at, Detail: `is given more than once: write {"and": […]} around both`})
			continue
		}
		seen[name] = true
		if part := read(name, n.kids[i], at); part != nil {
			parts = append(parts, part)
		}
	}
	return parts
}

// part reads a member of an object that is a filter.
func (b *builder) part(name string, n node, path string, depth int) Expr {
	switch name {
	case "and":
		return joinAnd(b.filters(n, path, depth+1))
	case "or":
		return joinOr(b.filters(n, path, depth+1))
	case "not":
		return negate(b.filter(n, path, depth+1))
	}
	if problem := notAField(name); problem != "" {
		b.add(Problem{Path: path, Detail: problem})
		return nil
	}
	field, problem := resolve(name)
	if problem != "" {
		b.add(Problem{Path: path, Detail: problem})
		return nil
	}
	return b.short(field, n, path)
}

// notAField finds words of the language where the name of a field stands.
func notAField(name string) string {
	lower := strings.ToLower(name)
	switch {
	case slices.Contains([]string{"and", "or", "not", "field"}, lower):
		return fmt.Sprintf("%s is written %q; write attributes.%s for an attribute of that name", name, lower, name)
	case slices.Contains(operators(), name):
		return fmt.Sprintf("%s is an operator: write it inside a field, {\"price\": {%q: …}}, or attributes.%s for an attribute of that name", name, name, name)
	}
	return ""
}

func (b *builder) filters(n node, path string, depth int) []Expr {
	if n.kind != '[' || len(n.kids) == 0 {
		b.add(Problem{Path: path, Detail: "must be a list of at least one filter"})
		return nil
	}
	parts := make([]Expr, len(n.kids))
	for i, kid := range n.kids {
		parts[i] = b.filter(kid, path+"["+strconv.Itoa(i)+"]", depth)
	}
	return parts
}

// short reads {"price": 50} and {"price": {"lt": 50}}.
func (b *builder) short(field string, n node, path string) Expr {
	switch {
	case n.kind != '{':
		return b.operand(field, opEq, n, path)
	case len(n.kids) == 0:
		b.add(Problem{Path: path, Detail: `has no operator: write one, such as {"exists": true}`})
		return nil
	}
	return joinAnd(b.members(n, path, func(name string, kid node, path string) Expr { return b.operator(field, name, kid, path) }))
}

// long reads {"field": "price", "lt": 50}.
func (b *builder) long(name, n node, path string) Expr {
	field, problem := "", `must be the name of a field in quotes; write attributes.field for an attribute of that name`
	if name.kind == '"' {
		field, problem = resolve(name.text)
	}
	if problem != "" {
		b.add(Problem{Path: member(path, "field"), Detail: problem})
	}
	if len(n.kids) == 1 {
		b.add(Problem{Path: path, Detail: `has no operator: write one beside "field", such as "exists": true`})
	}
	return joinAnd(b.members(n, path, func(name string, kid node, path string) Expr {
		if name == "field" {
			return nil
		}
		return b.operator(field, name, kid, path)
	}))
}

// operator reads the member of a condition. An empty field is one that could
// not be read; its operators are looked at for more problems.
func (b *builder) operator(field, name string, n node, path string) Expr {
	if !slices.Contains(operators(), name) {
		b.add(Problem{Path: path, Detail: unknownOperator(name)})
		return nil
	}
	if field == "" {
		return nil
	}
	return b.operand(field, op(name), n, path)
}

func (b *builder) operand(field string, o op, n node, path string) Expr {
	t := term{where: where{path: path}, at: whole, field: field, op: o}
	at, problem := t.read(n)
	if problem != "" {
		b.add(t.problem(at, problem))
		return nil
	}
	return b.leaf(t)
}

// read takes the value beside the operator, or says where it is wrong and how.
func (t *term) read(n node) (at int, problem string) {
	switch t.op {
	case opExists:
		if n.kind != 't' {
			return whole, "must be true or false"
		}
		if n.text == "false" {
			t.op = opMissing
		}
		return whole, ""
	case opBetween:
		if n.kind != '[' || len(n.kids) != 2 {
			return whole, "must be a list of two values: the smallest and the largest"
		}
		return t.readList(n)
	case opIn, opNin, opContainsAny, opContainsAll:
		if n.kind != '[' || len(n.kids) == 0 || len(n.kids) > maxValues {
			return whole, fmt.Sprintf("must be a list of 1 to %d values", maxValues)
		}
		return t.readList(n)
	}
	lit, problem := n.literal(whole)
	t.values = []literal{lit}
	return whole, problem
}

func (t *term) readList(n node) (at int, problem string) {
	for i, kid := range n.kids {
		lit, problem := kid.literal(i)
		if problem != "" {
			return i, problem
		}
		t.values = append(t.values, lit)
	}
	return whole, ""
}
