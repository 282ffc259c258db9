package filter_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"sightline/store/filter"
)

func str(text string) filter.Value { return filter.Value{Type: filter.String, Text: text} }
func num(n float64) filter.Value   { return filter.Value{Type: filter.Number, Number: n} }
func whole(n int64) filter.Value   { return filter.Value{Type: filter.Int, Int: n} }
func truth(b bool) filter.Value    { return filter.Value{Type: filter.Bool, Bool: b} }
func instant(sec int64) filter.Value {
	return filter.Value{Type: filter.Time, Time: time.Unix(sec, 0).UTC()}
}

func is(field string, values ...filter.Value) filter.In {
	return filter.In{Field: field, Values: values}
}

func isNot(field string, values ...filter.Value) filter.In {
	return filter.In{Field: field, Values: values, Not: true}
}

func and(kids ...filter.Expr) filter.Expr { return filter.And{Kids: kids} }
func or(kids ...filter.Expr) filter.Expr  { return filter.Or{Kids: kids} }
func not(kid filter.Expr) filter.Expr     { return filter.Not{Kid: kid} }

// wantTree also checks what holds for every accepted filter.
func wantTree(t *testing.T, got filter.Expr, err error, want filter.Expr) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %#v\nwant %#v", got, want)
	}
	wantRoundTrips(t, got)
}

func wantRoundTrips(t interface {
	Helper()
	Fatalf(string, ...any)
}, e filter.Expr,
) {
	t.Helper()
	text := filter.Format(e)
	if back, err := filter.Parse(text); err != nil || !reflect.DeepEqual(back, e) {
		t.Fatalf("Parse(Format) of %s: %v\ngot  %#v\nwant %#v", text, err, back, e)
	}
	data, err := e.MarshalJSON()
	if err != nil {
		t.Fatalf("%s has no JSON: %v", text, err)
	}
	if back, err := filter.ParseJSON(data); err != nil || !reflect.DeepEqual(back, e) {
		t.Fatalf("ParseJSON(MarshalJSON) of %s: %v\ngot  %#v\nwant %#v", data, err, back, e)
	}
}

