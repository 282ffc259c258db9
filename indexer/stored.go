package indexer

import (
	"context"

	"sightline/store"
	"sightline/store/change"
	"sightline/store/filter"
)

// Scanner reads a catalogue in pages; store.Index is one.
type Scanner interface {
	Scan(ctx context.Context, after string, limit int, e filter.Expr) ([]store.Entry, error)
}

// storedPage is how many entries are read at a time.
const storedPage = 500

// Stored yields the items of a catalogue, total of them for the progress, with
// all pictures that are stored for them. It is the feed to embed a catalogue
// anew from, without its shop: pictures are known by their keys and read through
// Parts.Pictures, those that are embedded already not at all.
func Stored(ctx context.Context, from Scanner, total int) Feed {
	return func(yield func(Record, error) bool) {
		row := 0
		err := eachStored(ctx, from, func(e store.Entry) bool {
			row++
			record := Record{Row: row, Where: "item " + e.Item.ID, At: int64(row), Of: int64(max(row, total)), Item: e.Item, Images: storedImages(e)}
			if len(record.Images) > 0 {
				record.Image = record.Images[0]
			}
			return yield(record, nil)
		})
		if err != nil {
			yield(Record{}, err)
		}
	}
}

// storedImages names the pictures of an entry; none for one without.
func storedImages(e store.Entry) []string {
	if e.Picture == "" {
		return nil // and so without views
	}
	out := []string{change.Stored(e.Picture)}
	for _, v := range e.Views {
		out = append(out, change.Stored(v.Picture))
	}
	return out
}

// eachStored calls do for every entry in the order of ids, until it says false.
func eachStored(ctx context.Context, from Scanner, do func(store.Entry) bool) error {
	for after := ""; ; {
		page, err := from.Scan(ctx, after, storedPage, nil)
		if err != nil {
			return err
		}
		for _, e := range page {
			if after = e.Item.ID; !do(e) {
				return nil
			}
		}
		if len(page) < storedPage {
			return nil
		}
	}
}
