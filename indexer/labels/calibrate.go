package labels

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"sightline/store"
)

// Fitting says how thresholds are chosen.
type Fitting struct {
	Precision float64 // that is aimed at; 0 for the best F1
	HoldOut   float64 // share of the pictures that only measure
}

// Check reports every value that is out of its range.
func (f Fitting) Check() error {
	switch {
	case !(f.Precision >= 0 && f.Precision <= 1):
		return fmt.Errorf("--precision %g: use more than 0 and at most 1, or 0 for the best F1", f.Precision)
	case !(f.HoldOut > 0 && f.HoldOut < 1):
		return fmt.Errorf("--hold-out %g: use more than 0 and less than 1", f.HoldOut)
	}
	return nil
}

// Calibrated is what was found for one label.
type Calibrated struct {
	Label Label `json:"label"` // with the threshold and its model, where Problem is ""
	// Problem says why there is no threshold.
	Problem string  `json:"problem,omitempty"`
	Fitted  Quality `json:"fitted"` // of the pictures that chose the threshold
	Held    Quality `json:"held"`   // of others, which is what to believe
	Zero    Quality `json:"zero"`   // of the same others at a margin of 0
}

// Calibration is what Calibrate found.
type Calibration struct {
	Model   string       `json:"model"`
	Fitted  int          `json:"fitted"`  // pictures
	Held    int          `json:"held"`    // pictures
	Unknown []string     `json:"unknown"` // ids that could not be scored, the first of them
	Missing int          `json:"missing"` // how many
	Labels  []Calibrated `json:"labels"`
}

// least is how many pictures that a label is true of, and that it is not, choose a
// threshold. With ten, a precision of 0.9 may be one of 0.6 as well.
const least = 10

// observation is one picture of the truth with its scores.
type observation struct {
	truth  Truth
	scores []float64
	held   bool
}

// Calibrate fits a threshold of each label of the Scorer's set to pictures that people
// have judged, and measures it on others of them. Variants of a product are on one side.
func Calibrate(ctx context.Context, p Parts, truth []Truth, f Fitting, tell func(Progress)) (Calibration, error) {
	c := Calibration{Model: p.Scorer.matcher.Fingerprint(), Unknown: []string{}}
	var seen []observation
	for some := range slices.Chunk(truth, 100) {
		got, err := p.observe(ctx, some, f)
		if err != nil {
			return c, err
		}
		for _, t := range some {
			o, ok := got[t.ID]
			if !ok {
				c.miss(t.ID)
				continue
			}
			seen = append(seen, o)
			c.Held += one(o.held)
			c.Fitted += one(!o.held)
		}
		tell(Progress{Done: len(seen) + c.Missing, Of: len(truth), New: len(seen)})
	}
	for i := range p.Scorer.Set {
		c.Labels = append(c.Labels, p.Scorer.fit(seen, i, f))
	}
	return c, nil
}

func (c *Calibration) miss(id string) {
	c.Missing++
	if len(c.Unknown) < maxProblems {
		c.Unknown = append(c.Unknown, id)
	}
}

func (p Parts) observe(ctx context.Context, some []Truth, f Fitting) (map[string]observation, error) {
	ids, by := make([]string, len(some)), make(map[string]Truth, len(some))
	for i, t := range some {
		ids[i], by[t.ID] = t.ID, t
	}
	entries, err := p.Index.Get(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read items: %w", err)
	}
	out := make(map[string]observation, len(entries))
	for _, e := range entries {
		states, reason, err := p.states(ctx, e)
		if err != nil {
			return nil, fmt.Errorf("item %q: %w", e.Item.ID, err)
		}
		if reason != "" {
			continue
		}
		margins, err := p.Scorer.Margins(ctx, states)
		if err != nil {
			return nil, fmt.Errorf("item %q: %w", e.Item.ID, err)
		}
		out[e.Item.ID] = observation{by[e.Item.ID], p.Scorer.Set.Scores(margins), HeldOut(e.Item, f.HoldOut)}
	}
	return out, nil
}

// HeldOut deals items to the side that measures, by chance that is the same each
// time. Variants of one product stay together.
func HeldOut(it store.Item, share float64) bool {
	key := "group " + it.GroupID
	if it.GroupID == "" {
		key = "item " + it.ID
	}
	sum := sha256.Sum256([]byte(key))
	return float64(binary.LittleEndian.Uint64(sum[:])>>11)/(1<<53) < share
}

// fit finds the threshold of one label.
func (s *Scorer) fit(seen []observation, i int, f Fitting) Calibrated {
	out := Calibrated{Label: s.Set[i]}
	var fitted, held []Point
	positive := 0
	for _, o := range seen {
		if !o.truth.judges(out.Label.Name) {
			continue
		}
		p := Point{o.scores[i], slices.Contains(o.truth.Labels, out.Label.Name)}
		if o.held {
			held = append(held, p)
			continue
		}
		fitted = append(fitted, p)
		positive += one(p.True)
	}
	out.Zero = Rate(held, 0)
	if negative := len(fitted) - positive; positive < least || negative < least {
		out.Problem = fmt.Sprintf("true of %d and false of %d pictures that choose the threshold; it takes %d of each", positive, negative, least)
		return out
	}
	threshold, ok := Fit(fitted, f.Precision)
	if !ok {
		out.Problem = fmt.Sprintf("no threshold has a precision of %g", f.Precision)
		return out
	}
	out.Label.Threshold, out.Label.Model = threshold, s.matcher.Fingerprint()
	out.Fitted, out.Held = Rate(fitted, threshold), Rate(held, threshold)
	return out
}
