package backup

import (
	"context"
	"errors"
	"fmt"

	"sightline/store"
	"sightline/store/embedded"
	"sightline/store/pictures"
)

// States tells whether patch states of a picture are stored, and with deep
// whether they can be read; features.Store is behind it.
type States interface {
	Check(ctx context.Context, picture string, deep bool) error
}

// CheckOptions say how closely to look.
type CheckOptions struct {
	// Deep reads every picture and every patch state and compares checksums;
	// without it they only have to be there.
	Deep bool
	// States opens the patch states of a collection; nil leaves them out. An
	// error means that they are in use and are left out too.
	States func(fingerprint string) (States, func() error, error)
	// Pictures and Progress are those of Options.
	Pictures func() (Pictures, error)
	Progress Progress
}

// Checked is what Check found. Pictures and states without problems are sound.
type Checked struct {
	Collections []store.Collection `json:"collections"`
	Items       int                `json:"items"`
	Pictures    int                `json:"pictures"`
	States      int                `json:"patch_states"`
	Skipped     []string           `json:"skipped"` // what could not be looked at, and why
	Problems    []Problem          `json:"problems"`
	Failed      int                `json:"failed"`
	Repairable  int                `json:"repairable"` // problems that 'indexd repair' puts right
}

// Check looks for damage in a data folder, beside programs that have it open.
// Damage is in the result; an error means that looking was not possible.
func Check(ctx context.Context, dir string, o CheckOptions) (_ Checked, err error) {
	cols, err := embedded.NewCollections(dir, nil)
	if err != nil {
		return Checked{}, err
	}
	c := &checker{options: o, cols: cols, seen: make(map[string]bool)}
	if c.found.Collections, err = cols.List(ctx); err != nil {
		return Checked{}, err
	}
	if c.pictures, err = openPictures(dir, o.Pictures); err != nil {
		return Checked{}, err
	}
	defer func() { err = errors.Join(err, c.pictures.Close()) }()
	for _, col := range c.found.Collections {
		c.total += col.Items
	}
	for _, col := range c.found.Collections {
		if err := c.collection(ctx, col.Fingerprint); err != nil {
			return c.found, fmt.Errorf("check collection %s: %w", col.Fingerprint, err)
		}
	}
	c.found.Problems, c.found.Failed = c.report.Problems, c.report.Failed
	return c.found, nil
}

type checker struct {
	options     CheckOptions
	cols        *embedded.Collections
	pictures    Pictures
	found       Checked
	report      Report
	seen        map[string]bool // pictures looked at
	done, total int
}

func (c *checker) collection(ctx context.Context, fingerprint string) (err error) {
	r, err := c.cols.Reader(ctx, fingerprint)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := r.Check(ctx, !c.options.Deep); err != nil {
		if ctx.Err() != nil {
			return err
		}
		c.report.problem("", fmt.Errorf("collection %s: %w; restore a backup", fingerprint, err))
		return nil
	}
	states, release := c.states(fingerprint)
	defer func() { err = errors.Join(err, release()) }()
	stats, err := r.Stats(ctx)
	if err != nil {
		return err
	}
	err = eachEntry(ctx, r, func(e store.Entry) error { return c.entry(ctx, e, stats.Dim, states) })
	if err != nil && ctx.Err() == nil && !errors.Is(err, pictures.ErrUnavailable) { // an entry that cannot be read keeps us from those behind it
		c.report.problem("", fmt.Errorf("collection %s: %w", fingerprint, err))
		return nil
	}
	return err
}

// states returns nil where patch states are not looked at.
func (c *checker) states(fingerprint string) (States, func() error) {
	nothing := func() error { return nil }
	if c.options.States == nil {
		return nil, nothing
	}
	states, release, err := c.options.States(fingerprint)
	if err != nil {
		c.found.Skipped = append(c.found.Skipped, fmt.Sprintf("patch states of %s: %v", fingerprint, err))
		return nil, nothing
	}
	return states, release
}

func (c *checker) entry(ctx context.Context, e store.Entry, dim int, states States) error {
	c.found.Items++
	if c.done++; c.options.Progress != nil {
		c.options.Progress(c.done, max(c.done, c.total))
	}
	if err := e.Validate(dim); err != nil {
		c.report.problem(e.Item.ID, err)
	}
	for _, key := range pictureKeys(e) {
		if err := c.referred(ctx, e.Item.ID, key, states); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// referred looks at one picture of an item and at its patch states.
func (c *checker) referred(ctx context.Context, item, key string, states States) error {
	if !c.seen[key] {
		c.seen[key] = true
		c.found.Pictures++
		err := c.picture(ctx, key)
		if errors.Is(err, pictures.ErrUnavailable) { // which says nothing about the picture
			return err
		}
		if err != nil {
			c.report.problem(item, err)
		}
	}
	if states != nil {
		c.found.States++
		if err := states.Check(ctx, key, c.options.Deep); err != nil {
			c.report.problem(item, err)
			c.found.Repairable++
		}
	}
	return nil
}

func (c *checker) picture(ctx context.Context, key string) error {
	if !c.options.Deep && c.pictures.Has(key) {
		return nil
	}
	_, err := c.pictures.Get(ctx, key) // which knows why Has says no
	return err
}
