package indexer_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"sightline/indexer"
	"sightline/store"
	"sightline/store/fetch"
	"sightline/store/sources"
)

// made is a fetcher that draws what it is asked for.
type made struct{}

func (made) Get(_ context.Context, r fetch.Request) (fetch.Response, error) {
	return fetch.Response{Data: pngOf(r.URL)}, nil
}

// BenchmarkUnchanged sends a feed again that is in the index already, with
// stores on disk: the speed at which a stopped import catches up.
func BenchmarkUnchanged(b *testing.B) {
	const rows = 2000
	for _, pictures := range []int{1, 5} {
		b.Run(fmt.Sprintf("%d pictures", pictures), func(b *testing.B) {
			dir := b.TempDir()
			d := openData(b, dir)
			defer d.close(b)
			known, err := sources.Open(b.Context(), filepath.Join(dir, "sources.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer known.Close()
			parts := indexer.Parts{Encoder: (*fakeEncoder)(newWorld(b)), Index: d.index, Features: d.features, Pictures: d.pictures, Fetcher: made{}, Sources: known}
			resend(b, parts, rows, pictures)
			b.ReportAllocs()
			for b.Loop() {
				if sum := resend(b, parts, rows, pictures); sum.Unchanged != rows {
					b.Fatalf("%+v", sum)
				}
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func resend(b *testing.B, parts indexer.Parts, rows, pictures int) indexer.Summary {
	feed := func(yield func(indexer.Record, error) bool) {
		for i := range rows {
			r := indexer.Record{Row: i + 1, Item: store.Item{ID: fmt.Sprint("sku-", i), Title: "a mug", Attributes: map[string]any{"size": "M", "tags": []string{"a", "b"}}}}
			for k := range pictures {
				r.Images = append(r.Images, fmt.Sprintf("https://shop.example/%d-%d.png", i, k))
			}
			r.Image, r.Item.Image = r.Images[0], r.Images[0]
			if !yield(r, nil) {
				return
			}
		}
	}
	sum, err := indexer.New(parts, indexer.Options{}).Run(b.Context(), feed)
	if err != nil || sum.Failed > 0 {
		b.Fatalf("%+v, %v", sum, err)
	}
	return sum
}
