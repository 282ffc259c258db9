package decode

import (
	"cmp"
	"math"
	"slices"
)

// candidate is a continuation of a row.
type candidate struct {
	row   int
	id    int64
	score float32
}

// top keeps the n best candidates, best first; of equal ones, those that were seen
// first. n is small beside what is scanned: nearly all candidates fail one
// comparison with the worst that is kept.
type top struct {
	best []candidate
	n    int
}

func newTop(n int) *top { return &top{best: make([]candidate, 0, n+1), n: n} }

// scan looks at every token of a row, whose scores are added to base.
func (t *top) scan(x []float32, row int, base float32) {
	least := t.least()
	for i, v := range x {
		if s := v + base; s > least {
			t.insert(candidate{row, int64(i), s})
			least = t.least()
		}
	}
}

// least is what a candidate has to exceed.
func (t *top) least() float32 {
	if len(t.best) < t.n {
		return float32(math.Inf(-1))
	}
	return t.best[t.n-1].score
}

func (t *top) insert(c candidate) {
	at := len(t.best)
	for at > 0 && t.best[at-1].score < c.score {
		at--
	}
	t.best = slices.Insert(t.best, at, c)
	if len(t.best) > t.n {
		t.best = t.best[:t.n]
	}
}

// smallTop is up to where keeping a sorted list beats sorting.
const smallTop = 256

// mostProbable are the k highest scores, best first.
func mostProbable(x []float32, k int) []candidate {
	if k <= smallTop {
		t := newTop(k)
		t.scan(x, 0, 0)
		return t.best
	}
	all := make([]candidate, 0, len(x))
	for i, v := range x {
		if v > float32(math.Inf(-1)) {
			all = append(all, candidate{id: int64(i), score: v})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	return all[:min(k, len(all))]
}

// mostMass are the tokens above a score that is low enough for them to hold the
// mass, best first. A caption's nucleus is found among some tens of its 30,524
// tokens, and only those are sorted.
func mostMass(x []float32, peak float32, want float64) []weighted {
	for least := -6.0; ; least *= 2 {
		some, mass := above(x, peak, least)
		if mass >= want || len(some) == len(x) || least < -200 { // exp(-200) is 0 beside anything
			slices.SortStableFunc(some, func(a, b weighted) int { return cmp.Compare(b.weight, a.weight) })
			return some
		}
	}
}

// above are the tokens whose scores differ from the best one by least, which is
// negative, or less, by id.
func above(x []float32, peak float32, least float64) (some []weighted, mass float64) {
	for i, v := range x {
		if d := float64(v - peak); d >= least {
			if w := math.Exp(d); w > 0 {
				some, mass = append(some, weighted{int64(i), w}), mass+w
			}
		}
	}
	return some, mass
}

// nucleus is the shortest beginning of some that holds the mass.
func nucleus(some []weighted, want float64) (first []weighted, mass float64) {
	for i, w := range some {
		if mass += w.weight; mass >= want {
			return some[:i+1], mass
		}
	}
	return some, mass
}

// largest is the first token of the highest score.
func largest(x []float32) int64 {
	at := 0
	for i, v := range x {
		if v > x[at] {
			at = i
		}
	}
	return int64(at)
}

// sumExp is the sum of exp(x - peak), where peak is the largest x, to 1e-9 of
// itself: half the time of math.Exp, which is most of what choosing a token takes.
func sumExp(x []float32, peak float32) (sum float64) {
	const (
		shift  = 3 << 51 // added, it leaves the nearest whole number in the low bits
		lowest = -700    // below is 0 beside exp(0)
	)
	for _, v := range x {
		d := float64(v - peak)
		if !(d > lowest) {
			if d != d {
				return d
			}
			continue
		}
		t := d*math.Log2E + shift
		r := d - (t-shift)*math.Ln2
		p := 1 + r*(1+r*(1.0/2+r*(1.0/6+r*(1.0/24+r*(1.0/120+r*(1.0/720+r*(1.0/5040)))))))
		sum += math.Float64frombits(math.Float64bits(p) + math.Float64bits(t)<<52)
	}
	return sum
}
