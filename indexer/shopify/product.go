package shopify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// product is a product as webhooks have it, as far as the index needs it.
type product struct {
	ID          int64           `json:"id"`
	Handle      text            `json:"handle"`
	Title       text            `json:"title"`
	Body        text            `json:"body_html"`
	Vendor      text            `json:"vendor"`
	Type        text            `json:"product_type"`
	Category    *category       `json:"category"`
	Tags        tags            `json:"tags"`
	Status      text            `json:"status"`
	PublishedAt json.RawMessage `json:"published_at"` // null for products that are not; absent where the webhook leaves it out
	UpdatedAt   text            `json:"updated_at"`
	Options     []option        `json:"options"`
	Variants    []variant       `json:"variants"`
	VariantGIDs []struct{}      `json:"variant_gids"` // of all variants, where Variants may have the first 100 only
	Images      []image         `json:"images"`
	Metafields  []metafield     `json:"metafields"`

	updated time.Time
}

type category struct {
	Name     text `json:"name"`
	FullName text `json:"full_name"`
}

type option struct {
	Name     text `json:"name"`
	Position int  `json:"position"`
}

type variant struct {
	SKU       text            `json:"sku"`
	Barcode   text            `json:"barcode"`
	Price     text            `json:"price"`
	Compare   text            `json:"compare_at_price"`
	Option1   text            `json:"option1"`
	Option2   text            `json:"option2"`
	Option3   text            `json:"option3"`
	Quantity  *text           `json:"inventory_quantity"`
	Policy    text            `json:"inventory_policy"`
	Inventory json.RawMessage `json:"inventory_management"` // null where nobody counts; absent in newer API versions
	ImageID   *int64          `json:"image_id"`
}

type image struct {
	ID       int64 `json:"id"`
	Position int   `json:"position"`
	Src      text  `json:"src"`
}

type metafield struct {
	Namespace text `json:"namespace"`
	Key       text `json:"key"`
	Type      text `json:"type"`
	Value     text `json:"value"`
}

// text is a JSON string, or a number as it is written: prices and quantities
// have been both. null is empty.
type text string

// UnmarshalJSON takes strings, numbers and null.
func (t *text) UnmarshalJSON(data []byte) error {
	switch c := data[0]; {
	case c == '"':
		return json.Unmarshal(data, (*string)(t))
	case c == 'n':
		*t = ""
	case c == '-' || c >= '0' && c <= '9':
		*t = text(data)
	default:
		return errors.New("want a text or a number")
	}
	return nil
}

// tags are one text with commas, or a list.
type tags string

// UnmarshalJSON takes both.
func (t *tags) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		return (*text)(t).UnmarshalJSON(data)
	}
	var list []string
	err := json.Unmarshal(data, &list)
	*t = tags(strings.Join(list, ", "))
	return err
}

// decodeProduct reads a body of any product topic. The error is for the log:
// what Shopify sends it knows.
func decodeProduct(body []byte) (product, error) {
	var p product
	if err := json.Unmarshal(body, &p); err != nil {
		return p, fmt.Errorf("read product: %w", err)
	}
	if p.ID <= 0 {
		return p, errors.New("read product: it has no id")
	}
	p.Handle = text(strings.TrimSpace(string(p.Handle)))
	if p.UpdatedAt == "" {
		return p, nil
	}
	at, err := time.Parse(time.RFC3339Nano, string(p.UpdatedAt))
	if err == nil && !inRange(at) {
		err = fmt.Errorf("it is of the year %d", at.Year())
	}
	if err != nil {
		return p, fmt.Errorf("read product %d: updated_at: %w", p.ID, err)
	}
	p.updated = at.UTC()
	return p, nil
}

func (p *product) id() string { return strconv.FormatInt(p.ID, 10) }

// isDeletion tells a deletion's body, which has an id and nothing else that a
// product has.
func (p *product) isDeletion() bool {
	return p.Handle == "" && p.Title == "" && p.Variants == nil && p.updated.IsZero()
}

// isPublished is what the CSV's columns Status and Published say. A product
// that is published later is announced again when it is.
func (p *product) isPublished(now time.Time) bool {
	if p.Status != "" && !strings.EqualFold(string(p.Status), "active") {
		return false
	}
	var at *time.Time
	if p.PublishedAt == nil || json.Unmarshal(p.PublishedAt, &at) != nil {
		return true
	}
	return at != nil && !at.After(now)
}

// Limits above those of Shopify (255, 2048 and 250, 250): rows and columns
// multiply, and 2 MB of small ones would fill the memory.
const (
	maxHandle     = 255
	maxRows       = 2500
	maxMetafields = 250
)

// unusable says why no items can be made of the body. Where it is not all of
// the product: an item made of a part would have wrong prices or lose its
// pictures, and nobody would see it.
func (p *product) unusable() string {
	switch {
	case len(p.Handle) > maxHandle || len(p.Variants) > maxRows || len(p.Images) > maxRows || len(p.Metafields) > maxMetafields:
		return fmt.Sprintf("the product has a handle of %d bytes, %d variants, %d images and %d metafields; the limits are %d, %d, %d and %d",
			len(p.Handle), len(p.Variants), len(p.Images), len(p.Metafields), maxHandle, maxRows, maxRows, maxMetafields)
	case p.Handle == "":
		return "the webhook carries no handle: let it send all fields of products"
	case p.Variants == nil || p.Images == nil:
		return "the webhook carries no variants or no images: let it send all fields of products"
	case len(p.VariantGIDs) > len(p.Variants):
		return fmt.Sprintf("the webhook carries %d of the product's %d variants: the next full feed brings the change", len(p.Variants), len(p.VariantGIDs))
	}
	return ""
}
