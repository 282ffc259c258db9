package capfilt

import (
	"errors"
	"fmt"

	"sightline/encoder/decode"
)

// Options of a run; start from Defaults. They are written into the report, and a
// report goes on with the same ones only.
type Options struct {
	// Samples is how many captions are written of each picture, of which the one
	// with the best ITM margin is judged.
	Samples int `json:"samples"`
	// TopP is that of nucleus sampling; BLIP's is 0.9.
	TopP float64 `json:"top_p"`
	// MinMatch is the match probability from which a text counts as true of a
	// picture. Titles are flagged below MaxDoubt; between the two nothing is said
	// of them.
	MinMatch float64 `json:"min_match"`
	MaxDoubt float64 `json:"max_doubt"`
	// Margin is by how much, in logits, a caption must beat the title to be kept.
	Margin float64 `json:"margin"`
	// Alike is the cosine from which two pictures count as the same, Placeholder
	// the number of products that share one from which on it is a placeholder.
	Alike       float64 `json:"alike"`
	Placeholder int     `json:"placeholder"`
}

// Defaults are the values that docs/capfilt.md measures; thresholds were chosen on
// the validation split.
func Defaults() Options {
	return Options{Samples: 3, TopP: 0.9, MinMatch: 0.5, MaxDoubt: 0.1, Margin: 4, Alike: 0.99, Placeholder: 8}
}

// Check reports every value that is out of its range.
func (o Options) Check() error {
	var errs []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	need(o.Samples >= 1 && o.Samples <= decode.MostBeams, "--samples %d: use 1 to %d", o.Samples, decode.MostBeams)
	need(o.TopP > 0 && o.TopP <= 1, "--top-p %g: use more than 0 and at most 1", o.TopP)
	need(o.MinMatch > 0 && o.MinMatch < 1, "--min-match %g: use more than 0 and less than 1", o.MinMatch)
	need(o.MaxDoubt > 0 && o.MaxDoubt <= o.MinMatch, "--max-doubt %g: use more than 0 and at most --min-match", o.MaxDoubt)
	need(o.Margin >= 0 && o.Margin <= 1000, "--margin %g: use 0 to 1000", o.Margin)
	need(o.Alike > 0 && o.Alike <= 1, "--alike %g: use more than 0 and at most 1", o.Alike)
	need(o.Placeholder >= 2 && o.Placeholder <= 1000, "--placeholder %d: use 2 to 1000", o.Placeholder)
	return errors.Join(errs...)
}
