package api_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"sightline/api"
	"sightline/store"
	"sightline/store/filter"
	"sightline/store/storetest"
)

// countedIndex counts naively what its entries have.
type countedIndex struct {
	entries []store.Entry
	count   func(ctx context.Context) error
	calls   int
}

func (x *countedIndex) matching(e filter.Expr) []store.Item {
	var all []store.Item
	for _, entry := range x.entries {
		if entry.Item.Matches(e) {
			all = append(all, entry.Item)
		}
	}
	return all
}

func (x *countedIndex) Count(_ context.Context, e filter.Expr) (int, error) {
	return len(x.matching(e)), nil
}

func (x *countedIndex) Facets(ctx context.Context, e filter.Expr, fields []string, limit int) (map[string][]store.FacetCount, error) {
	x.calls++
	if x.count != nil {
		if err := x.count(ctx); err != nil {
			return nil, err
		}
	}
	out := make(map[string][]store.FacetCount)
	for _, field := range fields {
		counts := make(map[any]int)
		for _, it := range x.matching(e) {
			for v := range it.FacetValues(field) {
				counts[v]++
			}
		}
		var all []store.FacetCount
		for v, n := range counts {
			all = append(all, store.FacetCount{Value: v, Count: n})
		}
		out[field] = store.RankFacets(all, limit)
	}
	return out, nil
}

func (x *countedIndex) Numbers(_ context.Context, e filter.Expr, field string, ranges []store.Range) (store.Numbers, error) {
	n := store.NewNumbers(ranges)
	for _, it := range x.matching(e) {
		if v, ok := it.Field(field); ok && v.Type == filter.Number {
			n.Add(v.Number, 1, ranges)
		}
	}
	return n, nil
}

// newFacetService has six items of two brands, one of them without a price.
func newFacetService() (*service, *countedIndex) {
	s := newService("a", "b", "c", "d", "e", "f")
	for i := range s.index.entries {
		it := &s.index.entries[i].Item
		it.Brand = []string{"Acme", "Bolt"}[i/4]
		it.Price = new(float64(10 * i))
		it.Attributes = map[string]any{"sale": i == 0, "size": float64(i)}
	}
	s.index.entries[5].Item.Price = nil
	x := &countedIndex{entries: s.index.entries}
	s.engine.Facets = x
	return s, x
}

func facetText(c api.FacetCounts) string {
	var b strings.Builder
	for _, v := range c.Values {
		fmt.Fprintf(&b, "%v=%d ", v.Value, v.Count)
	}
	if n := c.Numbers; n != nil {
		fmt.Fprintf(&b, "n=%d ", n.Count)
		if n.Min != nil {
			fmt.Fprintf(&b, "%g..%g ", *n.Min, *n.Max)
		}
		for _, r := range n.Ranges {
			if r.From != nil {
				fmt.Fprintf(&b, "%g", *r.From)
			}
			b.WriteString("-")
			if r.To != nil {
				fmt.Fprintf(&b, "%g", *r.To)
			}
			fmt.Fprintf(&b, ":%d ", r.Count)
		}
	}
	fmt.Fprintf(&b, "missing=%d exact=%v", c.Missing, c.Exact)
	return b.String()
}

