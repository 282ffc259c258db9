package blend

import (
	"fmt"
	"math"
)

// Diversity is maximal marginal relevance (Carbonell and Goldstein 1998): each
// place goes to the candidate with the highest Lambda × relevance -
// (1 - Lambda) × likeness. Relevance is the score, scaled to 0 to 1 among the
// candidates of the first tier that has any not pinned; likeness the largest cosine with a candidate
// that already has a place, a pinned one within Places too, and at least 0. At
// equal values the better standing is first.
type Diversity struct {
	Lambda float64 // 0 to 1; 1 changes nothing, 0 heeds relevance at the first place only
	// Places is how many are chosen, the offset and limit of a page together,
	// 1 to MaxPlace. All other candidates follow in their standing.
	Places int
}

func (d *Diversity) validate() error {
	switch {
	case d == nil:
		return nil
	case !(d.Lambda >= 0 && d.Lambda <= 1):
		return fmt.Errorf("diversity: lambda %g: use 0 to 1; 1 is no diversity", d.Lambda)
	case d.Places < 1 || d.Places > MaxPlace:
		return fmt.Errorf("diversity: %d places: use 1 to %d, the end of the page", d.Places, MaxPlace)
	}
	return nil
}

// choose reorders the first tier of the order. Later tiers stay: who was not
// read is not put above one who was, and a buried one not above any.
func (d *Diversity) choose(order []*entry, pins []pinned) ([]*entry, error) {
	if d == nil || d.Lambda == 1 || len(order) == 0 || order[0].buried {
		return order, nil
	}
	end := 1
	for end < len(order) && order[end].tier() == order[0].tier() {
		end++
	}
	p := newPool(order[:end])
	for _, pin := range pins {
		if pin.place > d.Places {
			break
		}
		if err := p.liken(pin.entry); err != nil {
			return nil, err
		}
	}
	chosen := make([]*entry, 0, len(order))
	for range min(d.Places, end) {
		i := p.best(d.Lambda)
		p.taken[i] = true
		chosen = append(chosen, p.of[i])
		if err := p.liken(p.of[i]); err != nil {
			return nil, err
		}
	}
	for i, e := range p.of {
		if !p.taken[i] {
			chosen = append(chosen, e)
		}
	}
	explain(chosen, p.of)
	return append(chosen, order[end:]...), nil
}

// explain notes who changed places. It compares with the standing before.
func explain(now, before []*entry) {
	at := make(map[*entry]int, len(before))
	for i, e := range before {
		at[e] = i
	}
	for i, e := range now {
		if i != at[e] {
			e.went("diversity", at[e]+1, i+1)
		}
	}
}

// pool is what places are chosen from, in its standing.
type pool struct {
	of        []*entry
	relevance []float64 // 0 to 1
	likeness  []float64 // with those chosen so far
	taken     []bool
}

func newPool(of []*entry) *pool {
	p := &pool{of, make([]float64, len(of)), make([]float64, len(of)), make([]bool, len(of))}
	low, high := math.Inf(1), math.Inf(-1)
	for _, e := range of {
		low, high = min(low, e.Score), max(high, e.Score)
	}
	for i, e := range of {
		p.relevance[i] = 1
		if high > low {
			p.relevance[i] = (e.Score - low) / (high - low)
		}
	}
	return p
}

// best is the first of the highest value among those not taken.
func (p *pool) best(lambda float64) int {
	best, most := -1, 0.0
	for i := range p.of {
		if p.taken[i] {
			continue
		}
		if v := lambda*p.relevance[i] - (1-lambda)*p.likeness[i]; best < 0 || v > most {
			best, most = i, v
		}
	}
	return best
}

// liken compares one that has a place with all that have none. A candidate
// without an embedding is like no other.
func (p *pool) liken(chosen *entry) error {
	for i, e := range p.of {
		if p.taken[i] || len(e.Embedding) == 0 || len(chosen.Embedding) == 0 {
			continue
		}
		if len(e.Embedding) != len(chosen.Embedding) {
			return fmt.Errorf("diversity: embeddings of %q and %q have %d and %d numbers: are they of one model?", e.ID, chosen.ID, len(e.Embedding), len(chosen.Embedding))
		}
		like := float64(dot(e.Embedding, chosen.Embedding))
		if !finite(like) {
			return fmt.Errorf("diversity: the embedding of %q or %q has numbers that are not finite", e.ID, chosen.ID)
		}
		p.likeness[i] = max(p.likeness[i], like)
	}
	return nil
}

func dot(a, b []float32) (sum float32) {
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}
