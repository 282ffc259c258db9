package feed_test

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sightline/demo/catalogue"
	"sightline/store"
)

// product is an item as a shop has it, before any format.
type product struct {
	store.Item
	more []string // further pictures
}

// demoProducts are those of the demo catalogue, with further pictures and
// texts that formats find hard.
func demoProducts(t testing.TB, n int) []product {
	t.Helper()
	world := catalogue.NewWorld()
	rng := rand.New(rand.NewPCG(1, 2))
	hard := []string{"", "", ` "quoted"`, " a, b; c | d\te", " < 5 & > 3", " äöü – 日本 🙂", " &amp; &lt;b&gt;", "\nsecond line", "]]>"}
	var out []product
	for _, p := range world.Plan(catalogue.Demo, n, 1) {
		data, err := json.Marshal(world.Product(p))
		if err != nil {
			t.Fatal(err)
		}
		var item store.Item
		if err := json.Unmarshal(data, &item); err != nil {
			t.Fatal(err)
		}
		item.Description += hard[rng.IntN(len(hard))]
		made := product{Item: item}
		for i := range rng.IntN(4) {
			made.more = append(made.more, fmt.Sprintf("pictures/%s-%d.png", item.ID, i+2))
		}
		out = append(out, made)
	}
	return out
}

// columns of the demo's attributes, which a table has with their types.
var attributeTypes = map[string]string{"products": "number", "parts": "list", "pattern": "text", "size": "text", "type": "text"}

func attributeText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []string:
		return strings.Join(v, "|")
	}
	return fmt.Sprint(v)
}

func priceText(it store.Item) string {
	return strconv.FormatFloat(*it.Price, 'f', -1, 64) + " " + it.Currency
}

func asJSONL(t testing.TB, products []product) string {
	t.Helper()
	var out strings.Builder
	for _, p := range products {
		line, err := json.Marshal(struct {
			store.Item
			More []string `json:"additional_image_link,omitempty"`
		}{p.Item, p.more})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(line, '\n'))
	}
	return out.String()
}

func asTable(t testing.TB, products []product, comma rune) string {
	t.Helper()
	names := slices.Sorted(maps.Keys(attributeTypes))
	header := []string{"id", "title", "description", "image link", "additional image link", "price", "availability", "brand", "product type", "colour", "item group id"}
	for _, name := range names {
		header = append(header, name+":"+attributeTypes[name])
	}
	rows := [][]string{header}
	for _, p := range products {
		row := []string{p.ID, html.EscapeString(p.Title), html.EscapeString(p.Description), p.Image, strings.Join(p.more, ","), priceText(p.Item), p.Availability, p.Brand, p.Category, p.Color, p.GroupID}
		for _, name := range names {
			row = append(row, attributeText(p.Attributes[name]))
		}
		rows = append(rows, row)
	}
	return csvText(t, rows, comma)
}

func csvText(t testing.TB, rows [][]string, comma rune) string {
	t.Helper()
	var out strings.Builder
	w := csv.NewWriter(&out)
	w.Comma, w.UseCRLF = comma, comma == ';'
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// escape is for XML twice over: descriptions are HTML inside.
func escape(text string, times int) string {
	for range times {
		var out strings.Builder
		if err := xml.EscapeText(&out, []byte(text)); err != nil {
			panic(err)
		}
		text = strings.ReplaceAll(out.String(), "&#xA;", "\n")
	}
	return text
}

func googleElements(p product) string {
	var out strings.Builder
	add := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&out, "<g:%s>%s</g:%s>\n", name, escape(value, 1), name)
		}
	}
	add("id", p.ID)
	add("image_link", p.Image)
	for _, image := range p.more {
		add("additional_image_link", image)
	}
	add("price", priceText(p.Item))
	add("availability", strings.ReplaceAll(p.Availability, " ", "_"))
	add("brand", p.Brand)
	add("product_type", p.Category)
	add("color", p.Color)
	add("item_group_id", p.GroupID)
	for name, value := range p.Attributes {
		list, ok := value.([]string)
		if !ok {
			list = []string{attributeText(value)}
		}
		for _, v := range list {
			add(name, v)
		}
	}
	return out.String()
}

func asRSS(products []product) string {
	var out strings.Builder
	out.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss xmlns:g=\"http://base.google.com/ns/1.0\" version=\"2.0\"><channel><title>Demo</title>\n")
	for _, p := range products {
		text := strings.ReplaceAll(html.EscapeString(p.Description), "]]>", "]]&gt;")
		fmt.Fprintf(&out, "<item><title>%s</title>\n<description><![CDATA[%s]]></description>\n%s</item>\n", escape(p.Title, 2), text, googleElements(p))
	}
	return out.String() + "</channel></rss>\n"
}

func asAtom(products []product) string {
	var out strings.Builder
	out.WriteString("<feed xmlns=\"http://www.w3.org/2005/Atom\" xmlns:g=\"http://base.google.com/ns/1.0\"><title>Demo</title>\n")
	for _, p := range products {
		fmt.Fprintf(&out, "<entry><id>tag:demo,2026:%s</id><title>%s</title><summary>%s</summary>\n%s</entry>\n", p.ID, escape(p.Title, 2), escape(p.Description, 2), googleElements(p))
	}
	return out.String() + "</feed>\n"
}

// asShopify has rows of further pictures behind each product.
func asShopify(t testing.TB, products []product) string {
	t.Helper()
	header := []string{"Handle", "Title", "Body (HTML)", "Vendor", "Type", "Published", "Option1 Name", "Option1 Value", "Variant Inventory Qty", "Variant Price", "Image Src", "Image Position", "Color", "Status"}
	names := slices.Sorted(maps.Keys(attributeTypes))
	for _, name := range names {
		header = append(header, metafield(name))
	}
	rows := [][]string{header}
	for _, p := range products {
		body := "<p>" + strings.ReplaceAll(html.EscapeString(p.Description), "\n", "<br/>") + "</p>"
		stock := "0"
		if p.Availability == "in stock" {
			stock = "7"
		}
		row := []string{p.ID, html.EscapeString(p.Title), body, p.Brand, p.Category, "TRUE", "Title", "Default Title", stock, attributeText(*p.Price), p.Image, "1", p.Color, "active"}
		for _, name := range names {
			row = append(row, attributeText(p.Attributes[name]))
		}
		rows = append(rows, row)
		for i, image := range p.more {
			row := make([]string, len(header))
			row[0], row[10], row[11] = p.ID, image, strconv.Itoa(i+2)
			rows = append(rows, row)
		}
	}
	return csvText(t, rows, ',')
}

func metafield(name string) string { return name + " (product.metafields.custom." + name + ")" }

// typed is the map of Google's and Shopify's feeds, whose names have no types.
func typed(spell func(string) string) map[string]string {
	out := map[string]string{}
	for name, kind := range attributeTypes {
		out[spell(name)] = name + ":" + kind
	}
	return out
}

func same(name string) string { return name }