func TestFacets(t *testing.T) {
	s, _ := newFacetService()
	for body, want := range map[string]string{
		`"facets":["brand"]`:                     "brand: Acme=4 Bolt=2 missing=0 exact=true",
		`"facets":["brand"],"limit":1`:           "brand: Acme=4 Bolt=2 missing=0 exact=true",
		`"facets":[{"field":"brand","limit":1}]`: "brand: Acme=4 missing=0 exact=true",
		`"facets":["price"]`:                     "price: n=5 0..40 missing=1 exact=true",
		`"facets":[{"field":"price","ranges":[{"to":10},{"from":10,"to":30},{"from":30}]}]`: "price: n=5 0..40 -10:1 10-30:2 30-:2 missing=1 exact=true",
		`"facets":["attributes.sale"]`:                                                                          "attributes.sale: false=5 true=1 missing=0 exact=true",
		`"facets":["attributes.size"]`:                                                                          "attributes.size: n=6 0..5 missing=0 exact=true",
		`"facets":["attributes.none"]`:                                                                          "attributes.none: missing=6 exact=true",
		`"facets":["brand"],"filter":{"brand":"Bolt"}`:                                                          "brand: Bolt=2 missing=0 exact=true",
		`"facets":[{"field":"brand","multi":true}],"filter":{"brand":"Bolt"}`:                                   "brand: Acme=4 Bolt=2 missing=0 exact=true",
		`"facets":[{"field":"brand","multi":true},"price"],"filter":"brand = \"Acme\" AND price > 10"`:          "brand: Acme=2 Bolt=1 missing=0 exact=true | price: n=2 20..30 missing=0 exact=true",
		`"facets":[{"field":"brand","of":"hits"},{"field":"price","of":"hits"}],"rerank":{"depth":5},"limit":1`: "brand: Acme=4 Bolt=1 missing=0 exact=false | price: n=5 0..40 missing=0 exact=false",
		`"facets":["brand"],"filter":{"brand":"none"}`:                                                          "brand: missing=0 exact=true",
		`"facets":[]`: "",
	} {
		res := readHits(t, s.post(`{"text":"red",`+body+`}`))
		var got []string
		for _, field := range slices.Sorted(maps.Keys(res.Facets)) {
			got = append(got, field+": "+facetText(res.Facets[field]))
		}
		if strings.Join(got, " | ") != want {
			t.Errorf("%s\ngot  %s\nwant %s", body, strings.Join(got, " | "), want)
		}
	}
}

func TestFacetsOfForms(t *testing.T) {
	s, _ := newFacetService()
	for _, query := range []string{"facets=brand,price", "facets=" + url.QueryEscape(` ["brand", {"field":"price"}]`)} {
		w := s.do("GET", "/v1/search?q=red&"+query, "", "")
		if res := readHits(t, w); facetText(res.Facets["brand"]) != "Acme=4 Bolt=2 missing=0 exact=true" || len(res.Facets) != 2 {
			t.Errorf("%s: %s", query, w.Body)
		}
	}
	w := s.do("GET", "/v1/items/a/similar?facets=brand", "", "")
	if res := readHits(t, w); len(res.Facets) != 1 {
		t.Errorf("similar: %s", w.Body)
	}
	for query, want := range map[string]string{
		"facets=brand,brand": "is the one of facets[0] too",
		"facets=brand,":      `is ""`,
		"facets=[":           "valid JSON",
		"facets=[1]":         "must be an object",
	} {
		if p := readProblem(t, s.do("GET", "/v1/search?q=red&"+query, "", "")); p.Status != 422 || len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Detail, want) {
			t.Errorf("%s: %+v", query, p)
		}
	}
}

func TestRefusedFacets(t *testing.T) {
	s, _ := newFacetService()
	for facets, want := range map[string]string{
		`"brand"`:                       "facets must be a list",
		`[null]`:                        `facets[0].field is "": name price`,
		`["material"]`:                  `facets[0].field is "material"`,
		`["version"]`:                   `facets[0].field is "version"`,
		`["brand","color","brand"]`:     "facets[2].field is the one of facets[0] too",
		`[{"field":"brand","limit":0}]`: "facets[0].limit must be between 1 and 100",
		`[{"field":"brand","ranges":[{"from":1}]}]`:                           "facets[0].ranges are for numbers",
		`[{"field":"price","ranges":[{"from":2,"to":1}]}]`:                    "facets[0].ranges[0] must have its from below its to",
		`[{"field":"price","ranges":[{"from":"2"}]}]`:                         "facets[0].ranges[0].from must be a number",
		`[{"field":"brand","of":"all"}]`:                                      `facets[0].of must be "filter" or "hits"`,
		`[{"field":"brand","of":"hits","multi":true}]`:                        "facets[0].multi is for counts of all items",
		`[{"field":"brand","size":3}]`:                                        "facets[0].size ",
		`["` + strings.Repeat(`brand","`, 10) + `a"]`:                         "facets has more than 10 entries",
		`["attributes.` + strings.Repeat("x", 129) + `"]`:                     "facets[0].field is 140 bytes long",
		`[{"field":"price","ranges":[` + strings.Repeat(`{},`, 100) + `{}]}]`: "facets[0].ranges has more than 100 entries",
	} {
		p := readProblem(t, s.post(`{"text":"red","facets":`+facets+`}`))
		if p.Status != 422 || len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Field+" "+p.Errors[0].Detail, want) {
			t.Errorf("%s: %+v; want %s", facets, p, want)
		}
	}
	s.engine.Facets = nil
	if p := readProblem(t, s.post(`{"text":"red","facets":["brand"]}`)); p.Status != 422 {
		t.Errorf("without a source: %+v", p)
	}
	if res := readHits(t, s.post(`{"text":"red","facets":[{"field":"brand","of":"hits"}]}`)); len(res.Facets["brand"].Values) != 2 {
		t.Errorf("of hits without a source: %+v", res.Facets)
	}
}

