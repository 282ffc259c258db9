package feed

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxVariants bounds the rows of one product: Shopify allows 2048 variants and
// 250 pictures.
const maxVariants = 2500

// shopifyColumns are the places of Shopify's columns; -1 where there is none.
// Each has two names: of exports before 2025 and after.
type shopifyColumns struct {
	handle, title, body, vendor, kind, category, tags int
	published, status                                 int
	option                                            [3]int
	optionName                                        [3]int
	sku, barcode, price, compare                      int
	quantity, policy, tracker                         int
	image, position, variantImage                     int

	extra []extraColumn
}

// extraColumn is a metafield, a Google Shopping column or one that
// Options.Map names.
type extraColumn struct {
	column
	at        int
	ofVariant bool // rather than of the product
}

// readShopify reads a product from rows that follow each other and have one
// handle.
func readShopify(s *sink) {
	t, err := openTable(s)
	if err != nil {
		s.end(Record{}, err)
		return
	}
	columns, err := t.shopify()
	if err != nil {
		s.end(Record{}, err)
		return
	}
	r := &shopifyReader{table: t, c: columns, build: &builder{currency: s.o.Currency}}
	for r.next() {
	}
	if r.skipped > 0 {
		s.o.Log.Info("products that are not published were left out", "products", r.skipped)
	}
}

// shopify finds the columns.
func (t *table) shopify() (shopifyColumns, error) {
	places := map[string]int{}
	for i, name := range t.header {
		key := squeeze(name)
		if first, twice := places[key]; twice && key != "" {
			return shopifyColumns{}, fmt.Errorf("columns %d and %d are both called %q; rename or remove one", first+1, i+1, shorten(name, 60))
		}
		places[key] = i
	}
	at := func(names ...string) int {
		for _, name := range names {
			if i, ok := places[name]; ok {
				delete(places, name) // what is left over is extra
				return i
			}
		}
		return -1
	}
	c := shopifyColumns{
		handle: at("handle", "urlhandle"), title: at("title"), body: at("bodyhtml", "description"), vendor: at("vendor"),
		kind: at("type"), category: at("productcategory"), tags: at("tags"),
		published: at("published", "publishedononlinestore"), status: at("status"),
		sku: at("variantsku", "sku"), barcode: at("variantbarcode", "barcode"), price: at("variantprice", "price"),
		compare: at("variantcompareatprice", "compareatprice"), quantity: at("variantinventoryqty", "inventoryquantity"),
		policy: at("variantinventorypolicy", "continuesellingwhenoutofstock"), tracker: at("variantinventorytracker", "inventorytracker"),
		image: at("imagesrc", "productimageurl"), position: at("imageposition"), variantImage: at("variantimage", "variantimageurl"),
	}
	for i := range c.option {
		c.optionName[i] = at(fmt.Sprintf("option%dname", i+1))
		c.option[i] = at(fmt.Sprintf("option%dvalue", i+1))
	}
	if c.handle < 0 {
		return c, fmt.Errorf("there is no column \"Handle\" (or \"URL handle\"), by which Shopify tells products apart; the first row gives %s", describe(t.header))
	}
	c.extra = t.extraColumns(places)
	return c, t.checkMap()
}

func (t *table) checkMap() error {
	names := map[string]bool{}
	for _, name := range t.header {
		names[squeeze(name)] = true
	}
	for name := range t.s.in.fields {
		if !names[name] {
			return fmt.Errorf("the map names a column that is not there (%q); the columns are %s", name, describe(t.header))
		}
	}
	return nil
}

// extraColumns keeps, of the columns that are not Shopify's own, those that say
// something about the product: "Material (product.metafields.custom.material)",
// "Google Shopping / Gender", and what the user maps.
func (t *table) extraColumns(left map[string]int) []extraColumn {
	var out []extraColumn
	for i, name := range t.header {
		_, free := left[squeeze(name)]
		if c, mapped := t.s.in.fields[squeeze(name)]; mapped {
			out = append(out, extraColumn{column: c, at: i, ofVariant: true})
			continue
		}
		label, path, _ := strings.Cut(name, " (")
		google, isGoogle := strings.CutPrefix(name, "Google Shopping / ")
		c := column{}
		switch {
		case !free:
			continue
		case isGoogle && (squeeze(google) == "gender" || squeeze(google) == "agegroup" || squeeze(google) == "condition"):
			c.name = snake(google)
		case strings.HasPrefix(path, "product.metafields.") || strings.HasPrefix(path, "variant.metafields."):
			c.name = metafieldName(label, path)
		default:
			continue
		}
		if c.name != "" {
			out = append(out, extraColumn{column: c, at: i, ofVariant: strings.HasPrefix(path, "variant.")})
		}
	}
	return out
}

// metafieldName is the label's, unless an item has a field of that name.
func metafieldName(label, path string) string {
	name := snake(label)
	if f, _, _ := meaning(squeeze(label)); f == attribute {
		return name
	}
	path = strings.TrimSuffix(path, ")")
	return snake(strings.ReplaceAll(path[strings.IndexByte(path, '.')+1:], "metafields.", ""))
}

// shopifyReader gathers the rows of one product at a time.
type shopifyReader struct {
	table   *table
	c       shopifyColumns
	build   *builder
	ahead   *shopifyRow // read already, of the next product
	skipped int
}

type shopifyRow struct {
	cells  []string
	record Record
	err    error // a *Fault, or what ends the feed
	size   int
	text   string // of a row that could not be read
}

func (r shopifyRow) cell(at int) string {
	if at < 0 || at >= len(r.cells) {
		return ""
	}
	return strings.TrimSpace(r.cells[at])
}

func (r *shopifyReader) row() *shopifyRow {
	if row := r.ahead; row != nil {
		r.ahead = nil
		return row
	}
	for {
		cells, err := r.table.next()
		if err == nil && isBlank(cells) {
			continue
		}
		row := &shopifyRow{cells: append([]string(nil), cells...), record: r.table.record(), err: err, size: len(r.table.rows.raw)}
		if err != nil {
			row.text = repair(trimEnd(r.table.rows.raw))
		}
		return row
	}
}

// next reads one product and hands it on; false at the end.
func (r *shopifyReader) next() bool {
	first := r.row()
	handle := first.cell(r.c.handle)
	switch {
	case errors.Is(first.err, io.EOF):
		return false
	case isEnd(first.err):
		r.table.s.end(first.record, fmt.Errorf("at row %d: %w", first.record.Row, first.err))
		return false
	case handle == "":
		return r.table.s.emit(first.withoutHandle())
	}
	p := &product{shopifyReader: r, handle: handle}
	p.add(first)
	for {
		row := r.row()
		if isEnd(row.err) || row.cell(r.c.handle) != handle {
			r.ahead = row
			return p.emit()
		}
		p.add(row)
	}
}

func (r *shopifyRow) withoutHandle() (Record, error) {
	record := r.record
	record.original = original{text: r.text}
	if r.err != nil {
		return record, r.err
	}
	record.original.text = strings.Join(r.cells, ",")
	return record, faultf("has no handle; Shopify's rows each name the product that they belong to")
}
