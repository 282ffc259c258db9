package rerank

import (
	"cmp"
	"math"
	"slices"

	"sightline/encoder"
)

// Candidate is a hit of the first stage.
type Candidate struct {
	ID      string
	Picture string  // key of the stored picture: sha256, hex
	ITC     float64 // raw cosine of query and picture embedding, -1 to 1
}

// Scored is a candidate after the second look. Logit and Probability are nil
// where ITM did not run; Score is then the cosine alone and is not comparable
// with the score of a candidate that was read.
type Scored struct {
	Candidate
	Score       float64  // raw match logit + raw cosine
	Logit       *float32 // raw match logit, unbounded
	Margin      float64  // match logit - no-match logit; 0 where ITM did not run
	Probability *float64 // that it matches, 0 to 1: see Options.Probability
	Expected    *float64 // of one that ITM did not read: the match logit that its place was reckoned with; nil where there was none
	Rank        int      // place now, from 1
	ITCRank     int      // place in the first stage, from 1
}

// Outcome is the answer of Rerank.
type Outcome struct {
	Hits    []Scored // every candidate, best first
	Scored  int      // candidates that ITM read
	Of      int      // candidates it was to read: at most Options.Depth
	Missing int      // of these, pictures met without stored patch states
	Stopped string   // "" when all were read, else why not: Stopped… constants
	Err     error    // the first cause when Stopped is "failed"; for logs, not for users
	// Stage times. Loading runs beside matching, so they may add up to more
	// than Rerank took. Waiting is for the device, by all sub-batches together.
	FeaturesMS, MatchMS, WaitMS float64
}

// fuse returns BLIP's retrieval score, raw match logit + raw cosine; false
// when a logit or the sum is no finite number.
func fuse(l encoder.Logits, itc float64) (float64, bool) {
	score := float64(l.Match()) + itc
	return score, finite(float64(l[0])) && finite(score)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Order is how hits stand that were not all scored. When all were, every order
// but OrderMatches is BLIP's: by match logit + cosine, ties by id.
type Order int

const (
	// OrderExpected places a candidate that was not scored by the logit to be
	// expected of it, the mean of the last 16 scored before it in the first
	// stage (of the first 16 after it where there are none), + its own cosine. So a picture that was read and does not match
	// does not stand above one that would be read next. Figures are in
	// docs/rerank.md: better than OrderScored at every depth that cuts.
	OrderExpected Order = iota
	// OrderScored puts all scored ones above all others.
	OrderScored
	// OrderMatches is OrderScored with matches (probability of a half or more)
	// first and the other scored ones in first-stage order: right only where the
	// logits of non-matches are noise. On the shipped model they are not.
	OrderMatches
)

// window is how many scored neighbours an expectation is made of: one sub-batch.
const window = 16

// arrange sorts hits, which are in first-stage order, in place and sets their
// ranks. Those not scored keep their order among themselves. bound, where not
// nil, is the most that a logit can be.
func arrange(hits []Scored, o Order, bound *float64) {
	scored, others := make([]Scored, 0, len(hits)), make([]Scored, 0, len(hits))
	var logits []float64 // of scored
	before := make([]int, 0, len(hits))
	for _, h := range hits {
		if h.Logit != nil {
			scored, logits = append(scored, h), append(logits, float64(*h.Logit))
			continue
		}
		others, before = append(others, h), append(before, len(logits))
	}
	expected := make([]float64, len(others))
	if o == OrderExpected && len(logits) > 0 {
		reckon(others, logits, before, bound)
		for i, h := range others {
			expected[i] = *h.Expected + h.ITC
		}
	}
	slices.SortFunc(scored, func(a, b Scored) int { return compare(a, b, o) })
	for i := range hits {
		switch {
		case len(others) == 0, len(scored) > 0 && (o != OrderExpected || !(expected[0] > scored[0].Score)):
			hits[i], scored = scored[0], scored[1:]
		default:
			hits[i], others, expected = others[0], others[1:], expected[1:]
		}
		hits[i].Rank = i + 1
	}
}

// reckon sets what is expected of hits that were not scored, each with so many
// logits before it.
func reckon(others []Scored, logits []float64, before []int, bound *float64) {
	expected := make([]float64, len(others))
	for i := range others {
		expected[i] = expect(logits, before[i], bound)
		others[i].Expected = &expected[i]
	}
}

// expect is the mean of the last of so many logits before, or else of the first
// after them, of which there is one at least.
func expect(logits []float64, before int, bound *float64) float64 {
	near := logits[max(0, before-window):before]
	if before == 0 {
		near = logits[:min(window, len(logits))]
	}
	sum := 0.0
	for _, l := range near {
		sum += l
	}
	mean := sum / float64(len(near))
	if bound != nil {
		mean = min(mean, *bound)
	}
	return mean
}

// compare orders scored hits.
func compare(a, b Scored, o Order) int {
	if o == OrderMatches && (!a.isMatch() || !b.isMatch()) {
		switch {
		case a.isMatch():
			return -1
		case b.isMatch():
			return 1
		}
		return cmp.Compare(a.ITCRank, b.ITCRank)
	}
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID), cmp.Compare(a.ITCRank, b.ITCRank))
}

// isMatch says that it was read and is more likely a match than not.
func (h Scored) isMatch() bool { return h.Probability != nil && *h.Probability >= 0.5 }
