package indexer

import (
	"context"
	"strings"

	"sightline/store"
	"sightline/store/filter"
	"sightline/store/pictures"
)

// Scanner reads a catalogue in pages; store.Index is one.
type Scanner interface {
	Scan(ctx context.Context, after string, limit int, e filter.Expr) ([]store.Entry, error)
}

// storedPage is how many entries Stored and Extras read at a time.
const storedPage = 500

// Stored yields the items of a catalogue, total of them for the progress, with
// the pictures that the pictures.Store in dir keeps. It is the feed to embed a
// catalogue anew from, without its shop.
func Stored(ctx context.Context, from Scanner, total int, dir string) Feed {
	return func(yield func(Record, error) bool) {
		row := 0
		err := eachStored(ctx, from, func(e store.Entry) bool {
			row++
			record := Record{Row: row, Where: "item " + e.Item.ID, At: int64(row), Of: int64(max(row, total)), Item: e.Item, Root: dir}
			if e.Picture != "" {
				record.Image = pictures.Path(e.Picture)
			}
			return yield(record, nil)
		})
		if err != nil {
			yield(Record{}, err)
		}
	}
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

// Extras returns the ids that are in one catalogue and not in another.
func Extras(ctx context.Context, in, notIn Scanner) ([]string, error) {
	other := &cursor{ctx: ctx, from: notIn}
	var extras []string
	err := eachStored(ctx, in, func(e store.Entry) bool {
		if !other.has(e.Item.ID) && other.err == nil {
			extras = append(extras, e.Item.ID)
		}
		return other.err == nil
	})
	if err == nil {
		err = other.err
	}
	return extras, err
}

// cursor walks through a catalogue in step with ids that are asked for in
// order.
type cursor struct {
	ctx   context.Context
	from  Scanner
	page  []store.Entry
	after string
	ended bool
	err   error
}

func (c *cursor) has(id string) bool {
	for {
		for len(c.page) > 0 {
			switch strings.Compare(c.page[0].Item.ID, id) {
			case 0:
				return true
			case 1:
				return false
			}
			c.page = c.page[1:]
		}
		if c.ended || c.err != nil {
			return false
		}
		c.page, c.err = c.from.Scan(c.ctx, c.after, storedPage, nil)
		c.ended = len(c.page) < storedPage
		if len(c.page) > 0 {
			c.after = c.page[len(c.page)-1].Item.ID
		}
	}
}
