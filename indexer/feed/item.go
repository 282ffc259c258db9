package feed

import (
	"encoding/xml"
	"strings"
)

// item reads one item to its end and hands it on; false when the feed is over
// or the consumer had enough. What is wrong with a well-formed item is a fault
// of this one.
func (x *xmlReader) item() bool {
	x.number++
	x.build.reset()
	begin := x.record()
	budget := &itemBudget{bytes: maxRow, elements: maxElements}
	for {
		token, err := x.token()
		if err != nil {
			begin.At = x.record().At
			x.s.end(begin, err)
			return false
		}
		switch token := token.(type) {
		case xml.StartElement:
			if err := x.element(token, budget); err != nil {
				x.s.end(begin, err)
				return false
			}
		case xml.EndElement:
			begin.At = x.record().At
			return x.finish(begin, budget)
		}
	}
}

// itemBudget bounds what one item may make the reader hold.
type itemBudget struct{ bytes, elements int }

func (b *itemBudget) take(n int) bool {
	b.bytes -= n
	return b.bytes >= 0 && b.elements >= 0
}

func (x *xmlReader) finish(record Record, budget *itemBudget) bool {
	var images []string
	var err error
	record.Item, images, err = x.build.finish()
	if !budget.take(0) {
		err = faultf("is larger than %d MB or has more than %d elements; shorten it", maxRow>>20, maxElements)
	}
	if err != nil {
		record.original.fields = x.build.fields(record.Item, images)
	}
	record.setImages(images)
	return x.s.emit(record, err)
}

// element reads one element of an item to its end.
func (x *xmlReader) element(start xml.StartElement, budget *itemBudget) error {
	budget.elements--
	c := x.column(start.Name)
	if start.Name.Local == "link" && !isGoogle(start.Name) {
		if address := atomLink(start); address != "" {
			x.add(c, address, start.Name.Local)
		}
	}
	content := elementText{x: x, budget: budget, plain: !isGoogle(start.Name)}
	if err := content.read(); err != nil {
		return err
	}
	switch {
	case start.Name.Local == "product_detail" && content.detail["attribute_name"] != "":
		name := content.detail["attribute_name"]
		x.add(x.s.in.fields.detail(name), content.detail["attribute_value"], name)
	case !content.group && budget.take(0):
		x.add(c, content.String(), start.Name.Local)
	}
	return nil
}

// add gives a value to the item unless it holds what XML cannot.
func (x *xmlReader) add(c column, value, name string) {
	if at := strings.IndexRune(value, sentinel); at >= 0 {
		value = strings.ReplaceAll(value, string(sentinel), "\uFFFD")
		x.build.wrongf("%s has, after %q, a character that is not UTF-8 or not allowed in XML; take it out, or save the feed as UTF-8", name, tail(value[:at], 30))
	}
	x.build.add(c, value)
}

// tail is the end of a text, for a message.
func tail(text string, limit int) string {
	text = strings.TrimSpace(text)
	return strings.ToValidUTF8(text[max(0, len(text)-limit):], "")
}

// detail is the column of a product_detail: an attribute, whatever its name.
func (m mapping) detail(name string) column {
	if c, ok := m[squeeze(name)]; ok {
		return c
	}
	c := column{name: snake(name)}
	if f, _, _ := meaning(squeeze(name)); f != attribute || c.name == "" {
		c.field = ignored // the item has a field for it, which Google's own element fills
	}
	return c
}

// atomLink returns the address of the product's page in <link href="…"/>.
func atomLink(start xml.StartElement) string {
	address, rel := "", "alternate"
	for _, a := range start.Attr {
		switch a.Name.Local {
		case "href":
			address = a.Value
		case "rel":
			rel = a.Value
		}
	}
	if rel != "alternate" {
		return ""
	}
	return address
}

// elementText collects what stands in an element. Elements inside one of RSS
// or Atom are markup, whose text counts (type="xhtml"); those inside one of
// Google's make it a group (shipping, tax), of which only details are kept.
type elementText struct {
	strings.Builder
	x      *xmlReader
	budget *itemBudget
	plain  bool
	group  bool
	detail map[string]string // of a group, by name
}

func (e *elementText) read() error {
	inner := ""
	for depth := 0; ; {
		token, err := e.x.token()
		if err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			e.budget.elements--
			e.group = e.group || !e.plain
			inner = token.Name.Local
			e.breakAt(inner)
		case xml.EndElement:
			if depth--; depth < 0 {
				return nil
			}
			inner = ""
		case xml.CharData:
			e.text(string(token), inner)
		}
	}
}

// breakAt keeps words of two blocks apart, and those of one together.
func (e *elementText) breakAt(tag string) {
	switch tag {
	case "a", "abbr", "b", "em", "i", "small", "span", "strong", "sub", "sup", "u":
	default:
		e.WriteByte('\n')
	}
}

func (e *elementText) text(part, inner string) {
	switch {
	case !e.budget.take(len(part)):
	case !e.group:
		e.WriteString(part)
	case inner == "attribute_name" || inner == "attribute_value":
		if e.detail == nil {
			e.detail = map[string]string{}
		}
		e.detail[inner] += part
	}
}
