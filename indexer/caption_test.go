package indexer_test

import (
	"testing"

	"sightline/indexer"
	"sightline/store"
)

// TestKeptCaptions: a feed that knows nothing of kept captions neither loses nor is
// changed by them, until the picture is another.
func TestKeptCaptions(t *testing.T) {
	w := newWorld(t)
	record := func(title, picture string) indexer.Feed {
		return one(indexer.Record{Row: 1, Image: dataURL(pngOf(picture)), Item: store.Item{ID: "a", Title: title}})
	}
	run := func(feed indexer.Feed, o indexer.Options) indexer.Summary {
		sum, _, err := w.run(t.Context(), feed, o)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	run(record("", "a"), indexer.Options{})
	e := w.entries["a"]
	item, ok := e.Item.WithCaption("a red mug", e.Picture)
	hash, err := item.ContentHash("model-1", e.Picture)
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	e.Item, e.ContentHash = item, hash
	w.entries["a"] = e
	if sum := run(record("", "a"), indexer.Options{}); sum.Unchanged != 1 {
		t.Errorf("the same feed: %+v", sum)
	}
	if sum := run(record("", "a"), indexer.Options{DryRun: true}); sum.Unchanged != 1 {
		t.Errorf("the same feed, dry: %+v", sum)
	}
	if sum := run(record("Mug", "a"), indexer.Options{}); sum.Written != 1 || w.entries["a"].Item.Caption() != "a red mug" || w.entries["a"].Item.Title != "Mug" {
		t.Errorf("another title: %+v, %+v", sum, w.entries["a"].Item)
	}
	if sum := run(record("Mug", "b"), indexer.Options{}); sum.Written != 1 || w.entries["a"].Item.Attributes != nil {
		t.Errorf("another picture: %+v, %+v", sum, w.entries["a"].Item)
	}
}
