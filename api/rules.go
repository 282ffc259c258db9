package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"sightline/rerank/blend"
)

// maxListProblems bounds what is said about one list.
const maxListProblems = 16

// list reads an array of at most so many elements. Where one of them has a
// problem dst stays as it is.
func list[T any](dst *[]T, most int, read func(raw json.RawMessage, path string, wrong *Invalid) T) reader {
	return func(raw json.RawMessage, path string, wrong *Invalid) {
		if string(raw) == "null" {
			return
		}
		if raw[0] != '[' {
			wrong.add(path, "must be a list")
			return
		}
		var all []T
		var found Invalid
		for each := range elements(raw) {
			if len(all) == most {
				found.add(path, "has more than %d entries", most)
				break
			}
			if len(found.Fields) >= maxListProblems {
				break
			}
			all = append(all, read(each, fmt.Sprintf("%s[%d]", path, len(all)), &found))
		}
		if len(found.Fields) == 0 {
			*dst = all
		}
		wrong.Fields = append(wrong.Fields, found.Fields[:min(len(found.Fields), maxListProblems)]...)
	}
}

func readBoost(raw json.RawMessage, path string, wrong *Invalid) (b blend.Boost) {
	var by *float64
	object(map[string]reader{
		"name": into(&b.Name, "text in quotes"), "filter": filterInto(&b.Filter), "by": into(&by, "a number"),
	})(raw, path, wrong)
	switch {
	case by != nil:
		b.By = *by
	case len(wrong.Fields) == 0:
		wrong.add(path+".by", "is missing: say how much to add to the score")
	}
	return b
}

func readBury(raw json.RawMessage, path string, wrong *Invalid) (b blend.Bury) {
	object(map[string]reader{"name": into(&b.Name, "text in quotes"), "filter": filterInto(&b.Filter)})(raw, path, wrong)
	return b
}

func readPin(raw json.RawMessage, path string, wrong *Invalid) (p blend.Pin) {
	object(map[string]reader{"id": into(&p.ID, "text in quotes"), "place": into(&p.Place, "a whole number")})(raw, path, wrong)
	return p
}

// checkOrder is Validate's part for what the order is made of besides matching.
// Of each list the first rule that cannot be used is named.
func (r SearchRequest) checkOrder(wrong *Invalid) {
	if r.GroupBy != "" {
		if err := (blend.Options{GroupBy: r.GroupBy}).Validate(); err != nil {
			wrong.add("group_by", "cannot be used: %v", errors.Unwrap(err))
		} else if r.Offset+r.Limit > groupedWindow {
			wrong.add("offset", "must be at most %d with group_by and this limit", max(groupedWindow-r.Limit, 0))
		}
	}
	if !isShare(r.Diversity) {
		wrong.add("diversity", "must be between 0 and 1")
	}
	for _, part := range [...]struct {
		field string
		rules blend.Rules
	}{{"boosts", blend.Rules{Boosts: r.Rules.Boosts}}, {"buries", blend.Rules{Buries: r.Rules.Buries}}, {"pins", blend.Rules{Pins: r.Rules.Pins}}} {
		if err := part.rules.Validate(); err != nil {
			wrong.add(part.field, "cannot be used: %v", err)
		}
	}
}

// joinRules puts the request's rules on top of the server's. A pin of the request
// stands for one of the server that has its item or its place.
func joinRules(server, own blend.Rules) (blend.Rules, error) {
	if !hasRules(own) {
		return server, nil
	}
	both := blend.Rules{
		Boosts: slices.Concat(server.Boosts, own.Boosts), Buries: slices.Concat(server.Buries, own.Buries), Pins: slices.Clone(own.Pins),
	}
	for _, p := range server.Pins {
		if !slices.ContainsFunc(own.Pins, func(mine blend.Pin) bool { return mine.ID == p.ID || mine.Place == p.Place }) {
			both.Pins = append(both.Pins, p)
		}
	}
	var wrong Invalid
	for _, part := range [...]struct {
		field          string
		all, own, most int
	}{
		{"boosts", len(both.Boosts), len(own.Boosts), blend.MaxRules},
		{"buries", len(both.Buries), len(own.Buries), blend.MaxRules},
		{"pins", len(both.Pins), len(own.Pins), blend.MaxPins},
	} {
		if part.all > part.most {
			wrong.add(part.field, "has %d rules, and the server has %d itself: use at most %d together", part.own, part.all-part.own, part.most)
		}
	}
	return both, wrong.err()
}

// rulesKey is what of the request's rules its answer depends on; false where
// that cannot be told.
func rulesKey(r blend.Rules) (string, bool) {
	if !hasRules(r) {
		return "", true
	}
	text, err := json.Marshal(r)
	return string(text), err == nil
}
