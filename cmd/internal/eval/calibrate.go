package eval

import (
	"errors"
	"fmt"
	"math"

	"sightline/encoder/bundle"
)

// Pair is one candidate that the second look read: what ITM said of it, and
// whether it was relevant.
type Pair struct {
	Margin      float64 // match logit - no-match logit
	Probability float64 // as the answer gave it
	Relevant    bool
}

// Calibrate fits Platt scaling to the pairs: the logistic regression of
// relevance on the margin, by Newton's method with Platt's smoothed targets
// (Platt 1999; Lin, Lin and Weng, Machine Learning 68, 2007), which keep the
// slope finite where the margin separates the pairs.
//
// The pairs are candidates as searches meet them, so the probability is that
// of a candidate within the depth of the fit; a relevant item that the queries
// file does not list counts as a false one and lowers it.
func Calibrate(pairs []Pair, fingerprint string) (bundle.Calibration, error) {
	c := bundle.Calibration{Slope: 1, Fingerprint: fingerprint, Pairs: len(pairs)}
	positive := 0.0
	for _, p := range pairs {
		if p.Relevant {
			positive++
		}
	}
	negative := float64(len(pairs)) - positive
	if positive < 10 || negative < 10 {
		return c, fmt.Errorf("cannot calibrate on %.0f matching and %.0f other candidates: it takes at least 10 of each; use more queries or a larger depth", positive, negative)
	}
	f := platt{pairs: pairs, high: (positive + 1) / (positive + 2), low: 1 / (negative + 2)}
	c.LogLossBefore = logLoss(pairs, c)
	if err := f.fit(&c); err != nil {
		return c, err
	}
	c.LogLossAfter = logLoss(pairs, c)
	return c, nil
}

// platt is a fit under way; high and low are the targets of pairs that match
// and of those that do not.
type platt struct {
	pairs     []Pair
	high, low float64
}

const (
	maxNewton = 100
	tolerance = 1e-9 // of the loss's gradient, a pair
	ridge     = 1e-9 // keeps the Hessian regular, a pair
)

func (f platt) fit(c *bundle.Calibration) error {
	for range maxNewton {
		s := f.slope(*c)
		if math.Hypot(s.a, s.b) < tolerance*float64(len(f.pairs)) {
			return nil
		}
		aa, bb := s.aa+ridge*float64(len(f.pairs)), s.bb+ridge*float64(len(f.pairs))
		det := aa*bb - s.ab*s.ab
		da, db := (s.a*bb-s.b*s.ab)/det, (s.b*aa-s.a*s.ab)/det
		if !f.step(c, da, db) {
			return nil // no step lowers the loss: as near as float64 comes
		}
	}
	return errors.New("calibration did not settle within 100 steps: are the queries' relevant ids those of this index?")
}

// step goes along -d, half as far each time that the loss does not fall.
func (f platt) step(c *bundle.Calibration, da, db float64) bool {
	before := f.loss(*c)
	for size := 1.0; size > 1e-10; size /= 2 {
		next := *c
		next.Slope, next.Intercept = c.Slope-size*da, c.Intercept-size*db
		if f.loss(next) < before {
			*c = next
			return true
		}
	}
	return false
}

func (f platt) target(p Pair) float64 {
	if p.Relevant {
		return f.high
	}
	return f.low
}

func (f platt) loss(c bundle.Calibration) float64 {
	sum := 0.0
	for _, p := range f.pairs {
		z := c.Slope*p.Margin + c.Intercept
		sum += softplus(z) - f.target(p)*z
	}
	return sum
}

// derivatives of the loss by slope (a) and intercept (b).
type derivatives struct{ a, b, aa, ab, bb float64 }

func (f platt) slope(c bundle.Calibration) derivatives {
	var s derivatives
	for _, p := range f.pairs {
		is := c.Probability(p.Margin)
		off, w := is-f.target(p), is*(1-is)
		s.a += off * p.Margin
		s.b += off
		s.aa += w * p.Margin * p.Margin
		s.ab += w * p.Margin
		s.bb += w
	}
	return s
}

// softplus is log(1 + exp(z)) without overflow.
func softplus(z float64) float64 { return max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) }

// logLoss is the mean negative log likelihood of the pairs, in nats.
func logLoss(pairs []Pair, c bundle.Calibration) float64 {
	sum := 0.0
	for _, p := range pairs {
		z := c.Slope*p.Margin + c.Intercept
		if p.Relevant {
			z = -z
		}
		sum += softplus(z)
	}
	return sum / float64(len(pairs))
}
