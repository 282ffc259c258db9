package feed

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// product is the rows of one handle. It is imported whole or not at all: half
// a product would have a wrong range of prices, and nobody would see it.
type product struct {
	*shopifyReader
	handle string
	rows   []*shopifyRow
	size   int
	last   Record // of the latest row
	fault  error
	text   []string // of rows that could not be read
}

// add takes a row. Rows of a product that is too large are let go.
func (p *product) add(row *shopifyRow) {
	p.last = row.record
	p.size += row.size
	switch {
	case row.err != nil:
		p.text = append(p.text, shorten(row.text, 1<<16))
		p.fail(faultf("the product's %s %w", row.record.Where, row.err))
	case len(p.rows) >= maxVariants || p.size > maxRow:
		p.fail(faultf("the product has more than %d rows or %d MB; a row that begins another product may lack its handle", maxVariants, maxRow>>20))
	default:
		p.rows = append(p.rows, row)
	}
}

func (p *product) fail(err error) {
	if p.fault == nil {
		p.fault = err
	}
	if len(p.text) > 20 {
		p.text = p.text[:20]
	}
}

func (p *product) emit() bool {
	s := p.table.s
	if p.fault != nil {
		return p.reject(p.fault)
	}
	if !s.o.Unpublished && !p.isPublished() {
		p.skipped++
		return true
	}
	if !s.o.Variants {
		return p.whole()
	}
	variants := p.variants()
	for _, v := range variants {
		if !p.variant(v, len(variants)) {
			return false
		}
	}
	return true
}

func (p *product) reject(err error) bool {
	record := p.record(nil)
	record.Item.ID = repair([]byte(p.handle)) // of a row that may be no text
	record.original.text = strings.Join(p.text, "\n")
	return p.table.s.emit(record, err)
}

// record is that of a row, or of the whole product.
func (p *product) record(row *shopifyRow) Record {
	out := p.last
	switch {
	case row != nil:
		out.Row, out.Where = row.record.Row, row.record.Where
	case len(p.rows) > 0 && p.rows[0].record.Row != p.last.Row:
		out.Row = p.rows[0].record.Row
		out.Where = fmt.Sprintf("rows %d to %d", out.Row, p.last.Row)
	}
	return out
}

func (p *product) isPublished() bool {
	status, published := strings.ToLower(p.first(p.c.status)), strings.ToLower(p.first(p.c.published))
	return (status == "" || status == "active") && published != "false"
}

// first is a product's cell: Shopify fills it on the product's first row only,
// other programs on all.
func (p *product) first(at int) string {
	for _, row := range p.rows {
		if text := row.cell(at); text != "" {
			return text
		}
	}
	return ""
}

// variants are the rows that are more than a further picture.
func (p *product) variants() []*shopifyRow {
	var out []*shopifyRow
	for _, row := range p.rows {
		if row.cell(p.c.option[0]) != "" || row.cell(p.c.sku) != "" || row.cell(p.c.price) != "" {
			out = append(out, row)
		}
	}
	if len(out) == 0 {
		return p.rows[:1]
	}
	return out
}

// images are the product's pictures by their position.
func (p *product) images() []string {
	type placed struct {
		image string
		at    int
	}
	var found []placed
	for i, row := range p.rows {
		if image := row.cell(p.c.image); image != "" {
			at, err := strconv.Atoi(row.cell(p.c.position))
			if err != nil {
				at = i + 1
			}
			found = append(found, placed{image, at})
		}
	}
	slices.SortStableFunc(found, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	out := make([]string, len(found))
	for i := range found {
		out[i] = found[i].image
	}
	return out
}

// whole hands on one item for the product.
func (p *product) whole() bool {
	b := p.begin()
	variants := p.variants()
	b.add(column{field: fieldID}, p.handle)
	p.options(variants)
	p.prices(variants)
	b.add(column{field: fieldAvailability}, p.availability(variants))
	p.texts("skus", variants, p.c.sku)
	p.texts("barcodes", variants, p.c.barcode)
	p.extras(variants)
	images := p.images()
	for _, row := range variants {
		images = append(images, row.cell(p.c.variantImage))
	}
	return p.end(p.record(nil), images)
}

// variant hands on an item for one variant.
func (p *product) variant(row *shopifyRow, of int) bool {
	b := p.begin()
	names, values := p.optionsOf(row)
	id := row.cell(p.c.sku)
	if id == "" {
		id = strings.Join(append([]string{p.handle}, values...), "/")
	}
	b.add(column{field: fieldID}, id)
	if of > 1 {
		b.add(column{field: fieldGroup}, p.handle)
		if title := &b.got[fieldTitle]; title.text != "" {
			title.text += suffix(values)
		}
	}
	for i, name := range names {
		p.option(name, text, values[i:i+1])
	}
	b.add(column{field: fieldPrice}, row.cell(p.c.price))
	b.add(column{name: "compare_at_price", kind: amount}, row.cell(p.c.compare))
	b.add(column{field: fieldAvailability}, p.availability([]*shopifyRow{row}))
	b.add(column{name: "gtin"}, strings.TrimPrefix(row.cell(p.c.barcode), "'"))
	p.extras([]*shopifyRow{row})
	return p.end(p.record(row), append([]string{row.cell(p.c.variantImage)}, p.images()...))
}

func suffix(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return " - " + strings.Join(values, " / ")
}

// begin starts an item with what is the same for all variants.
func (p *product) begin() *builder {
	b := p.build
	b.reset()
	for _, c := range []struct {
		column
		at int
	}{
		{column{field: fieldTitle}, p.c.title},
		{column{field: fieldBrand}, p.c.vendor},
		{column{field: fieldCategory, name: "product_type"}, p.c.kind},
		{column{field: fieldCategory, name: "product_category", rank: 1}, p.c.category},
		{column{name: "tags", kind: list}, p.c.tags},
	} {
		b.add(c.column, p.first(c.at))
	}
	b.add(column{field: fieldDescription}, p.first(p.c.body))
	b.add(column{field: fieldURL}, "/products/"+url.PathEscape(p.handle))
	return b
}

// extras adds metafields and mapped columns.
func (p *product) extras(variants []*shopifyRow) {
	for _, e := range p.c.extra {
		var values []string
		for _, row := range variants {
			if v := row.cell(e.at); e.ofVariant && v != "" && !slices.Contains(values, v) {
				values = append(values, v)
			}
		}
		if len(values) == 0 {
			values = []string{p.first(e.at)}
		}
		p.extra(e.column, values)
	}
}

// extra adds one column: of numbers the first, and a list of Shopify's, which
// is written "a; b", by its parts.
func (p *product) extra(c column, values []string) {
	switch {
	case c.field != attribute || c.kind == number || c.kind == truth:
		p.build.add(c, values[0])
	case c.kind == list:
		p.values(c, values)
	default:
		p.values(c, strings.Split(strings.Join(values, "; "), "; "))
	}
}

func (p *product) end(record Record, images []string) bool {
	var err error
	var extra []string
	record.Item, extra, err = p.build.finish()
	images = append(images, extra...)
	if err != nil {
		record.original.fields = p.build.fields(record.Item, images)
	}
	record.setImages(images)
	return p.table.s.emit(record, err)
}
