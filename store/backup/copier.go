package backup

import (
	"context"
	"errors"
	"path/filepath"

	"sightline/store"
	"sightline/store/pictures"
)

// Pictures are originals by their key; pictures.Store and pictures.Bucket are
// such.
type Pictures interface {
	Get(ctx context.Context, key string) ([]byte, error)
	Has(key string) bool
	Put(ctx context.Context, data []byte) (key string, err error)
	Close() error
}

// openPictures opens the pictures of the folder dir with open, or those in it
// where that is nil.
func openPictures(dir string, open func() (Pictures, error)) (Pictures, error) {
	if open != nil {
		return open()
	}
	s, err := pictures.Open(filepath.Join(dir, picturesFolder))
	if err != nil {
		return nil, err
	}
	return s, nil
}

// copier copies the pictures that entries refer to, each once.
type copier struct {
	report         *Report
	source, target Pictures
	seen           map[string]bool // pictures dealt with
	progress       Progress
	done, total    int // entries
}

func newCopier(r *Report, progress Progress) *copier {
	return &copier{report: r, seen: make(map[string]bool), progress: progress}
}

// entry copies the pictures of one entry.
func (c *copier) entry(ctx context.Context, e store.Entry) error {
	if c.done++; c.progress != nil {
		c.progress(c.done, max(c.done, c.total))
	}
	for _, key := range pictureKeys(e) {
		if err := c.picture(ctx, e.Item.ID, key); err != nil {
			return err
		}
	}
	return nil
}

// pictureKeys names the pictures that an entry refers to.
func pictureKeys(e store.Entry) []string {
	if e.Picture == "" {
		return nil
	}
	keys := []string{e.Picture}
	for _, v := range e.Views {
		keys = append(keys, v.Picture)
	}
	return keys
}

// picture copies one picture, unless it is there. One that cannot be read is a
// problem in the report.
func (c *copier) picture(ctx context.Context, item, key string) error {
	if c.seen[key] {
		return nil
	}
	c.seen[key] = true
	if c.target.Has(key) {
		return nil
	}
	data, err := c.source.Get(ctx, key)
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, pictures.ErrUnavailable) { // and so with all others
			return err
		}
		c.report.problem(item, err)
		return nil
	}
	if _, err := c.target.Put(ctx, data); err != nil {
		return err
	}
	c.report.Copied++
	return nil
}
