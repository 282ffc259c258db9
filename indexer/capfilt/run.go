package capfilt

import (
	"context"
	"fmt"

	"sightline/store"
	"sightline/store/filter"
)

// Index is what is read of a catalogue; store.Index is one.
type Index interface {
	Scan(ctx context.Context, after string, limit int, e filter.Expr) ([]store.Entry, error)
	Search(ctx context.Context, q store.Query) ([]store.Hit, error)
	Stats(ctx context.Context) (store.Stats, error)
}

// Parts are what a run joins; they belong to the caller.
type Parts struct {
	Captioner Captioner
	Filter    Filter
	Unk       int64 // the filter's token of words that it does not know
	Index     Index
	Features  Features
	Pictures  Pictures
}

// Progress is how far a run is.
type Progress struct {
	Done, Of int // items, those of earlier runs among them
	New      int // of this run
}

// Summary counts the rows of the items that are in the catalogue.
type Summary struct {
	Items     int            `json:"items"`
	Judged    int            `json:"judged"`         // in this run
	Failed    int            `json:"failed"`         // could not be judged
	Missing   int            `json:"missing_titles"` // items without a title
	Kept      int            `json:"kept"`           // captions
	Flags     map[string]int `json:"flags"`          // by reason
	Left      int            `json:"left,omitempty"` // not judged: of a dry run
	Captioned int            `json:"captioned"`      // items that Apply gave a caption
}

// batch is how many pictures are seen at once, and rows written at once.
const batch = 8

type run struct {
	parts  Parts
	judge  judge
	report *Report
	sum    Summary
	of     int
	tell   func(Progress)
}

// Run judges every item that the report does not have yet, with its present title
// and picture, and adds rows to it. When ctx ends, what was judged is in the
// report, and the next Run goes on from there. tell is told of each batch.
func Run(ctx context.Context, p Parts, o Options, report *Report, tell func(Progress)) (Summary, error) {
	stats, err := p.Index.Stats(ctx)
	if err != nil {
		return Summary{}, fmt.Errorf("read catalogue: %w", err)
	}
	prompt, writing := p.Captioner.Writing()
	r := run{
		parts: p, report: report, of: stats.Items, tell: tell,
		judge: judge{captioner: p.Captioner, filter: p.Filter, unk: p.Unk, index: p.Index, options: o, prompt: prompt, writing: writing},
	}
	var wait []store.Entry
	err = eachEntry(ctx, p.Index, func(e store.Entry) error {
		r.sum.Items++
		if report.has(e) {
			return nil
		}
		wait = append(wait, e)
		if len(wait) < batch {
			return nil
		}
		err := r.some(ctx, wait)
		wait = wait[:0]
		return err
	})
	if err == nil && len(wait) > 0 {
		err = r.some(ctx, wait)
	}
	return r.sum, err
}

// eachEntry calls do for every entry in the order of ids.
func eachEntry(ctx context.Context, from Index, do func(store.Entry) error) error {
	const page = 500
	for after := ""; ; {
		entries, err := from.Scan(ctx, after, page, nil)
		if err != nil {
			return fmt.Errorf("read catalogue: %w", err)
		}
		for _, e := range entries {
			after = e.Item.ID
			if err := do(e); err != nil {
				return err
			}
		}
		if len(entries) < page {
			return nil
		}
	}
}

// some judges a batch and has its rows on disk.
func (r *run) some(ctx context.Context, entries []store.Entry) error {
	seen, err := r.look(ctx, entries)
	if err != nil {
		return err
	}
	rows := make([]Row, len(seen))
	for i, g := range seen {
		if g.failed != nil {
			rows[i] = Row{ID: g.entry.Item.ID, Picture: g.entry.Picture, Title: g.entry.Item.Title, Failure: g.failed}
			continue
		}
		if rows[i], err = r.judge.item(ctx, g.entry, g.seen); err != nil {
			return fmt.Errorf("item %q: %w", g.entry.Item.ID, err)
		}
	}
	if err := r.report.add(rows); err != nil {
		return err
	}
	r.sum.Judged += len(rows)
	r.tell(Progress{Done: r.sum.Items, Of: max(r.of, r.sum.Items), New: r.sum.Judged})
	return nil
}

// Left counts what a Run would find and what it would judge.
func Left(ctx context.Context, from Index, report *Report) (sum Summary, err error) {
	err = eachEntry(ctx, from, func(e store.Entry) error {
		sum.Items++
		if !report.has(e) {
			sum.Left++
		}
		return nil
	})
	return sum, err
}
