package backup

import (
	"context"
	"path/filepath"

	"sightline/store"
	"sightline/store/pictures"
)

// copier copies the pictures that entries refer to, each once.
type copier struct {
	report         *Report
	source, target *pictures.Store
	seen           map[string]bool // pictures dealt with
	progress       Progress
	done, total    int // entries
}

func newCopier(r *Report, progress Progress) *copier {
	return &copier{report: r, seen: make(map[string]bool), progress: progress}
}

// open opens the pictures of the folders from and to.
func (c *copier) open(from, to string) (err error) {
	if c.source, err = pictures.Open(filepath.Join(from, picturesFolder)); err != nil {
		return err
	}
	c.target, err = pictures.Open(filepath.Join(to, picturesFolder))
	return err
}

// picture copies the picture of one entry, unless it is there. One that cannot
// be read is a problem in the report.
func (c *copier) picture(ctx context.Context, e store.Entry) error {
	if c.done++; c.progress != nil {
		c.progress(c.done, max(c.done, c.total))
	}
	if e.Picture == "" || c.seen[e.Picture] {
		return nil
	}
	c.seen[e.Picture] = true
	if c.target.Has(e.Picture) {
		return nil
	}
	data, err := c.source.Get(ctx, e.Picture)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		c.report.problem(e.Item.ID, err)
		return nil
	}
	if _, err := c.target.Put(ctx, data); err != nil {
		return err
	}
	c.report.Copied++
	return nil
}