func TestParseConditions(t *testing.T) {
	compare := func(field string, op filter.Order, v filter.Value) filter.Expr {
		return filter.Compare{Field: field, Op: op, Value: v}
	}
	contains := func(all bool, texts ...string) filter.Expr {
		return filter.Contains{Field: "attributes.tags", Values: texts, All: all}
	}
	for text, want := range map[string]filter.Expr{
		`category = "shoes"`:                       is("category", str("shoes")),
		`category='shoes'`:                         is("category", str("shoes")),
		`category != "shoes"`:                      isNot("category", str("shoes")),
		`price < 50`:                               compare("price", filter.Less, num(50)),
		`price<=-0.5e1`:                            compare("price", filter.LessEqual, num(-5)),
		"price\t>\n1e3":                            compare("price", filter.Greater, num(1000)),
		`price >= 0`:                               compare("price", filter.GreaterEqual, num(0)),
		`price = -0`:                               is("price", num(0)),
		`title >= "m"`:                             compare("title", filter.GreaterEqual, str("m")),
		`version > 9007199254740993`:               compare("version", filter.Greater, whole(9007199254740993)),
		`version = -9223372036854775808`:           is("version", whole(-9223372036854775808)),
		`version IN (5.0, 9007199254740993.00)`:    is("version", whole(5), whole(9007199254740993)),
		`brand IN ("b", "a", "b")`:                 is("brand", str("a"), str("b")),
		`brand in ("a")`:                           is("brand", str("a")),
		`brand not in("a","b")`:                    isNot("brand", str("a"), str("b")),
		`price BETWEEN 10 AND 20`:                  and(compare("price", filter.GreaterEqual, num(10)), compare("price", filter.LessEqual, num(20))),
		`price Between 10 And 10`:                  and(compare("price", filter.GreaterEqual, num(10)), compare("price", filter.LessEqual, num(10))),
		`title STARTS WITH "Red"`:                  filter.Prefix{Field: "title", Text: "Red"},
		`title starts  with ""`:                    filter.Prefix{Field: "title"},
		`price EXISTS`:                             filter.Exists{Field: "price"},
		`price MISSING`:                            not(filter.Exists{Field: "price"}),
		`NOT price exists`:                         not(filter.Exists{Field: "price"}),
		`NOT price MISSING`:                        filter.Exists{Field: "price"},
		`tags CONTAINS "a"`:                        contains(false, "a"),
		`tags CONTAINS ANY ("b","a")`:              contains(false, "a", "b"),
		`tags CONTAINS ALL ("b","a","b")`:          contains(true, "a", "b"),
		`tags CONTAINS ALL ("a","a")`:              contains(false, "a"),
		`attributes.tags CONTAINS "a"`:             contains(false, "a"),
		`material = "wool"`:                        is("attributes.material", str("wool")),
		`attributes.material = 'wool'`:             is("attributes.material", str("wool")),
		`attributes.attributes.x = 1`:              is("attributes.attributes.x", num(1)),
		`attributes.and = 1`:                       is("attributes.and", num(1)),
		"`and` = 1":                                is("attributes.and", num(1)),
		"`price` = 1":                              is("price", num(1)),
		"`shoe size` = 42":                         is("attributes.shoe size", num(42)),
		"`attributes.größe` = 42":                  is("attributes.größe", num(42)),
		"`a\\`b\\\\` = 1":                          is("attributes.a`b\\", num(1)),
		`_x.y-z9 = 1`:                              is("attributes._x.y-z9", num(1)),
		`sale = TRUE`:                              is("attributes.sale", truth(true)),
		`sale IN (true, false)`:                    is("attributes.sale", truth(false), truth(true)),
		`updated_at > "1970-01-01T01:00:01+01:00"`: compare("updated_at", filter.Greater, instant(1)),
		`title = "say \"hi\" \\ \/ \u00e9 \ud83d\ude00\n\t\r\b\f\'"`: is("title", str("say \"hi\" \\ / é 😀\n\t\r\b\f'")),
		`title = 'a "b" c'`:              is("title", str(`a "b" c`)),
		"title = \"two\nlines\x01\"":     is("title", str("two\nlines\x01")),
		`added = "2026-01-31T12:00:00Z"`: is("attributes.added", str("2026-01-31T12:00:00Z")),
		`code = 1e21`:                    is("attributes.code", num(1e21)),
		`code = 5e-324`:                  is("attributes.code", num(5e-324)),
	} {
		t.Run(text, func(t *testing.T) {
			got, err := filter.Parse(text)
			wantTree(t, got, err, want)
		})
	}
}

func TestParsePrecedence(t *testing.T) {
	a, b, c, d := is("attributes.a", num(1)), is("attributes.b", num(1)), is("attributes.c", num(1)), is("attributes.d", num(1))
	for text, want := range map[string]filter.Expr{
		"a=1 OR b=1 AND c=1":             or(a, and(b, c)),
		"a=1 AND b=1 OR c=1":             or(and(a, b), c),
		"(a=1 OR b=1) AND c=1":           and(or(a, b), c),
		"NOT a=1 AND b=1":                and(not(a), b),
		"NOT (a=1 AND b=1)":              not(and(a, b)),
		"NOT a=1 OR NOT b=1":             or(not(a), not(b)),
		"NOT NOT a=1":                    a,
		"NOT (NOT (NOT a=1))":            not(a),
		"a=1 AND b=1 AND c=1":            and(a, b, c),
		"a=1 AND (b=1 AND (c=1))":        and(a, b, c),
		"(a=1 AND b=1) AND (c=1)":        and(a, b, c),
		"a=1 OR (b=1 OR c=1) OR d=1":     or(a, b, c, d),
		"a=1 or(b=1)and c=1":             or(a, and(b, c)),
		"((a=1))":                        a,
		"a=1 AND a=1":                    and(a, a),
		"NOT(a=1 OR b=1)AND NOT (c=1)":   and(not(or(a, b)), not(c)),
		"a = 1 AND b NOT IN (1) OR c =1": or(and(a, isNot("attributes.b", num(1))), c),
	} {
		t.Run(text, func(t *testing.T) {
			got, err := filter.Parse(text)
			wantTree(t, got, err, want)
		})
	}
}

func ExampleParse() {
	e, err := filter.Parse(`category = 'shoes' and not (price >= 50 or brand missing)`)
	fmt.Println(filter.Format(e), err)
	_, err = filter.Parse(`price < "50"`)
	fmt.Println(err)
	// Output:
	// category = "shoes" AND NOT (price >= 50 OR brand MISSING) <nil>
	// invalid filter: column 9: price is a number: write price < 50, not price < "50"
}
