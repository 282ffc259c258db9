package shopify

import (
	"bytes"
	"fmt"

	"sightline/indexer/feed"
	"sightline/store"
)

// AttributeID is the attribute that holds Shopify's number of the product, as a
// text since it has more digits than a float64. A deletion names nothing else.
const AttributeID = "shopify_id"

// items are the product's items as the full feed has them, with the number and
// the version added.
func (h *handler) items(p *product, version int64) ([]Item, error) {
	rows, err := csvOf(p)
	if err != nil {
		return nil, err
	}
	var out []Item
	o := feed.Options{Format: feed.ShopifyCSV, Encoding: "utf-8", Currency: h.o.Currency, Variants: h.o.Variants}
	for r, err := range feed.Read(bytes.NewReader(rows), o) {
		if err != nil {
			return nil, fmt.Errorf("product %q: %w", p.Handle, err)
		}
		item := mark(r.Item, p, version)
		if err := item.Validate(); err != nil {
			return nil, fmt.Errorf("product %q: %w", p.Handle, err)
		}
		out = append(out, Item{Item: item, Images: r.Images})
	}
	return out, nil
}

// mark adds what the feed cannot know.
func mark(item store.Item, p *product, version int64) store.Item {
	if item.Attributes == nil {
		item.Attributes = map[string]any{}
	}
	item.Attributes[AttributeID] = p.id()
	item.Version, item.UpdatedAt = version, p.updated
	return item
}
