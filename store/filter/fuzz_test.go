package filter_test

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode/utf8"

	"sightline/store/filter"
)

// checkParsed holds for both forms and every input.
func checkParsed(t *testing.T, input string, e filter.Expr, err error) {
	t.Helper()
	if err == nil {
		wantRoundTrips(t, e)
		if data, _ := e.MarshalJSON(); !json.Valid(data) {
			t.Fatalf("%q became %s, which is no JSON", input, data)
		}
		if e, err := filter.Parse(filter.Key(e)); err != nil || len(filter.Fields(e)) == 0 {
			t.Fatalf("the key of %q reads as %#v, %v", input, e, err)
		}
		return
	}
	var bad *filter.Error
	if e != nil || !errors.As(err, &bad) || len(bad.Problems) == 0 || len(bad.Problems) > 32 {
		t.Fatalf("%q gives %#v and %v", input, e, err)
	}
	for _, p := range bad.Problems {
		if p.Detail == "" || len(p.Detail) > 1000 || !utf8.ValidString(p.Detail) || p.Column < 0 || p.Column > utf8.RuneCountInString(input)+1 {
			t.Fatalf("%q gives the problem %+v", input, p)
		}
	}
}

// FuzzParse: whatever a text holds, reading it ends in problems with words and
// places, or in a filter that both forms give back unchanged.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`category = "shoes" AND price < 50 AND NOT brand IN ("a","b")`,
		`price BETWEEN 1 AND 2.5e1 OR version >= 9007199254740993 OR updated_at < "2026-01-31T12:00:00+01:00"`,
		"tags CONTAINS ANY ('a','b') OR `shoe size` MISSING OR title STARTS WITH '\\u00e9'",
		`attributes.x NOT IN (true, false) AND (((y != -0)))`,
		`price < "50" OR Brand = NaN`, `a == 1`, `"`, `NOT`, "\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := filter.Parse(text)
		checkParsed(t, text, e, err)
	})
}

// FuzzParseJSON: the same for JSON.
func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		`{"category":"shoes","price":{"lt":50,"gte":1},"or":[{"field":"brand","nin":["a","b"]},"price MISSING"]}`,
		`{"and":[{"not":{"tags":{"contains_all":["a","b"]}}},{"version":9007199254740993}]}`,
		`{"field":"title","prefix":"\ud800\u0000","exists":false}`,
		`{"price":{"between":[2,1]},"updated_at":{"gt":"2026"},"attributes":{}}`,
		`"a = 1"`, `{"a":1,"a":2}`, `[`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := filter.ParseJSON(data)
		checkParsed(t, string(data), e, err)
		if err == nil && !json.Valid(data) {
			t.Fatalf("took %q, which is no JSON", data)
		}
	})
}
