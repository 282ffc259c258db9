package feed

import (
	"slices"
	"strconv"
	"strings"
)

// optionsOf returns the names and values of a variant's options. The option
// "Title" of a product without variants is none.
func (p *product) optionsOf(row *shopifyRow) (names, values []string) {
	for i := range p.c.option {
		name, v := p.first(p.c.optionName[i]), row.cell(p.c.option[i])
		if v == "" || v == "Default Title" {
			continue
		}
		names, values = append(names, name), append(values, v)
	}
	return names, values
}

// options gathers the values of each option over all variants.
func (p *product) options(variants []*shopifyRow) {
	var order []string
	all := map[string][]string{}
	for _, row := range variants {
		names, values := p.optionsOf(row)
		for i, name := range names {
			if !slices.Contains(order, name) {
				order = append(order, name)
			}
			if !slices.Contains(all[name], values[i]) {
				all[name] = append(all[name], values[i])
			}
		}
	}
	for _, name := range order {
		p.option(name, entry, all[name])
	}
}

// option makes an attribute of an option: a text of a variant, and of a product
// always a list, since filters tell the two apart. A product has "colors"
// beside the item's own color, which is set where there is one only.
func (p *product) option(name string, k kind, values []string) {
	c := column{name: snake(name), kind: k}
	f, _, _ := meaning(squeeze(name))
	switch {
	case f == fieldColor:
		if len(values) == 1 {
			p.build.add(column{field: fieldColor}, values[0])
		}
		if c.name = "colors"; k == text {
			return
		}
	case f != attribute || c.name == "":
		c.name = strings.Trim("option_"+c.name, "_") // "Title", "Brand": an item has fields of these names
	}
	p.values(c, values)
}

// values adds an attribute with one value or several.
func (p *product) values(c column, values []string) {
	for _, v := range values[:min(len(values), maxValues)] {
		p.build.add(c, v)
	}
}

// maxValues is the most that an item's list may have (store.Item.Validate).
const maxValues = 256

// texts gathers the different values of a column over all variants.
func (p *product) texts(name string, variants []*shopifyRow, at int) {
	var values []string
	for _, row := range variants {
		if v := strings.TrimPrefix(row.cell(at), "'"); v != "" && !slices.Contains(values, v) { // spreadsheets put ' before long numbers
			values = append(values, v)
		}
	}
	p.values(column{name: name, kind: entry}, values)
}

// prices gives the item the lowest price, with what it was before, and the
// range over its variants: always, so that a filter on it finds all products.
func (p *product) prices(variants []*shopifyRow) {
	var lowest, highest *shopifyRow
	var low, high float64
	for _, row := range variants {
		given := row.cell(p.c.price)
		if given == "" {
			continue
		}
		price, _, err := parsePrice(given)
		if err != nil {
			p.build.wrongf("the price in %s %s", row.record.Where, err)
			continue
		}
		if lowest == nil || price < low {
			lowest, low = row, price
		}
		if highest == nil || price > high {
			highest, high = row, price
		}
	}
	if lowest == nil {
		return
	}
	p.build.add(column{field: fieldPrice}, lowest.cell(p.c.price))
	p.build.add(column{name: "price_min", kind: amount}, lowest.cell(p.c.price))
	p.build.add(column{name: "price_max", kind: amount}, highest.cell(p.c.price))
	p.build.add(column{name: "compare_at_price", kind: amount}, lowest.cell(p.c.compare))
}

// availability is "in stock" when a variant can be bought: there is some, it is
// sold without stock, or nobody counts. Empty when the feed does not say.
func (p *product) availability(variants []*shopifyRow) string {
	if p.c.quantity < 0 {
		return ""
	}
	for _, row := range variants {
		n, err := strconv.ParseFloat(row.cell(p.c.quantity), 64)
		policy := strings.ToLower(row.cell(p.c.policy))
		untracked := p.c.tracker >= 0 && row.cell(p.c.tracker) == ""
		if err == nil && n > 0 || policy == "continue" || policy == "true" || untracked {
			return "in stock"
		}
	}
	return "out of stock"
}
