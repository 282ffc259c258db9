package feed_test

import (
	"strings"
	"testing"

	"sightline/indexer/feed"
)

// BenchmarkRead reads 2,000 demo products in each format.
func BenchmarkRead(b *testing.B) {
	products := demoProducts(b, 2000)
	shopify := typed(metafield)
	shopify["Color"] = "color"
	for _, bb := range []struct {
		name, feed string
		options    feed.Options
	}{
		{"jsonl", asJSONL(b, products), feed.Options{}},
		{"csv", asTable(b, products, ','), feed.Options{}},
		{"tsv", asTable(b, products, '\t'), feed.Options{}},
		{"google-rss", asRSS(products), feed.Options{}},
		{"google-atom", asAtom(products), feed.Options{}},
		{"shopify-csv", asShopify(b, products), feed.Options{Map: shopify}},
		{"csv-gzip", zipped(b, asTable(b, products, ',')), feed.Options{}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.feed)))
			rows := 0
			for b.Loop() {
				for r, err := range feed.Read(strings.NewReader(bb.feed), bb.options) {
					if err != nil {
						b.Fatalf("%s: %v", r.Where, err)
					}
					rows++
				}
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(rows), "µs/row")
		})
	}
}
