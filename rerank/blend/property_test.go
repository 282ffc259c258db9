package blend_test

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"sightline/encoder"
	"sightline/rerank"
	"sightline/rerank/blend"
	"sightline/store"
	"sightline/store/features"
	"sightline/store/filter"
)

// drawShop draws candidates with many ties: few values of everything.
func drawShop(t *rapid.T) []blend.Candidate {
	n := rapid.IntRange(0, 24).Draw(t, "n")
	cands := make([]blend.Candidate, n)
	for i := range cands {
		id := fmt.Sprint("item", i)
		c := blend.Candidate{ID: id, ITC: float64(rapid.IntRange(-4, 4).Draw(t, "itc")) / 4}
		if rapid.IntRange(0, 3).Draw(t, "read") > 0 {
			c.Logit = new(float32(rapid.IntRange(-3, 3).Draw(t, "logit")))
		}
		it := &store.Item{
			ID: id, Brand: rapid.SampledFrom([]string{"", "acme", "zeta"}).Draw(t, "brand"),
			GroupID: rapid.SampledFrom([]string{"", "g", "h"}).Draw(t, "group"),
		}
		c.Item = it
		c.Embedding = rapid.SampledFrom([][]float32{nil, {1, 0}, {0, 1}, {0.6, 0.8}, {-1, 0}}).Draw(t, "embedding")
		cands[i] = c
	}
	return cands
}

func drawOptions(t *rapid.T, acme filter.Expr) blend.Options {
	var o blend.Options
	if rapid.Bool().Draw(t, "weights") {
		brand := "zeta"
		o.Weights = &blend.Weights{
			Logit: float64(rapid.IntRange(-2, 2).Draw(t, "a")), Cosine: float64(rapid.IntRange(-2, 2).Draw(t, "b")),
			Features: []blend.Feature{{Field: "brand", Equals: &brand, Weight: float64(rapid.IntRange(-2, 2).Draw(t, "c"))}},
		}
	}
	if rapid.Bool().Draw(t, "boost") {
		o.Rules.Boosts = []blend.Boost{{Filter: acme, By: float64(rapid.IntRange(-3, 3).Draw(t, "by"))}}
	}
	if rapid.Bool().Draw(t, "bury") {
		o.Rules.Buries = []blend.Bury{{Filter: acme}}
	}
	for i, place := range rapid.SliceOfNDistinct(rapid.IntRange(1, 30), 0, 4, rapid.ID[int]).Draw(t, "places") {
		o.Rules.Pins = append(o.Rules.Pins, blend.Pin{ID: fmt.Sprint("item", 2*i), Place: place})
	}
	if rapid.Bool().Draw(t, "mmr") {
		o.Diversity = &blend.Diversity{Lambda: float64(rapid.IntRange(0, 4).Draw(t, "lambda")) / 4, Places: rapid.IntRange(1, 30).Draw(t, "page")}
	}
	return o
}

// TestPropertyOrder holds what is true of every order: all candidates and no
// others, places that are numbered, pins that hold, and no word from the order
// of the input.
func TestPropertyOrder(t *testing.T) {
	acme := mustFilter(t, `brand = "acme"`)
	rapid.Check(t, func(t *rapid.T) {
		cands, o := drawShop(t), drawOptions(t, acme)
		got, err := blend.Order(cands, o)
		if err != nil {
			t.Fatal(err)
		}
		mixed, err := blend.Order(rapid.Permutation(cands).Draw(t, "input"), o)
		if err != nil || !reflect.DeepEqual(got, mixed) {
			t.Fatalf("another order of the input: %s, then %s (%v)", ids(got), ids(mixed), err)
		}
		before := map[int]bool{}
		at := map[string]int{}
		for i, c := range got {
			before[c.Before], at[c.ID] = true, i+1
			if c.After != i+1 || c.Before < 1 || c.Before > len(cands) {
				t.Fatalf("place %d: %+v", i+1, c)
			}
		}
		if len(got) != len(cands) || len(before) != len(cands) || len(at) != len(cands) {
			t.Fatalf("%d candidates became %s", len(cands), ids(got))
		}
		for _, p := range o.Rules.Pins {
			if place, ok := at[p.ID]; ok && p.Place <= len(cands) && place != p.Place {
				t.Fatalf("%s pinned to %d stands at %d: %s", p.ID, p.Place, place, ids(got))
			}
		}
	})
}

