package shopify

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// sheet is a product as rows of Shopify's CSV export. A column that is not
// there means "not known", and an empty cell "none", so that columns are added
// only where the webhook says something.
type sheet struct {
	handle string
	header []string
	rows   [][]string
}

// csvOf writes the product as Shopify exports it.
func csvOf(p *product) ([]byte, error) {
	s := &sheet{handle: string(p.Handle), rows: make([][]string, max(1, len(p.Variants), len(p.Images)))}
	s.column("Handle", func(int) text { return p.Handle })
	s.product(p)
	s.options(p)
	s.variants(p)
	s.images(p)
	s.metafields(p.Metafields)
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	if err := w.WriteAll(append([][]string{s.header}, s.rows...)); err != nil {
		return nil, fmt.Errorf("write product %d as CSV: %w", p.ID, err)
	}
	return out.Bytes(), nil
}

// column adds one, with the cell of each row.
func (s *sheet) column(name string, cell func(row int) text) {
	s.header = append(s.header, name)
	for i := range s.rows {
		s.rows[i] = append(s.rows[i], string(cell(i)))
	}
}

// once adds a column of the product, which the first row has.
func (s *sheet) once(name string, value text) {
	s.column(name, func(row int) text {
		if row == 0 {
			return value
		}
		return ""
	})
}

func (s *sheet) product(p *product) {
	s.once("Title", p.Title)
	s.once("Body (HTML)", p.Body)
	s.once("Vendor", p.Vendor)
	if c := p.Category; c != nil {
		full := c.FullName
		if full == "" {
			full = c.Name
		}
		s.once("Product Category", full)
	}
	s.once("Type", p.Type)
	s.once("Tags", text(p.Tags))
}

// options adds names and values of up to three options, by their positions.
func (s *sheet) options(p *product) {
	value := [3]func(variant) text{
		func(v variant) text { return v.Option1 },
		func(v variant) text { return v.Option2 },
		func(v variant) text { return v.Option3 },
	}
	for i, o := range p.Options {
		at := o.Position - 1
		if at < 0 {
			at = i
		}
		name := fmt.Sprintf("Option%d Name", at+1)
		if at >= len(value) || slices.Contains(s.header, name) {
			continue
		}
		s.once(name, o.Name)
		s.ofVariants(p, fmt.Sprintf("Option%d Value", at+1), value[at])
	}
}

func (s *sheet) ofVariants(p *product, name string, cell func(variant) text) {
	s.column(name, func(row int) text {
		if row < len(p.Variants) {
			return cell(p.Variants[row])
		}
		return ""
	})
}

func (s *sheet) variants(p *product) {
	s.ofVariants(p, "Variant SKU", func(v variant) text { return v.SKU })
	s.ofVariants(p, "Variant Barcode", func(v variant) text { return v.Barcode })
	s.ofVariants(p, "Variant Price", func(v variant) text { return v.Price })
	s.ofVariants(p, "Variant Compare At Price", func(v variant) text { return v.Compare })
	s.ofVariants(p, "Variant Inventory Policy", func(v variant) text { return v.Policy })
	if slices.ContainsFunc(p.Variants, func(v variant) bool { return v.Quantity != nil }) {
		s.ofVariants(p, "Variant Inventory Qty", func(v variant) text {
			if v.Quantity == nil {
				return ""
			}
			return *v.Quantity
		})
	}
	if slices.ContainsFunc(p.Variants, func(v variant) bool { return v.Inventory != nil }) {
		s.ofVariants(p, "Variant Inventory Tracker", func(v variant) text {
			var tracker text
			_ = json.Unmarshal(v.Inventory, &tracker) // what is no text is no tracker
			return tracker
		})
	}
}

func (s *sheet) images(p *product) {
	address := make(map[int64]text, len(p.Images))
	for _, i := range p.Images {
		address[i.ID] = i.Src
	}
	s.column("Image Src", func(row int) text {
		if row < len(p.Images) {
			return p.Images[row].Src
		}
		return ""
	})
	s.column("Image Position", func(row int) text {
		if row < len(p.Images) && p.Images[row].Position > 0 {
			return text(strconv.Itoa(p.Images[row].Position))
		}
		return ""
	})
	s.ofVariants(p, "Variant Image", func(v variant) text {
		if v.ImageID == nil {
			return ""
		}
		return address[*v.ImageID]
	})
}

// metafields adds those that the webhook is set up to send, under the names
// that the export has for them: a label and the path. The label is not in the
// webhook; it is the key with other signs, unless the shop has changed it.
func (s *sheet) metafields(fields []metafield) {
	for _, m := range fields {
		name := fmt.Sprintf("%s (product.metafields.%s.%s)", m.Key, m.Namespace, m.Key)
		if m.Namespace == "mm-google-shopping" {
			name = "Google Shopping / " + string(m.Key)
		}
		if value := m.cell(); value != "" && !slices.Contains(s.header, name) {
			s.once(name, value)
		}
	}
}

// cell is the value as the export writes it: lists as "a; b". References and
// structures are left out; they are numbers of other things and no words.
func (m metafield) cell() text {
	kind, isList := strings.CutPrefix(string(m.Type), "list.")
	if strings.Contains(kind, "reference") || kind == "json" || kind == "rich_text_field" {
		return ""
	}
	var list []text
	if !isList || json.Unmarshal([]byte(m.Value), &list) != nil {
		return m.Value
	}
	parts := make([]string, len(list))
	for i := range list {
		parts[i] = string(list[i])
	}
	return text(strings.Join(parts, "; "))
}
