package blend

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"sightline/store/filter"
)

// Item tells the fields of a candidate's item, under the names of a filter's
// tree, and false for one that is missing; *store.Item is one.
type Item interface {
	Field(name string) (filter.Value, bool)
}

// Candidate is a hit after the second look. The first fields are the caller's;
// Order reads them and sets the others in its answer.
type Candidate struct {
	ID        string
	ITC       float64   // raw cosine of query and picture, -1 to 1
	Logit     *float32  // raw match logit; nil where ITM did not run
	Item      Item      // nil for one without fields
	Embedding []float32 // of the picture, unit length; for Options.Diversity only

	Score  float64 // by weights and boosts; what it is made of: see the package comment
	Before int     // place by BLIP's sum alone, from 1, among all candidates
	After  int     // place in the answer, from 1
	Folded int     // candidates of its group that were left out in its favour
	// Moved says what acted on this very candidate, in the order of the steps,
	// such as `boost: brand = "acme" +0.5` or "pin 1". One that only made way
	// for others has none. Places in it count all that stood at that step.
	Moved []string
}

// Options of Order. The zero value is BLIP's order.
type Options struct {
	Weights   *Weights // nil: BLIP's sum
	Rules     Rules
	GroupBy   string     // field of a filter's tree, such as "group_id" or "attributes.line"; "" for no groups
	Diversity *Diversity // nil for none
}

// Validate says what is wrong with the options, naming the rule. Order does so
// too; it is for those that read options long before they use them.
func (o Options) Validate() error {
	if o.Weights != nil {
		if err := o.Weights.Validate(); err != nil {
			return err
		}
	}
	if err := o.Rules.Validate(); err != nil {
		return err
	}
	if o.GroupBy != "" {
		if err := checkText(o.GroupBy); err != nil {
			return fmt.Errorf("group by: %w", err)
		}
	}
	return o.Diversity.validate()
}

// entry is a candidate on its way through the steps.
type entry struct {
	Candidate
	raw    float64 // Score without boosts; of one not read, before it was made comparable
	boost  float64
	buried bool
}

// tier is 0, 1 or 2: see the package comment.
func (e *entry) tier() int {
	switch {
	case e.buried:
		return 2
	case e.Logit == nil && e.boost <= 0:
		return 1
	}
	return 0
}

// Order returns the candidates in the order of the options, as copies that
// share Logit, Item and Embedding with cands, which stays as it is. Without
// GroupBy every candidate is in the answer. It takes O(n log n) for n
// candidates, n for each rule, and the places × n cosines of Diversity; the
// caller bounds n. Errors: options that Validate refuses, two candidates of one
// id, numbers that are not finite, embeddings of different lengths.
func Order(cands []Candidate, o Options) ([]Candidate, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	entries, order, err := enter(cands)
	if err != nil {
		return nil, err
	}
	if err := weigh(entries, order, o.Weights); err != nil {
		return nil, err
	}
	if o.Rules.apply(entries) {
		slices.SortFunc(order, compare)
	}
	rest, pinned := o.Rules.takePinned(order)
	if o.GroupBy != "" {
		rest = fold(rest, pinned, o.GroupBy)
	}
	if rest, err = o.Diversity.choose(rest, pinned); err != nil {
		return nil, err
	}
	return answer(settle(rest, pinned)), nil
}

// enter copies the candidates and checks what all later steps take for granted.
func enter(cands []Candidate) ([]entry, []*entry, error) {
	entries, order := make([]entry, len(cands)), make([]*entry, len(cands))
	seen := make(map[string]struct{}, len(cands))
	for i, c := range cands {
		if _, twice := seen[c.ID]; twice {
			return nil, nil, fmt.Errorf("candidate %q comes twice: give each item once", c.ID)
		}
		seen[c.ID] = struct{}{}
		if !finite(c.ITC) || c.Logit != nil && !finite(float64(*c.Logit)) {
			return nil, nil, fmt.Errorf("candidate %q: cosine or match logit is not a finite number: leave it out, or its logit", c.ID)
		}
		c.Score, c.Before, c.After, c.Folded, c.Moved = 0, 0, 0, 0, nil
		entries[i].Candidate = c
		order[i] = &entries[i]
	}
	return entries, order, nil
}

// weigh scores and sorts, first by BLIP's sum to number the places before.
func weigh(entries []entry, order []*entry, w *Weights) error {
	sum := BLIP()
	if err := sum.score(entries); err != nil {
		return err
	}
	slices.SortFunc(order, compare)
	for i, e := range order {
		e.Before = i + 1
	}
	if w == nil || w.isBLIP() {
		return nil
	}
	if err := w.score(entries); err != nil {
		return err
	}
	slices.SortFunc(order, compare)
	for i, e := range order {
		if e.Before != i+1 {
			e.went("weights", e.Before, i+1)
		}
	}
	return nil
}

// compare is the standing of two candidates: see the package comment. Of those
// not read, raw decides where rounding has made scores equal.
func compare(a, b *entry) int {
	order := cmp.Or(cmp.Compare(a.tier(), b.tier()), cmp.Compare(b.Score, a.Score))
	switch {
	case order != 0:
		return order
	case a.Logit != nil && b.Logit == nil:
		return -1
	case a.Logit == nil && b.Logit != nil:
		return 1
	case a.Logit == nil && a.raw != b.raw:
		return cmp.Compare(b.raw, a.raw)
	}
	return cmp.Compare(a.ID, b.ID)
}

// went notes that a step moved it from one place to another. One allocation for
// the text: weights may move every candidate.
func (e *entry) went(step string, from, to int) {
	var space [40]byte
	text := append(append(space[:0], step...), ": "...)
	text = append(strconv.AppendInt(text, int64(from), 10), " to "...)
	e.Moved = append(e.Moved, string(strconv.AppendInt(text, int64(to), 10)))
}

func answer(order []*entry) []Candidate {
	out := make([]Candidate, len(order))
	for i, e := range order {
		out[i] = e.Candidate
		out[i].After = i + 1
	}
	return out
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
