package labels

import (
	"cmp"
	"math"
	"slices"
)

// Point is one picture's score for one label, and whether the label is true of it.
type Point struct {
	Score float64 // minus infinity where another label of the group was better
	True  bool
}

// Fit finds the threshold that finds most at a precision, 0 to 1, over the points:
// the lowest one at which that share of what is given is right. For precision 0 it is
// the one of the best F1. Thresholds lie halfway between two scores, and the points'
// own precision is a little better than that of others. ok is false where no
// threshold reaches the precision, or nothing is true.
func Fit(points []Point, precision float64) (threshold float64, ok bool) {
	sorted := slices.Clone(points)
	slices.SortFunc(sorted, func(a, b Point) int { return cmp.Compare(b.Score, a.Score) })
	all := 0
	for _, p := range sorted {
		all += one(p.True)
	}
	best, right := -1.0, 0
	for i, p := range sorted {
		if math.IsInf(p.Score, -1) {
			break
		}
		right += one(p.True)
		if i+1 < len(sorted) && sorted[i+1].Score == p.Score || right == 0 {
			continue // a threshold takes equal scores together
		}
		value := float64(right)
		if precision == 0 {
			value = 2 * float64(right) / float64(i+1+all)
		} else if float64(right) < precision*float64(i+1) {
			continue
		}
		if value > best { // of equal ones the higher threshold, which gives less
			best, threshold = value, between(sorted, i)
		}
	}
	return threshold, best >= 0
}

// between is a threshold that takes sorted[i] and not what comes after it.
func between(sorted []Point, i int) float64 {
	at := sorted[i].Score
	if i+1 == len(sorted) || math.IsInf(sorted[i+1].Score, -1) {
		return at
	}
	if half := at/2 + sorted[i+1].Score/2; half > sorted[i+1].Score {
		return min(half, at)
	}
	return at // the two are neighbours among float64
}

// Quality is what a threshold does to some pictures.
type Quality struct {
	Pictures int `json:"pictures"` // that were judged
	True     int `json:"true"`     // that the label is true of
	Given    int `json:"given"`    // that got it
	Right    int `json:"right"`    // of those, those it is true of

	Precision Share `json:"precision"` // Right of Given
	Recall    Share `json:"recall"`    // Right of True
}

// Share is a share with its 95 % confidence interval (Wilson 1927). Of nothing it is
// null in JSON, and the interval is 0 to 1.
type Share struct {
	Value *float64 `json:"value"`
	Low   float64  `json:"low"`
	High  float64  `json:"high"`
}

// Rate counts.
func Rate(points []Point, threshold float64) Quality {
	q := Quality{Pictures: len(points)}
	for _, p := range points {
		given := p.Score >= threshold
		q.True += one(p.True)
		q.Given += one(given)
		q.Right += one(given && p.True)
	}
	q.Precision, q.Recall = ShareOf(q.Right, q.Given), ShareOf(q.Right, q.True)
	return q
}

// ShareOf is k of n.
func ShareOf(k, n int) Share {
	if n == 0 {
		return Share{Low: 0, High: 1}
	}
	const z = 1.959963984540054
	p, m := float64(k)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return Share{Value: &p, Low: max(0, middle-half), High: min(1, middle+half)}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