// TestFailedFacets: the hits are there all the same.
func TestFailedFacets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, x := newFacetService()
		for want, fail := range map[string]func(ctx context.Context) error{
			"failed":   func(context.Context) error { return errors.New("disk on fire") },
			"deadline": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		} {
			x.count = fail
			w := s.post(`{"text":"red","facets":["brand",{"field":"color","of":"hits"}],"deadline_ms":200}`)
			res := readHits(t, w)
			if len(res.Hits) != 6 || res.Facets["brand"].Failed != want || res.Facets["color"].Failed != "" || res.Facets["color"].Missing != 6 {
				t.Errorf("%s: %s", want, w.Body)
			}
			if strings.Contains(w.Body.String(), "fire") {
				t.Errorf("the answer tells of the inside: %s", w.Body)
			}
		}
	})
}

func TestCachedFacets(t *testing.T) {
	s := newCachedService(t, "a", "b")
	x := &countedIndex{entries: s.index.entries}
	s.engine.Facets = x
	first := s.wantSearch(t, `{"text":"red","facets":["title","attributes.sale"]}`, true)
	again := s.wantSearch(t, `{"text":"red","facets":["title","attributes.sale"]}`, false)
	if !reflect.DeepEqual(first.Facets, again.Facets) || len(first.Facets["title"].Values) != 2 {
		t.Errorf("first %+v, then %+v", first.Facets, again.Facets)
	}
	s.wantSearch(t, `{"text":"red"}`, true)
	s.wantSearch(t, `{"text":"red","facets":[{"field":"title","limit":1}]}`, true)
	x.count = func(context.Context) error { return errors.New("broken") }
	s.wantSearch(t, `{"text":"red","facets":["brand"]}`, true)
	s.wantSearch(t, `{"text":"red","facets":["brand"]}`, true) // a failure is not kept
}

// TestFacetsAgainstNaiveCount draws catalogues and filters.
func TestFacetsAgainstNaiveCount(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newService("a", "b", "c", "d", "e", "f", "g")
		for i := range s.index.entries {
			it := &s.index.entries[i].Item
			it.Brand = rapid.SampledFrom([]string{"", "Acme", "Bolt", "Corvo"}).Draw(rt, "brand")
			it.Attributes = map[string]any{"sale": rapid.SampledFrom([]any{nil, true, false, "soon", 3.0}).Draw(rt, "sale")}
		}
		x := &countedIndex{entries: s.index.entries}
		s.engine.Facets = x
		e := storetest.DrawFilter(rt)
		multi := rapid.Bool().Draw(rt, "multi")
		req := api.NewSearchRequest("red")
		req.Filter = e
		req.Facets = []api.Facet{{Field: "brand", Limit: 3, Multi: multi}, {Field: "attributes.sale", Limit: 100}}
		res, err := s.engine.Search(t.Context(), req)
		if err != nil {
			rt.Fatal(err)
		}
		for _, f := range req.Facets {
			counted := e
			if f.Multi {
				counted = filter.Without(e, f.Field)
			}
			all, have := x.matching(counted), 0
			for _, v := range res.Facets[f.Field].Values {
				n := 0
				for _, it := range all {
					if slices.Contains(slices.Collect(it.FacetValues(f.Field)), v.Value) {
						n++
					}
				}
				if n != v.Count || n == 0 {
					rt.Fatalf("%s has %v %d times, want %d", f.Field, v.Value, v.Count, n)
				}
				have += n
			}
			c := res.Facets[f.Field]
			if c.Numbers != nil {
				have += c.Numbers.Count
			}
			if have+c.Missing != len(all) { // no value is left out of so few, and none is a list
				rt.Fatalf("%s: %d counted and %d missing of %d", f.Field, have, c.Missing, len(all))
			}
		}
	})
}
