package feed_test

import (
	"encoding/csv"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sightline/indexer/feed"
)

// TestOneCatalogueInEveryFormat: the demo catalogue says the same however it is
// written.
func TestOneCatalogueInEveryFormat(t *testing.T) {
	products := demoProducts(t, 300)
	shopify := typed(metafield)
	shopify["Color"] = "color"
	for _, tt := range []struct {
		name, feed string
		options    feed.Options
	}{
		{"JSONL", asJSONL(t, products), feed.Options{}},
		{"CSV", asTable(t, products, ','), feed.Options{}},
		{"CSV with semicolons", asTable(t, products, ';'), feed.Options{}},
		{"TSV", asTable(t, products, '\t'), feed.Options{}},
		{"Google RSS", asRSS(products), feed.Options{Map: typed(same)}},
		{"Google Atom", asAtom(products), feed.Options{Map: typed(same)}},
		{"Shopify CSV", asShopify(t, products), feed.Options{Currency: "EUR", Map: shopify}},
		{"gzip", zipped(t, asRSS(products)), feed.Options{Map: typed(same)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Root = "dir"
			rs := parse(t, tt.feed, tt.options)
			if len(rs) != len(products) {
				t.Fatalf("%d records, want %d", len(rs), len(products))
			}
			for i, p := range products {
				want := p.Clone()
				want.Images = p.more
				if strings.HasPrefix(tt.name, "Shopify") { // which has no word for groups, and more of its own
					want.GroupID, want.URL = "", rs[i].Item.URL
					want.Description = strings.ReplaceAll(want.Description, "\t", " ") // its descriptions are HTML
					maps.DeleteFunc(rs[i].Item.Attributes, func(name string, _ any) bool { return strings.HasPrefix(name, "price_") })
				}
				if !reflect.DeepEqual(rs[i].Item, want) {
					t.Fatalf("item %d:\n got %+v\nwant %+v", i, rs[i].Item, want)
				}
				if images := append([]string{p.Image}, p.more...); !slices.Equal(rs[i].Images, images) || rs[i].Image != p.Image {
					t.Fatalf("item %d: images %q, want %q", i, rs[i].Images, images)
				}
			}
			if last := rs[len(rs)-1]; last.Root != "dir" || last.Row < len(products) {
				t.Errorf("last record %+v", last)
			}
		})
	}
}

// TestTablesAsEncodingCSV: what the standard library writes is read back, cell
// for cell.
func TestTablesAsEncodingCSV(t *testing.T) {
	cell := rapid.StringOf(rapid.OneOf(rapid.SampledFrom([]rune("ab,;\t\"\n\r |=")), rapid.Rune().Filter(func(r rune) bool { return r != 0 && r != 0xFFFD })))
	rapid.Check(t, func(t *rapid.T) {
		comma := rapid.SampledFrom([]rune{',', ';', '\t', '|'}).Draw(t, "comma")
		texts := rapid.SliceOfN(cell, 1, 20).Draw(t, "texts")
		var out strings.Builder
		w := csv.NewWriter(&out)
		w.Comma, w.UseCRLF = comma, rapid.Bool().Draw(t, "crlf")
		_ = w.Write([]string{"id", "note", "end"})
		for i, text := range texts {
			_ = w.Write([]string{fmt.Sprint(i), text, "x"})
		}
		w.Flush()
		format := feed.CSV
		if comma == '\t' {
			format = feed.TSV
		}
		i := 0
		for r, err := range feed.Read(strings.NewReader(out.String()), feed.Options{Format: format}) {
			if err != nil {
				t.Fatalf("%s: %v", r.Where, err)
			}
			want := strings.TrimSpace(strings.ReplaceAll(texts[i], "\r\n", "\n"))
			got, _ := r.Item.Attributes["note"].(string)
			if normal(got) != normal(want) || r.Item.ID != fmt.Sprint(i) || r.Item.Attributes["end"] != "x" {
				t.Fatalf("row %d: got %q, want %q, item %+v", r.Row, got, want, r.Item)
			}
			i++
		}
		if i != len(texts) {
			t.Fatalf("%d rows, want %d", i, len(texts))
		}
	})
}

// normal leaves out what encoding/csv itself does not write back: bare CRs
// before an LF. Entities are decoded by design.
func normal(text string) string {
	return strings.NewReplacer("\r", "", "\n", "").Replace(text)
}
