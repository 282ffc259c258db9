package filter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// node is a JSON value. encoding/json's own maps would lose the order of
// members and hide repeated ones.
type node struct {
	kind  byte     // '{', '[', '"', '0' for numbers, 't' for true and false, 'n' for null
	text  string   // of texts, numbers, true and false
	names []string // of an object's members
	kids  []node   // of objects and lists
}

// maxNesting leaves two levels (a list and an object) for each of the tree's,
// and enough for conditions that filters a little too deep are told their place.
const maxNesting = 2*maxDepth + 8

var errDeep = errors.New(tooDeep())

// readNode reads one JSON value and nothing behind it.
func readNode(data []byte) (node, error) {
	if err := checkSyntax(data); err != nil {
		return node{}, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return nextNode(d, 0)
}

func checkSyntax(data []byte) error {
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(data, new(struct{})); {
	case len(bytes.TrimSpace(data)) == 0:
		return errors.New("the filter is empty: leave it out to search everything")
	case errors.As(err, &syntax) && syntax.Error() == "unexpected end of JSON input":
		return errors.New("the JSON ends too early: was it cut?")
	case errors.As(err, &syntax):
		return fmt.Errorf("not valid JSON near byte %d: %w", syntax.Offset, syntax)
	}
	return nil
}

func nextNode(d *json.Decoder, depth int) (node, error) {
	token, err := d.Token()
	if err != nil {
		return node{}, fmt.Errorf("not valid JSON: %w", err)
	}
	switch token := token.(type) {
	case json.Delim:
		if depth == maxNesting {
			return node{}, errDeep
		}
		return nextKids(d, node{kind: byte(token)}, depth+1)
	case string:
		return node{kind: '"', text: token}, nil
	case json.Number:
		return node{kind: '0', text: token.String()}, nil
	case bool:
		return node{kind: 't', text: strconv.FormatBool(token)}, nil
	}
	return node{kind: 'n'}, nil
}

// nextKids reads to the end of an object or list.
func nextKids(d *json.Decoder, n node, depth int) (node, error) {
	for d.More() {
		if n.kind == '{' {
			name, err := nextNode(d, depth)
			if err != nil {
				return n, err
			}
			n.names = append(n.names, name.text)
		}
		kid, err := nextNode(d, depth)
		if err != nil {
			return n, err
		}
		n.kids = append(n.kids, kid)
	}
	_, err := d.Token()
	return n, err
}

// member returns the value of an object's first member of that name.
func (n node) member(name string) (node, bool) {
	if i := slices.Index(n.names, name); i >= 0 {
		return n.kids[i], true
	}
	return node{}, false
}

// literal reads a value that a field can be compared with.
func (n node) literal(at int) (literal, string) {
	switch n.kind {
	case '"':
		return literal{String, n.text, at}, ""
	case '0':
		return literal{Number, n.text, at}, ""
	case 't':
		return literal{Bool, n.text, at}, ""
	case 'n':
		return literal{at: at}, `null is no value: write {"exists": false} for a missing field`
	case '[':
		return literal{at: at}, `a list is no single value: write {"in": […]} or {"contains_any": […]}`
	}
	return literal{at: at}, "an object is no value: write text in quotes, a number, true or false"
}
