package blend

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"sightline/store/filter"
)

// Limits of Rules.
const (
	MaxRules = 32   // boosts, and as many buries
	MaxBoost = 20.0 // of one boost, either way; the match logits of BLIP lie some 10 apart
	MaxPins  = 100
	MaxPlace = 1000 // of a pin
)

// Rules are what a shop wants of an order, whatever the model says. Their JSON
// is {"boosts": [{"name", "filter", "by"}], "buries": [{"name", "filter"}],
// "pins": [{"id", "place"}]}, a filter being one of either written form.
type Rules struct {
	Boosts []Boost `json:"boosts,omitempty"`
	Buries []Bury  `json:"buries,omitempty"`
	Pins   []Pin   `json:"pins,omitempty"`
}

// Boost adds By to the score of every item that Filter matches.
type Boost struct {
	Name   string      `json:"name,omitempty"` // for explanations; the filter's text where empty
	Filter filter.Expr `json:"filter"`
	By     float64     `json:"by"` // -MaxBoost to MaxBoost, in units of the score
}

// Bury sends every item that Filter matches below all others. Among themselves
// they keep their order.
type Bury struct {
	Name   string      `json:"name,omitempty"`
	Filter filter.Expr `json:"filter"`
}

// Pin puts one item at a place, from 1. An item that is no candidate is passed
// over: a pin does not find items. A place beyond the end means the last one
// that no other pin names.
type Pin struct {
	ID    string `json:"id"`
	Place int    `json:"place"`
}

// ReadRules reads the JSON of Rules and validates them. Unknown members are errors.
func ReadRules(r io.Reader) (Rules, error) {
	var rules Rules
	data, err := readAll(r)
	if err == nil {
		err = strict(data, &rules)
	}
	if err != nil {
		return Rules{}, fmt.Errorf("rules: %w", err)
	}
	if err := rules.Validate(); err != nil {
		return Rules{}, err
	}
	return rules, nil
}

// Validate names the first rule that cannot be used, by its number and name.
func (r Rules) Validate() error {
	if len(r.Boosts) > MaxRules || len(r.Buries) > MaxRules || len(r.Pins) > MaxPins {
		return fmt.Errorf("rules: %d boosts, %d buries, %d pins: use at most %d, %d and %d", len(r.Boosts), len(r.Buries), len(r.Pins), MaxRules, MaxRules, MaxPins)
	}
	for i, b := range r.Boosts {
		switch {
		case b.Filter == nil:
			return fmt.Errorf("boost %d (%s): no filter: say which items it is for", i+1, shorten(b.Name))
		case !(math.Abs(b.By) <= MaxBoost):
			return fmt.Errorf("boost %d (%s): by %g: use a number of %g to %g, or a bury or pin", i+1, label(b.Name, b.Filter), b.By, -MaxBoost, MaxBoost)
		}
	}
	for i, b := range r.Buries {
		if b.Filter == nil {
			return fmt.Errorf("bury %d (%s): no filter: say which items it is for", i+1, shorten(b.Name))
		}
	}
	return r.validatePins()
}

func (r Rules) validatePins() error {
	ids, places := make(map[string]int, len(r.Pins)), make(map[int]int, len(r.Pins))
	for i, p := range r.Pins {
		var err error
		switch {
		case p.ID == "":
			err = errors.New("no id: name an item")
		case p.Place < 1 || p.Place > MaxPlace:
			err = fmt.Errorf("place %d: use 1 to %d", p.Place, MaxPlace)
		case ids[p.ID] > 0:
			err = fmt.Errorf("pin %d is of the same item: leave one out", ids[p.ID])
		case places[p.Place] > 0:
			err = fmt.Errorf("pin %d has place %d too: give it another", places[p.Place], p.Place)
		}
		if err != nil {
			return fmt.Errorf("pin %d (%s): %w", i+1, shorten(p.ID), err)
		}
		ids[p.ID], places[p.Place] = i+1, i+1
	}
	return nil
}

// apply runs boosts and buries and says whether any of them matched.
func (r Rules) apply(entries []entry) bool {
	if len(r.Boosts)+len(r.Buries) == 0 {
		return false
	}
	matched := false
	for i := range entries {
		e := &entries[i]
		if e.Item == nil {
			continue
		}
		get := e.Item.Field
		for _, b := range r.Boosts {
			if filter.Match(b.Filter, get) {
				matched = true
				e.boost += b.By
				e.Moved = append(e.Moved, "boost: "+label(b.Name, b.Filter)+" "+signed(b.By))
			}
		}
		e.Score += e.boost
		for _, b := range r.Buries {
			if filter.Match(b.Filter, get) {
				matched, e.buried = true, true
				e.Moved = append(e.Moved, "bury: "+label(b.Name, b.Filter))
			}
		}
	}
	return matched
}

// signed writes +0.5 for 0.5.
func signed(v float64) string {
	text := strconv.FormatFloat(v, 'g', -1, 64)
	if v >= 0 {
		return "+" + text
	}
	return text
}

func label(name string, e filter.Expr) string { return shorten(cmp.Or(name, filter.Format(e))) }

// shorten bounds what errors and explanations repeat of a user's text: 80 bytes
// are a fingerprint, and most filters.
func shorten(text string) string { return filter.Shorten(text, 80) }

// pinned is a candidate that has a pin.
type pinned struct {
	*entry
	place int
}

// takePinned parts the order into candidates with and without a pin; the former
// come by place.
func (r Rules) takePinned(order []*entry) (rest []*entry, pins []pinned) {
	if len(r.Pins) == 0 {
		return order, nil
	}
	places := make(map[string]int, len(r.Pins))
	for _, p := range r.Pins {
		places[p.ID] = p.Place
	}
	for _, e := range order {
		if place := places[e.ID]; place > 0 {
			pins = append(pins, pinned{e, place})
		} else {
			rest = append(rest, e)
		}
	}
	slices.SortFunc(pins, func(a, b pinned) int { return cmp.Compare(a.place, b.place) })
	return rest, pins
}

// settle puts the pinned in their places and the others around them.
func settle(rest []*entry, pins []pinned) []*entry {
	if len(pins) == 0 {
		return rest
	}
	order := make([]*entry, len(rest)+len(pins))
	beyond := pins
	for len(beyond) > 0 && beyond[0].place <= len(order) {
		order[beyond[0].place-1] = beyond[0].entry
		beyond = beyond[1:]
	}
	at := len(order) - 1
	for _, p := range slices.Backward(beyond) {
		for order[at] != nil {
			at--
		}
		order[at] = p.entry
	}
	for i, e := range order {
		if e == nil {
			order[i], rest = rest[0], rest[1:]
		}
	}
	for _, p := range pins {
		p.Moved = append(p.Moved, "pin "+strconv.Itoa(p.place))
	}
	return order
}
