package eval

import (
	"fmt"
	"io"
	"math"
)

// bins is how finely probabilities are grouped; ten is the custom (Guo et al.
// 2017, "On Calibration of Modern Neural Networks").
const bins = 10

// Reliability says whether match probabilities mean what they say, over all
// candidates that the second look read at the largest depth.
type Reliability struct {
	Pairs    int     `json:"pairs"`
	Relevant int     `json:"relevant"`
	Brier    float64 `json:"brier"` // mean squared distance of probability and truth; 0 is perfect
	ECE      float64 `json:"ece"`   // expected calibration error: mean distance of promise and outcome
	Bins     []Bin   `json:"bins"`  // that are not empty
}

// Bin are the candidates whose probability lies in [Low, High).
type Bin struct {
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	Pairs   int     `json:"pairs"`
	Promise float64 `json:"promise"` // mean probability
	Outcome float64 `json:"outcome"` // share that was relevant
}

func reliability(pairs []Pair) *Reliability {
	if len(pairs) == 0 {
		return nil
	}
	r := &Reliability{Pairs: len(pairs)}
	var all [bins]Bin
	for _, p := range pairs {
		b := &all[min(int(p.Probability*bins), bins-1)]
		is := 0.0
		if p.Relevant {
			is = 1
			r.Relevant++
		}
		b.Pairs++
		b.Promise += p.Probability
		b.Outcome += is
		r.Brier += (p.Probability - is) * (p.Probability - is) / float64(len(pairs))
	}
	for i, b := range all {
		if b.Pairs == 0 {
			continue
		}
		n := float64(b.Pairs)
		b.Low, b.High, b.Promise, b.Outcome = float64(i)/bins, float64(i+1)/bins, b.Promise/n, b.Outcome/n
		r.ECE += math.Abs(b.Promise-b.Outcome) * n / float64(len(pairs))
		r.Bins = append(r.Bins, b)
	}
	return r
}

func (r *Reliability) print(w io.Writer) {
	if r == nil {
		return
	}
	fmt.Fprintf(w, "\nmatch probability of %d candidates, %d of them relevant: Brier %.4f, calibration error %.4f\n", r.Pairs, r.Relevant, r.Brier, r.ECE)
	fmt.Fprintln(w, "promised\tcandidates\tmean\trelevant\t")
	for _, b := range r.Bins {
		fmt.Fprintf(w, "%.1f-%.1f\t%d\t%.3f\t%.3f\t\n", b.Low, b.High, b.Pairs, b.Promise, b.Outcome)
	}
}