// TestPropertyTiers holds that nobody who was not read stands above one who
// was, whatever weights and diversity say.
func TestPropertyTiers(t *testing.T) {
	acme := mustFilter(t, `brand = "acme"`)
	rapid.Check(t, func(t *rapid.T) {
		o := drawOptions(t, acme)
		o.Rules = blend.Rules{}
		got, err := blend.Order(drawShop(t), o)
		if err != nil {
			t.Fatal(err)
		}
		unread := false
		for _, c := range got {
			if unread = unread || c.Logit == nil; unread && c.Logit != nil {
				t.Fatalf("%s was read and stands below one who was not: %+v", c.ID, got)
			}
		}
	})
}

// TestPropertyLambdaOne holds that λ = 1, and λ of any size among candidates
// that are unlike, is no diversity.
func TestPropertyLambdaOne(t *testing.T) {
	acme := mustFilter(t, `brand = "acme"`)
	rapid.Check(t, func(t *rapid.T) {
		cands, o := drawShop(t), drawOptions(t, acme)
		o.Diversity = nil
		plain, err := blend.Order(cands, o)
		if err != nil {
			t.Fatal(err)
		}
		o.Diversity = &blend.Diversity{Lambda: 1, Places: 10}
		if got, err := blend.Order(cands, o); err != nil || !reflect.DeepEqual(got, plain) {
			t.Fatalf("λ = 1: %s, without: %s (%v)", ids(got), ids(plain), err)
		}
		for i := range cands {
			cands[i].Embedding = nil
		}
		o.Diversity.Lambda = 0.3
		if got, err := blend.Order(cands, o); err != nil || ids(got) != ids(plain) {
			t.Fatalf("all unlike: %s, without: %s (%v)", ids(got), ids(plain), err)
		}
	})
}

// TestPropertyGroups holds that one of each group stands, the first of the
// order without groups.
func TestPropertyGroups(t *testing.T) {
	acme := mustFilter(t, `brand = "acme"`)
	rapid.Check(t, func(t *rapid.T) {
		cands, o := drawShop(t), drawOptions(t, acme)
		o.Diversity, o.Rules.Pins = nil, nil
		all, err := blend.Order(cands, o)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		seen := map[string]bool{}
		for _, c := range all {
			g := c.Item.(*store.Item).GroupID
			if g == "" || !seen[g] {
				want = append(want, c.ID)
			}
			seen[g] = true
		}
		o.GroupBy = "group_id"
		got, err := blend.Order(cands, o)
		folded := 0
		for _, c := range got {
			folded += c.Folded
		}
		if err != nil || fmt.Sprint(want) != "["+ids(got)+"]" || len(got)+folded != len(cands) {
			t.Fatalf("%s with %d folded, want %v of %s (%v)", ids(got), folded, want, ids(all), err)
		}
	})
}

// model is a Matcher and FeatureSource: the states of picture "7" hold the
// index 7, and its match logit is the seventh.
type model []float32

func (m model) Get(_ context.Context, key string) (features.Record, bool, error) {
	at, err := strconv.Atoi(key)
	return features.Record{Tokens: 1, Width: 1, Float: []float32{float32(at)}}, true, err
}

func (m model) Match(_ context.Context, _ encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	out := make([]encoder.Logits, len(states))
	for i, s := range states {
		out[i] = encoder.Logits{0, m[int(s.Float[0])]}
	}
	return out, nil
}

// TestPropertyFuse holds BLIP's weights to the order that package rerank gives
// the same candidates, read to any depth.
func TestPropertyFuse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cands := drawShop(t)
		slices.SortFunc(cands, func(a, b blend.Candidate) int {
			return cmp.Or(cmp.Compare(b.ITC, a.ITC), cmp.Compare(a.ID, b.ID))
		})
		var m model
		var in []rerank.Candidate
		depth := rapid.IntRange(1, 30).Draw(t, "depth")
		for i := range cands {
			m = append(m, float32(rapid.IntRange(-3, 3).Draw(t, "logit")))
			cands[i].Logit = nil
			if i < depth {
				cands[i].Logit = &m[i]
			}
			in = append(in, rerank.Candidate{ID: cands[i].ID, Picture: strconv.Itoa(i), ITC: cands[i].ITC})
		}
		r := rerank.New(m, m, rerank.Options{Depth: depth, Order: rerank.OrderScored})
		out := r.Rerank(t.Context(), encoder.Query{}, in)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := blend.Order(cands, blend.Options{})
		if err != nil || out.Scored != min(depth, len(cands)) || len(got) != len(out.Hits) {
			t.Fatalf("%v; %d of %d read: %v", err, out.Scored, len(cands), out.Err)
		}
		for i, h := range out.Hits {
			if got[i].ID != h.ID || h.Logit != nil && got[i].Score != h.Score {
				t.Fatalf("place %d: %+v, rerank has %+v", i+1, got[i], h)
			}
		}
	})
}
