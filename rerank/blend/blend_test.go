package blend_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"sightline/rerank/blend"
	"sightline/store"
	"sightline/store/filter"
)

func mustFilter(t testing.TB, text string) filter.Expr {
	t.Helper()
	e, err := filter.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// shop are five candidates: a, b and c were read, d and e were not.
func shop() []blend.Candidate {
	return []blend.Candidate{
		{ID: "a", ITC: 0.50, Logit: new(float32(3)), Item: &store.Item{ID: "a", Brand: "acme", GroupID: "g", Price: new(float64(10))}, Embedding: []float32{1, 0}},
		{ID: "b", ITC: 0.45, Logit: new(float32(2)), Item: &store.Item{ID: "b", Brand: "zeta", GroupID: "g", Price: new(float64(20))}, Embedding: []float32{0.8, 0.6}},
		{ID: "c", ITC: 0.40, Logit: new(float32(-1)), Item: &store.Item{ID: "c", Brand: "acme", Attributes: map[string]any{"new": true}}, Embedding: []float32{0, 1}},
		{ID: "d", ITC: 0.35, Item: &store.Item{ID: "d", Brand: "zeta", GroupID: "h"}, Embedding: []float32{0.6, 0.8}},
		{ID: "e", ITC: 0.30, Item: &store.Item{ID: "e", Brand: "beta"}, Embedding: []float32{0, -1}},
	}
}

func ids(cands []blend.Candidate) string {
	var out []string
	for _, c := range cands {
		out = append(out, c.ID)
	}
	return strings.Join(out, " ")
}

func TestOrder(t *testing.T) {
	acme, zeta := mustFilter(t, `brand = "acme"`), mustFilter(t, `brand = "zeta"`)
	beta := mustFilter(t, `brand = "beta"`)
	text := "zeta"
	boost := func(e filter.Expr, by float64) blend.Options {
		return blend.Options{Rules: blend.Rules{Boosts: []blend.Boost{{Filter: e, By: by}}}}
	}
	pins := func(p ...blend.Pin) blend.Options { return blend.Options{Rules: blend.Rules{Pins: p}} }
	weights := func(f ...blend.Feature) blend.Options {
		return blend.Options{Weights: &blend.Weights{Logit: 1, Cosine: 1, Features: f}}
	}
	tests := map[string]struct {
		o    blend.Options
		want string
	}{
		"nothing":                   {blend.Options{}, "a b c d e"},
		"cosine weighs more":        {blend.Options{Weights: &blend.Weights{Cosine: 1}}, "a b c d e"},
		"logit turned round":        {blend.Options{Weights: &blend.Weights{Logit: -1, Cosine: 1}}, "c b a d e"},
		"a text as feature":         {weights(blend.Feature{Field: "brand", Equals: &text, Weight: 2}), "b a c d e"},
		"a number, missing is 0":    {weights(blend.Feature{Field: "price", Center: 10, Scale: 10, Weight: 1.5}), "b a c d e"},
		"a number, clipped":         {weights(blend.Feature{Field: "price", Center: 10, Scale: 1e-9, Weight: 0.3}), "a b c d e"},
		"true or false":             {weights(blend.Feature{Field: "attributes.new", Weight: 10}), "c a b d e"},
		"another type counts 0":     {weights(blend.Feature{Field: "attributes.new", Equals: &text, Weight: 10}), "a b c d e"},
		"boost of one read":         {boost(zeta, 1.5), "b a d c e"},
		"boost of one not read":     {boost(beta, 0.2), "a b e c d"},
		"boost too small":           {boost(zeta, 0.5), "a b d c e"},
		"boost below zero":          {boost(acme, -5), "b a c d e"},
		"and of those not read":     {boost(zeta, -5), "a c b e d"},
		"bury":                      {blend.Options{Rules: blend.Rules{Buries: []blend.Bury{{Filter: acme}}}}, "b d e a c"},
		"pin":                       {pins(blend.Pin{ID: "e", Place: 1}), "e a b c d"},
		"two pins":                  {pins(blend.Pin{ID: "a", Place: 3}, blend.Pin{ID: "e", Place: 2}), "b e a c d"},
		"pin beyond the end":        {pins(blend.Pin{ID: "a", Place: 5}, blend.Pin{ID: "b", Place: 900}, blend.Pin{ID: "c", Place: 1000}), "d e b c a"},
		"pin of no candidate":       {pins(blend.Pin{ID: "x", Place: 1}), "a b c d e"},
		"groups":                    {blend.Options{GroupBy: "group_id"}, "a c d e"},
		"groups of an attribute":    {blend.Options{GroupBy: "attributes.new"}, "a b c d e"},
		"pinned stands for a group": {blend.Options{GroupBy: "group_id", Rules: blend.Rules{Pins: []blend.Pin{{ID: "b", Place: 2}}}}, "c b d e"},
		// a first; then c is unlike it, and b is like both.
		"diversity":    {blend.Options{Diversity: &blend.Diversity{Lambda: 0.3, Places: 2}}, "a c b d e"},
		"of one place": {blend.Options{Diversity: &blend.Diversity{Lambda: 0, Places: 1}}, "a b c d e"},
		"pinned counts for it": {blend.Options{
			Rules: blend.Rules{Pins: []blend.Pin{{ID: "a", Place: 3}}}, Diversity: &blend.Diversity{Lambda: 0.2, Places: 3},
		}, "c b a d e"},
	}
	for name, test := range tests {
		got, err := blend.Order(shop(), test.o)
		if err != nil || ids(got) != test.want {
			t.Errorf("%s: %s, %v; want %s", name, ids(got), err, test.want)
		}
	}
}

// TestOrderExplains has every step act, and holds it to what it says.
func TestOrderExplains(t *testing.T) {
	got, err := blend.Order(shop(), blend.Options{
		Weights: &blend.Weights{Logit: -1, Cosine: 1},
		Rules: blend.Rules{
			Boosts: []blend.Boost{{Filter: mustFilter(t, `brand = "acme"`), By: 0.5}, {Name: "sale", Filter: mustFilter(t, "price < 15"), By: -1}},
			Buries: []blend.Bury{{Filter: mustFilter(t, `brand = "beta"`)}},
			Pins:   []blend.Pin{{ID: "d", Place: 1}},
		},
		GroupBy: "group_id",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`d 4 1 ["pin 1"]`,
		`c 3 2 ["weights: 3 to 1" "boost: brand = \"acme\" +0.5"]`,
		`b 2 3 ["group: 1 more of its group_id"]`,
		`e 5 4 ["bury: brand = \"beta\""]`,
	}
	for i, c := range got {
		if line := fmt.Sprintf("%s %d %d %q", c.ID, c.Before, c.After, c.Moved); i >= len(want) || line != want[i] {
			t.Errorf("place %d: %s", i+1, line)
		}
	}
	if len(got) != len(want) || math.Abs(got[1].Score-(1+0.4+0.5)) > 1e-9 || got[2].Folded != 1 {
		t.Errorf("%+v", got)
	}
}

// TestOrderUnread holds the score of those not read to the package comment.
func TestOrderUnread(t *testing.T) {
	got, err := blend.Order(shop(), blend.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{3.5, 2.45, -0.6, -0.6, -0.65} {
		if math.Abs(got[i].Score-want) > 1e-7 {
			t.Errorf("%s: score %g, want %g", got[i].ID, got[i].Score, want)
		}
	}
	none := shop()
	for i := range none {
		none[i].Logit = nil
	}
	got, err = blend.Order(none, blend.Options{Diversity: &blend.Diversity{Lambda: 0.3, Places: 5}})
	if err != nil || got[0].ID != "a" || got[0].Score != 0.5 || ids(got) == "a b c d e" {
		t.Errorf("none read: %+v, %v", got, err)
	}
}

func TestOrderRefuses(t *testing.T) {
	acme := mustFilter(t, `brand = "acme"`)
	rules := func(r blend.Rules) blend.Options { return blend.Options{Rules: r} }
	weights := func(w blend.Weights) blend.Options { return blend.Options{Weights: &w} }
	feature := func(f blend.Feature) blend.Options { return weights(blend.Weights{Features: []blend.Feature{f}}) }
	text, nan, inf := "x", math.NaN(), math.Inf(1)
	tests := map[string]struct {
		o    blend.Options
		want string
	}{
		"logit":            {weights(blend.Weights{Logit: nan}), "logit"},
		"cosine":           {weights(blend.Weights{Cosine: inf}), "cosine"},
		"too large":        {weights(blend.Weights{Bias: 2e6}), "bias"},
		"feature's weight": {feature(blend.Feature{Field: "attributes.x", Weight: nan}), "feature 1 (attributes.x)"},
		"no field":         {feature(blend.Feature{Field: "colour", Equals: &text}), "attributes.NAME"},
		"no kind":          {feature(blend.Feature{Field: "brand"}), "equals"},
		"both kinds":       {feature(blend.Feature{Field: "brand", Equals: &text, Scale: 1}), "either"},
		"text as number":   {feature(blend.Feature{Field: "brand", Scale: 1}), "not a number"},
		"number as text":   {feature(blend.Feature{Field: "price", Equals: &text}), "not a text"},
		"no scale":         {feature(blend.Feature{Field: "price", Center: 1}), "without scale"},
		"scale below 0":    {feature(blend.Feature{Field: "price", Scale: -1}), "scale -1"},
		"scale":            {feature(blend.Feature{Field: "price", Scale: inf}), "finite"},
		"many features":    {weights(blend.Weights{Features: make([]blend.Feature, 65)}), "65 features"},
		"boost":            {rules(blend.Rules{Boosts: []blend.Boost{{Filter: acme, By: 1}, {Name: "sale", Filter: acme, By: 21}}}), "boost 2 (sale)"},
		"boost NaN":        {rules(blend.Rules{Boosts: []blend.Boost{{Filter: acme, By: nan}}}), `boost 1 (brand = "acme")`},
		"boost's filter":   {rules(blend.Rules{Boosts: []blend.Boost{{Name: "sale"}}}), "boost 1 (sale): no filter"},
		"bury's filter":    {rules(blend.Rules{Buries: []blend.Bury{{}}}), "bury 1"},
		"many rules":       {rules(blend.Rules{Buries: make([]blend.Bury, 33)}), "33 buries"},
		"pin of nothing":   {rules(blend.Rules{Pins: []blend.Pin{{Place: 1}}}), "no id"},
		"pin at 0":         {rules(blend.Rules{Pins: []blend.Pin{{ID: "a"}}}), "pin 1 (a): place 0"},
		"pinned twice":     {rules(blend.Rules{Pins: []blend.Pin{{"a", 1}, {"a", 2}}}), "pin 2 (a): pin 1"},
		"place taken":      {rules(blend.Rules{Pins: []blend.Pin{{"a", 1}, {"b", 1}}}), "place 1 too"},
		"group":            {blend.Options{GroupBy: "price"}, "group by: price"},
		"lambda":           {blend.Options{Diversity: &blend.Diversity{Lambda: nan, Places: 1}}, "lambda"},
		"no places":        {blend.Options{Diversity: &blend.Diversity{}}, "0 places"},
	}
	for name, test := range tests {
		if _, err := blend.Order(shop(), test.o); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
}

func TestOrderRefusesCandidates(t *testing.T) {
	mmr := blend.Options{Diversity: &blend.Diversity{Lambda: 0.5, Places: 5}}
	tests := map[string]func(c []blend.Candidate){
		"twice":       func(c []blend.Candidate) { c[1].ID = "a" },
		"cosine":      func(c []blend.Candidate) { c[1].ITC = math.NaN() },
		"match logit": func(c []blend.Candidate) { c[1].Logit = new(float32(math.Inf(1))) },
		"have 1 and":  func(c []blend.Candidate) { c[1].Embedding = []float32{1} },
		"not finite":  func(c []blend.Candidate) { c[1].Embedding = []float32{float32(math.NaN()), 0} },
	}
	for want, spoil := range tests {
		c := shop()
		spoil(c)
		if _, err := blend.Order(c, mmr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	bare := shop()
	for i := range bare {
		bare[i].Item, bare[i].Embedding = nil, nil
	}
	if got, err := blend.Order(bare, blend.Options{GroupBy: "brand", Diversity: mmr.Diversity}); err != nil || ids(got) != "a b c d e" {
		t.Errorf("without items and embeddings: %s, %v", ids(got), err)
	}
	if got, err := blend.Order(nil, mmr); err != nil || len(got) != 0 {
		t.Errorf("of nothing: %v, %v", got, err)
	}
}

func TestOrderLeavesInput(t *testing.T) {
	in := shop()
	in[0].Moved = []string{"old"}
	want := slices.Clone(in)
	got, err := blend.Order(in, blend.Options{Rules: blend.Rules{Pins: []blend.Pin{{"a", 3}}}})
	if err != nil || ids(in) != ids(want) || in[0].Moved[0] != "old" || in[1].After != 0 {
		t.Errorf("%v: input %+v", err, in)
	}
	if fmt.Sprint(got[2].Moved) != "[pin 3]" {
		t.Errorf("%+v", got[2])
	}
}
