package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sightline/api"
	"sightline/rerank/blend"
)

func TestOrderRefusals(t *testing.T) {
	for name, c := range map[string]struct{ fields, want string }{
		"all at once": {
			`,"group_by":"price","diversity":1.5,"boosts":[{"filter":"price < 5","by":21}],"buries":[{}],"pins":[{"id":"a","place":1},{"id":"b","place":1}]`,
			"group_by cannot be used: price is not a text: use a field such as brand, or an attribute | diversity must be between 0 and 1 | " +
				"boosts cannot be used: boost 1 (price < 5): by 21: use a number of -20 to 20, or a bury or pin | buries cannot be used: bury 1 (): no filter: say which items it is for | " +
				"pins cannot be used: pin 2 (b): pin 1 has place 1 too: give it another",
		},
		"types": {
			`,"group_by":7,"diversity":"x","boosts":{},"buries":[7],"pins":[{"id":"a","place":1.5}]`,
			"group_by must be the name of a field, in quotes | diversity must be a number | boosts must be a list | buries[0] must be an object with the fields filter, name | pins[0].place must be a whole number",
		},
		"of one rule": {
			`,"boosts":[{"filter":"price <","by":1},{"filter":"brand = \"a\"","by":1,"weight":2}],"buries":[{"filter":"id EXISTS","by":1}]`,
			"boosts[0].filter $, column 8: expected a value, found the end | boosts[1].weight is not a field; there are by, filter, name | buries[0].by is not a field; there are filter, name",
		},
		"no by":         {`,"boosts":[{"filter":"id EXISTS"}]`, "boosts[0].by is missing: say how much to add to the score"},
		"no place":      {`,"pins":[{"id":"a"}]`, "pins cannot be used: pin 1 (a): place 0: use 1 to 1000"},
		"unknown field": {`,"group_by":"y"`, `group_by cannot be used: "y" is not a field; an attribute is written attributes.NAME`},
		"pages beyond":  {`,"group_by":"brand","offset":981`, "offset must be at most 980 with group_by and this limit"},
		"too many":      {`,"pins":[` + strings.Repeat(`{"id":"a","place":1},`, 100) + `{}]`, "pins has more than 100 entries"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newBoutique().post(`{"text":"red"` + c.fields + `}`)
			var got []string
			for _, f := range readProblem(t, w).Errors {
				got = append(got, f.Field+" "+f.Detail)
			}
			if strings.Join(got, " | ") != c.want || w.Code != http.StatusUnprocessableEntity {
				t.Errorf("%d %s\nwant %s", w.Code, strings.Join(got, " | "), c.want)
			}
		})
	}
}

// The server's rules are for every search; a request's come on top.
func TestRulesOfServerAndRequest(t *testing.T) {
	s := newBoutique()
	s.engine.Rules = blend.Rules{
		Boosts: []blend.Boost{{Filter: mustFilter(t, `brand = "zeta"`), By: 1.5}},
		Pins:   []blend.Pin{{ID: "a", Place: 1}, {ID: "c", Place: 5}},
	}
	const boosted = `boost: brand = "zeta" +1.5`
	wantMoves(t, readHits(t, s.post(`{"text":"red"}`)).Hits, "a: pin 1", "d: "+boosted, "e", "b: "+boosted, "c: pin 5")
	wantMoves(t, readHits(t, s.post(`{"text":"red","pins":[{"id":"a","place":3},{"id":"b","place":5}],"boosts":[{"name":"n","filter":"id = 'd'","by":-9}]}`)).Hits,
		"e", "c", "a: pin 3", "d: "+boosted+"; boost: n -9", "b: "+boosted+"; pin 5")
	wantMoves(t, readHits(t, s.do("GET", "/v1/items/e/similar", "", "")).Hits, "a: pin 1", "b: "+boosted, "d: "+boosted, "c: pin 5")
}

func TestLimitsHoldForServerAndRequestTogether(t *testing.T) {
	s := newBoutique()
	all := mustFilter(t, "id EXISTS")
	s.engine.Rules.Buries = slices.Repeat([]blend.Bury{{Filter: all}}, 30)
	for i := range 100 {
		s.engine.Rules.Pins = append(s.engine.Rules.Pins, blend.Pin{ID: fmt.Sprint("sku", i), Place: i + 1})
	}
	bury := `{"filter":"id EXISTS"}`
	p := readProblem(t, s.post(`{"text":"red","buries":[`+bury+`,`+bury+`,`+bury+`],"pins":[{"id":"a","place":101}]}`))
	want := []api.FieldProblem{
		{Field: "buries", Detail: "has 3 rules, and the server has 30 itself: use at most 32 together"},
		{Field: "pins", Detail: "has 1 rules, and the server has 100 itself: use at most 100 together"},
	}
	if p.Status != 422 || !slices.Equal(p.Errors, want) {
		t.Errorf("%+v", p)
	}
	readHits(t, s.post(`{"text":"red","buries":[`+bury+`,`+bury+`],"pins":[{"id":"a","place":100}]}`)) // in place of another
}
