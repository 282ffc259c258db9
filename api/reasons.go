package api

import (
	"math"
	"slices"

	"sightline/rerank/blend"
)

// Reasons say how the score and the place of a hit came about. Hit.Moved has what
// changed places without a score: buries, groups, diversity, pins.
type Reasons struct {
	// Terms are what the score is the sum of, up to rounding.
	Terms []Term `json:"terms"`
	// LookRank is the place after the second look, before weights, rules, groups
	// and diversity; Hit.ITCRank is the one before it, Hit.Rank the last.
	LookRank int `json:"look_rank"`
	// Margin is the match logit less the no-match logit, of which the match
	// probability is made; nil where the second look did not reach. Calibrated
	// says that it was calibrated on labelled pairs: else it is their softmax.
	Margin     *float64 `json:"margin"`
	Calibrated bool     `json:"calibrated"`
	// ExpectedLogit is what a hit that was not read was placed by, with its cosine,
	// among those that were; nil for others, and where none was read.
	ExpectedLogit *float64 `json:"expected_logit"`
}

// Term adds Value × Weight to a score.
type Term struct {
	Kind   string  `json:"kind"`           // itc, itm_logit, title_logit, negative_logit, bias, feature, boost, unread
	Name   string  `json:"name,omitempty"` // of a feature's field or a boost
	Value  float64 `json:"value"`
	Weight float64 `json:"weight"`
	Adds   float64 `json:"adds"`
}

// termUnread makes the score of a hit that was not read comparable with those of
// hits that were: see package blend.
const termUnread = "unread"

// numberLooks notes the places that hits have after the second look.
func numberLooks(ranked, tail []Hit) {
	for i := range ranked {
		ranked[i].lookRank = i + 1
	}
	for i := range tail {
		tail[i].lookRank = len(ranked) + i + 1
	}
}

// giveReasons is for the page's hits only. It asks nothing of model or index:
// some microseconds a hit.
func (e *Engine) giveReasons(o ordering, req SearchRequest, res *SearchResponse) {
	if slices.Contains(res.Blend.Failed, failedOrder) || !o.rescored() {
		o = ordering{}
	}
	res.Hits = slices.Clone(res.Hits) // the facets' candidates are the same memory
	for i := range res.Hits {
		h := &res.Hits[i]
		h.Explain = &Reasons{
			Terms: o.terms(h, req, res.Rerank), LookRank: h.lookRank, Calibrated: e.Calibrated && req.hasText(),
			ExpectedLogit: h.expected,
		}
		if h.ITMLogit != nil {
			h.Explain.Margin = &h.Margin
		}
	}
}

// terms are those of one hit's score. Of a tail beyond the window the score is
// the cosine alone.
func (o ordering) terms(h *Hit, req SearchRequest, look Look) []Term {
	w := blend.BLIP()
	if o.Weights != nil {
		w = *o.Weights
	}
	terms := []Term{newTerm("itc", h.ITC, w.Cosine)}
	if h.ITMLogit != nil {
		share := req.shares(h, look)
		terms = append(terms, newTerm("itm_logit", float64(*h.ITMLogit), w.Logit*share.itm))
		if h.TitleLogit != nil {
			terms = append(terms, newTerm("title_logit", float64(*h.TitleLogit), w.Logit*share.title))
		}
		if h.NegativeLogit != nil {
			terms = append(terms, newTerm("negative_logit", float64(*h.NegativeLogit), w.Logit*share.negative))
		}
	}
	for _, t := range o.Terms(&h.Item) {
		terms = append(terms, Term{Kind: t.Kind, Name: t.Name, Value: t.Value, Weight: t.Weight, Adds: t.Value * t.Weight})
	}
	if left := h.Score - total(terms); h.ITMLogit == nil && math.Abs(left) > 1e-9 {
		terms = append(terms, newTerm(termUnread, left, 1))
	}
	return terms
}

func newTerm(kind string, value, weight float64) Term {
	return Term{Kind: kind, Value: value, Weight: weight, Adds: value * weight}
}

func total(terms []Term) float64 {
	sum := 0.0
	for _, t := range terms {
		sum += t.Adds
	}
	return sum
}
