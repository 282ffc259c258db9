package blend

import "sightline/store/filter"

// Term is one part of a score, Weight × Value.
type Term struct {
	Kind   string // "bias", "feature" or "boost"
	Name   string // field of a feature, name or filter of a boost
	Value  float64
	Weight float64
}

// Terms returns what Order adds to an item's score beside the cosine and the
// match logit, in the order in which it adds it. It takes as long as the rules
// and features are many.
func (o Options) Terms(it Item) []Term {
	var terms []Term
	if w := o.Weights; w != nil {
		if w.Bias != 0 {
			terms = append(terms, Term{Kind: "bias", Value: 1, Weight: w.Bias})
		}
		for _, f := range w.Features {
			terms = append(terms, Term{Kind: "feature", Name: f.Field, Value: f.value(it), Weight: f.Weight})
		}
	}
	for _, b := range o.Rules.Boosts {
		if filter.Match(b.Filter, it.Field) {
			terms = append(terms, Term{Kind: "boost", Name: label(b.Name, b.Filter), Value: 1, Weight: b.By})
		}
	}
	return terms
}
