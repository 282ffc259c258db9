// Package eval measures ranking quality: what the second look gains at which
// depth, and what it costs.
package eval

import "math"

// Cutoff is how far down a ranking is looked at; average precision counts
// nothing below it.
const Cutoff = 100

// Quality are a ranking's figures, averaged over queries, all in [0,1].
type Quality struct {
	R1   float64 `json:"r1"`      // the first hit is relevant
	R5   float64 `json:"r5"`      // share of the relevant in the first 5, of what could be there
	R10  float64 `json:"r10"`     // the same in the first 10
	MRR  float64 `json:"mrr"`     // 1 / place of the first relevant hit
	NDCG float64 `json:"ndcg10"`  // gain 1 a relevant hit, discount log2(place+1), over the best possible
	MAP  float64 `json:"map_100"` // average precision within the first 100
}

// measure rates one ranking. Relevant is never empty: the reader of queries
// sees to it.
func measure(ranking []string, relevant map[string]bool) Quality {
	var q Quality
	var found int
	var dcg, precision float64
	for i, id := range ranking[:min(len(ranking), Cutoff)] {
		if !relevant[id] {
			continue
		}
		found++
		place := i + 1
		if found == 1 {
			q.MRR = 1 / float64(place)
		}
		switch {
		case place == 1:
			q.R1 = 1
			fallthrough
		case place <= 5:
			q.R5++
			fallthrough
		case place <= 10:
			q.R10++
			dcg += 1 / math.Log2(float64(place+1))
		}
		precision += float64(found) / float64(place)
	}
	n := len(relevant)
	q.R5 /= float64(min(n, 5))
	q.R10 /= float64(min(n, 10))
	q.NDCG = dcg / idealDCG(min(n, 10))
	q.MAP = precision / float64(min(n, Cutoff))
	return q
}

func idealDCG(n int) float64 {
	var sum float64
	for place := 1; place <= n; place++ {
		sum += 1 / math.Log2(float64(place+1))
	}
	return sum
}

// mean adds up and divides; the zero Quality for none.
func mean(all []Quality) Quality {
	var m Quality
	for _, q := range all {
		m.R1 += q.R1
		m.R5 += q.R5
		m.R10 += q.R10
		m.MRR += q.MRR
		m.NDCG += q.NDCG
		m.MAP += q.MAP
	}
	n := float64(max(len(all), 1))
	return Quality{m.R1 / n, m.R5 / n, m.R10 / n, m.MRR / n, m.NDCG / n, m.MAP / n}
}
