package blend_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"sightline/rerank/blend"
)

func TestWeightsFile(t *testing.T) {
	text := "acme"
	want := blend.Weights{
		Model: "m", Logit: 1.5, Cosine: -2, Bias: 0.25, Fitted: &blend.Fitted{Queries: 3, Pairs: 9, Depth: 50, L2: 1},
		Features: []blend.Feature{{Field: "brand", Equals: &text, Weight: 1}, {Field: "price", Center: 10, Scale: 5, Weight: -0.5}},
	}
	var b bytes.Buffer
	if err := blend.WriteWeights(&b, want); err != nil {
		t.Fatal(err)
	}
	if got, err := blend.ReadWeights(&b, "m"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, w := range map[string]blend.Weights{"model": {Logit: 1}, "logit": {Model: "m", Logit: math.NaN()}} {
		b.Reset()
		if err := blend.WriteWeights(&b, w); err == nil || !strings.Contains(err.Error(), name) || b.Len() > 0 {
			t.Errorf("%+v: error %v, wrote %q", w, err, b.String())
		}
	}
}

func TestReadWeightsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "EOF",
		"null":                               "logit",
		`{"model":"m","logit":1}`:            "cosine",
		`{"logit":1,"cosine":1}`:             "model",
		`{"model":"o","logit":1,"cosine":1}`: "for model o, and this is m",
		`{"model":"m","logit":1,"cosine":1,"boost":1}`:                                "boost",
		`{"model":"m","logit":1,"cosine":1}{}`:                                        "behind",
		`{"model":"m","logit":1e7,"cosine":1}`:                                        "logit",
		`{"model":"m","logit":1e999,"cosine":1}`:                                      "logit",
		`{"model":"m","logit":1,"cosine":1,"features":[{"field":"pirce","scale":1}]}`: "pirce",
		strings.Repeat(" ", 1<<20+1):                                                  "1048576",
	} {
		if _, err := blend.ReadWeights(strings.NewReader(text), "m"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: error %v, want one with %q", text, err, want)
		}
	}
}

func TestRulesJSON(t *testing.T) {
	text := `{"boosts":[{"name":"sale","filter":"price < 50","by":0.5},{"filter":{"brand":"acme"},"by":-1}],` +
		`"buries":[{"filter":"availability = \"out of stock\""}],"pins":[{"id":"a","place":2}]}`
	r, err := blend.ReadRules(strings.NewReader(text))
	if err != nil || len(r.Boosts) != 2 || r.Boosts[1].By != -1 || len(r.Buries) != 1 || r.Pins[0].Place != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	again, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := blend.ReadRules(bytes.NewReader(again)); err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("%s: %+v, %v", again, back, err)
	}
	for text, want := range map[string]string{
		`{"boosts":[{"filter":"price < 50"}]}`:                         "boost 1 (): no by",
		`{"boosts":[{"name":"s","filter":"price <","by":1}]}`:          "boost 1 (s): invalid filter",
		`{"boosts":[{"name":"s","by":1}]}`:                             "boost 1 (s): no filter",
		`{"boosts":[{"filter":"price < 50","by":99}]}`:                 "boost 1 (price < 50): by 99",
		`{"buries":[{"name":"s","filter":"price < 50","by":1}]}`:       "bury 1 (s)",
		`{"buries":[{"filter":"price < 50"},{"filter":{"price":1,}}]}`: "rules",
		`{"pins":[{"id":"a","place":1},{"id":"b","place":1}]}`:         "pin 2 (b)",
		`{"pins":[{"id":"a","plaice":1}]}`:                             "plaice",
	} {
		if _, err := blend.ReadRules(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

// FuzzReadWeights holds that what is read can be written and read again as it
// was, and orders without a failure.
func FuzzReadWeights(f *testing.F) {
	f.Add([]byte(`{"model":"m","logit":1,"cosine":1}`))
	f.Add([]byte(`{"model":"m","logit":-1e6,"cosine":1e6,"bias":1,"features":[{"field":"price","center":1e308,"scale":5e-324,"weight":1e6}]}`))
	f.Add([]byte(`{"model":"m","logit":0,"cosine":2,"features":[{"field":"brand","equals":"","weight":1},{"field":"attributes.new","weight":1}],"fitted":{"queries":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := blend.ReadWeights(bytes.NewReader(data), "m")
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := blend.WriteWeights(&b, w); err != nil {
			t.Fatal(err)
		}
		back, err := blend.ReadWeights(&b, "m")
		if err != nil {
			t.Fatal(err)
		}
		first, err := blend.Order(shop(), blend.Options{Weights: &w})
		if err != nil {
			t.Fatal(err)
		}
		second, err := blend.Order(shop(), blend.Options{Weights: &back})
		if err != nil || ids(first) != ids(second) {
			t.Errorf("%s became %s, %v", ids(first), ids(second), err)
		}
	})
}

func FuzzReadRules(f *testing.F) {
	f.Add([]byte(`{"boosts":[{"name":"s","filter":"price < 50","by":1}],"buries":[{"filter":{"brand":"acme"}}],"pins":[{"id":"a","place":2}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := blend.ReadRules(bytes.NewReader(data))
		if err != nil {
			return
		}
		if got, err := blend.Order(shop(), blend.Options{Rules: r}); err != nil || len(got) != len(shop()) {
			t.Errorf("%v, %v", got, err)
		}
		if text, err := json.Marshal(r); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	})
}
