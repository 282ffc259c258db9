package blend

import (
	"errors"
	"fmt"
	"math"

	"sightline/store/filter"
)

// Limits of Weights. With them, and logits of float32, no sum overflows.
const (
	MaxWeight   = 1e6 // of any weight, either way
	MaxFeatures = 64
	// Clip is how far a number may be from its centre, in scales: beyond it one
	// wrong price would outweigh everything else.
	Clip = 3.0
)

// Weights of a linear score: Logit × match logit + Cosine × cosine +
// Σ Weight × value of each feature + Bias. Its JSON is a weights file.
type Weights struct {
	// Model is the fingerprint of the model that they were fitted for; logits of
	// another one are of another scale.
	Model    string    `json:"model"`
	Logit    float64   `json:"logit"`
	Cosine   float64   `json:"cosine"`
	Bias     float64   `json:"bias"` // changes no order; with it a fitted score is the log-odds of relevance
	Features []Feature `json:"features,omitempty"`
	Fitted   *Fitted   `json:"fitted,omitempty"` // nil where they were written by hand
}

// Fitted says what weights were fitted to.
type Fitted struct {
	Queries int     `json:"queries"`
	Pairs   int     `json:"pairs"` // of a query and a candidate that was read
	Depth   int     `json:"depth"` // of the second look
	L2      float64 `json:"l2"`    // strength of the penalty, on standardised inputs
}

// Feature is one field of an item as a number. Which of the three kinds it is
// follows from what is set. A missing field, and one of another type, is 0.
//
//   - Equals: 1 where the field is that text, else 0.
//   - Scale: a number, (value - Center) / Scale, clipped to -Clip to Clip. So a
//     missing one counts as Center.
//   - neither: 1 for true, else 0.
type Feature struct {
	Field  string  `json:"field"` // as in a filter's tree: "price", "brand", "attributes.new"
	Equals *string `json:"equals,omitempty"`
	Center float64 `json:"center,omitempty"` // in the field's unit
	Scale  float64 `json:"scale,omitempty"`  // in the field's unit, above 0
	Weight float64 `json:"weight"`
}

// BLIP are the weights of BLIP's own retrieval score, match logit + cosine.
func BLIP() Weights { return Weights{Logit: 1, Cosine: 1} }

// isBLIP says that the score is BLIP's sum.
func (w Weights) isBLIP() bool {
	return w.Logit == 1 && w.Cosine == 1 && w.Bias == 0 && len(w.Features) == 0
}

// Validate says what is wrong with the weights, naming the feature.
func (w Weights) Validate() error {
	for _, part := range [...]struct {
		name  string
		value float64
	}{{"logit", w.Logit}, {"cosine", w.Cosine}, {"bias", w.Bias}} {
		if err := checkWeight(part.value); err != nil {
			return fmt.Errorf("weights: %s: %w", part.name, err)
		}
	}
	if len(w.Features) > MaxFeatures {
		return fmt.Errorf("weights: %d features: use %d or fewer", len(w.Features), MaxFeatures)
	}
	for i, f := range w.Features {
		if err := f.validate(); err != nil {
			return fmt.Errorf("weights: feature %d (%s): %w", i+1, shorten(f.Field), err)
		}
	}
	return nil
}

func checkWeight(v float64) error {
	if !(math.Abs(v) <= MaxWeight) { // false for NaN
		return fmt.Errorf("%g: use a number of %g to %g", v, -MaxWeight, MaxWeight)
	}
	return nil
}

func (f Feature) validate() error {
	if err := checkWeight(f.Weight); err != nil {
		return fmt.Errorf("weight %w", err)
	}
	_, free := filter.Attribute(f.Field)
	kind := filter.FieldType(f.Field)
	switch {
	case f.Equals != nil && (f.Scale != 0 || f.Center != 0):
		return errors.New("give either equals or center and scale")
	case f.Equals != nil:
		return checkText(f.Field)
	case f.Scale == 0 && f.Center != 0:
		return errors.New("center without scale: a number needs both")
	case f.Scale == 0 && !free:
		return errors.New("give equals for a text, scale for a number; only an attribute (attributes.NAME) can be true or false")
	case f.Scale == 0:
		return nil
	case !(f.Scale > 0) || !finite(f.Scale) || !finite(f.Center):
		return fmt.Errorf("center %g, scale %g: use finite numbers, and a scale above 0, such as the standard deviation", f.Center, f.Scale)
	case !free && kind != filter.Number && kind != filter.Int:
		return errors.New("is not a number; with equals a text becomes one")
	}
	return nil
}

// checkText refuses a field that never holds a text.
func checkText(field string) error {
	switch _, free := filter.Attribute(field); {
	case free || filter.FieldType(field) == filter.String:
		return nil
	case filter.FieldType(field) != 0:
		return fmt.Errorf("%s is not a text: use a field such as brand, or an attribute", field)
	}
	return fmt.Errorf("%q is not a field; an attribute is written attributes.NAME", shorten(field))
}

func (f Feature) value(it Item) float64 {
	v, ok := it.Field(f.Field)
	switch {
	case !ok:
		return 0
	case f.Equals != nil:
		return one(v.Type == filter.String && v.Text == *f.Equals)
	case f.Scale == 0:
		return one(v.Type == filter.Bool && v.Bool)
	}
	number := v.Number
	switch v.Type {
	case filter.Number:
	case filter.Int:
		number = float64(v.Int)
	default:
		return 0
	}
	x := (number - f.Center) / f.Scale
	if math.IsNaN(x) { // ∞ - ∞: values beyond float64 on both sides
		return 0
	}
	return min(max(x, -Clip), Clip)
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// known is the score without the logit.
func (w Weights) known(c *Candidate) float64 {
	sum := w.Cosine*c.ITC + w.Bias
	if c.Item == nil {
		return sum
	}
	for _, f := range w.Features {
		sum += f.Weight * f.value(c.Item)
	}
	return sum
}

// score sets raw and Score of all: see the package comment for those not read.
func (w Weights) score(entries []entry) error {
	lowest, best := math.Inf(1), math.Inf(-1)
	for i := range entries {
		e := &entries[i]
		e.raw = w.known(&e.Candidate)
		if e.Logit == nil {
			best = max(best, e.raw)
		} else {
			e.raw += w.Logit * float64(*e.Logit)
			lowest = min(lowest, e.raw)
		}
		if !finite(e.raw) {
			return fmt.Errorf("candidate %q: its score is not a finite number: check the weights and its cosine", e.ID)
		}
		e.Score = e.raw
	}
	if math.IsInf(lowest, 1) {
		return nil // none was read
	}
	for i := range entries {
		if e := &entries[i]; e.Logit == nil {
			e.Score = lowest - (best - e.raw)
		}
	}
	return nil
}
