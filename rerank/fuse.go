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
	// than Rerank took.
	FeaturesMS, MatchMS float64
}

// fuse returns BLIP's retrieval score, raw match logit + raw cosine; false
// when a logit or the sum is no finite number.
func fuse(l encoder.Logits, itc float64) (float64, bool) {
	score := float64(l.Match()) + itc
	return score, finite(float64(l[0])) && finite(score)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// order sorts hits in place and sets their ranks: scored ones first, by score,
// ties by id; then the others as the first stage had them.
func order(hits []Scored) {
	slices.SortFunc(hits, compare)
	for i := range hits {
		hits[i].Rank = i + 1
	}
}

func compare(a, b Scored) int {
	switch {
	case a.Logit != nil && b.Logit == nil:
		return -1
	case a.Logit == nil && b.Logit != nil:
		return 1
	case a.Logit != nil:
		if c := cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID)); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.ITCRank, b.ITCRank)
}
