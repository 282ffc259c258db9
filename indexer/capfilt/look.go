package capfilt

import (
	"context"
	"fmt"
	"math"

	"sightline/encoder"
	"sightline/store"
	"sightline/store/features"
)

// Pictures are the stored ones; pictures.Store is one.
type Pictures interface {
	Get(ctx context.Context, key string) ([]byte, error)
}

// Features are the patch states of the filter; features.Store is one.
type Features interface {
	Get(ctx context.Context, picture string) (features.Record, bool, error)
}

// seen is a picture as the two models see it.
type seen struct {
	captioner, filter encoder.States
	flat              bool
}

// glance is a picture on its way to be seen.
type glance struct {
	entry  store.Entry
	seen   seen
	data   []byte
	pixels encoder.Pixels // of the captioner
	failed *Failure
}

// look shows pictures to both models. One that is missing or broken fails alone;
// the error is a model's or the store's.
func (r *run) look(ctx context.Context, entries []store.Entry) ([]glance, error) {
	all := make([]glance, len(entries))
	var pixels []encoder.Pixels
	var at []int
	for i, e := range entries {
		g := &all[i]
		g.entry = e
		if err := r.read(ctx, g); err != nil {
			return nil, err
		}
		if g.failed == nil {
			pixels, at = append(pixels, g.pixels), append(at, i)
		}
	}
	features, err := r.parts.Captioner.Images(ctx, pixels)
	if err != nil {
		return nil, fmt.Errorf("captioner: %w", err)
	}
	for i, f := range features {
		g := &all[at[i]]
		g.seen.captioner = f.States
		if g.seen.filter, err = r.states(ctx, g); err != nil {
			return nil, err
		}
		g.data, g.pixels = nil, nil
	}
	return all, nil
}

func (r *run) read(ctx context.Context, g *glance) (err error) {
	if g.entry.Picture == "" {
		g.failed = &Failure{"picture", "the item has no picture"}
		return nil
	}
	if g.data, err = r.parts.Pictures.Get(ctx, g.entry.Picture); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("read picture: %w", ctx.Err())
		}
		g.failed = &Failure{"picture", "the stored picture cannot be read: " + err.Error()}
		return nil
	}
	if g.pixels, err = r.parts.Captioner.Pixels(g.data); err != nil {
		g.failed = &Failure{"decode", err.Error()}
		return nil //nolint:nilerr // it is the item's trouble
	}
	g.seen.flat = flat(g.pixels)
	return nil
}

// states are those that the import has stored, or those of the picture read anew.
func (r *run) states(ctx context.Context, g *glance) (encoder.States, error) {
	stored, ok, err := r.parts.Features.Get(ctx, g.entry.Picture)
	if err == nil && ok {
		return encoder.States(stored), nil
	}
	if ctx.Err() != nil {
		return encoder.States{}, fmt.Errorf("read patch states: %w", ctx.Err())
	}
	pixels, err := r.parts.Filter.Pixels(g.data)
	if err != nil {
		return encoder.States{}, fmt.Errorf("read picture %s: %w", g.entry.Picture, err)
	}
	f, err := r.parts.Filter.Images(ctx, []encoder.Pixels{pixels})
	if err != nil {
		return encoder.States{}, fmt.Errorf("filter: %w", err)
	}
	return f[0].States, nil
}

// flatness is the standard deviation of each colour, in the normalised units of
// pixels, below which a picture shows nothing: 4 of 255 with BLIP's numbers.
const flatness = 0.06

// flat tells whether a picture is of one colour but for noise.
func flat(px encoder.Pixels) bool {
	n := len(px) / 3
	for c := range 3 {
		var sum, squares float64
		for _, v := range px[c*n : (c+1)*n] {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		mean := sum / float64(n)
		if math.Sqrt(max(0, squares/float64(n)-mean*mean)) >= flatness {
			return false
		}
	}
	return true
}
