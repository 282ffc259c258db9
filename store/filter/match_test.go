package filter_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sightline/store"
	"sightline/store/filter"
)

// item is what get of Match reads; values are of the types that ValueOf takes.
type item map[string]any

func (it item) get(field string) (filter.Value, bool) { return filter.ValueOf(it[field]) }

func TestMatch(t *testing.T) {
	full := item{
		"id": "a", "title": "Red shoe", "price": 49.5, "brand": "B", "version": int64(9007199254740993),
		"updated_at":      time.Date(2026, 1, 31, 12, 0, 0, 0, time.FixedZone("", 3600)),
		"attributes.size": 42.0, "attributes.fit": "42", "attributes.sale": false, "attributes.tags": []string{"b", "a", "c"},
		"attributes.none": []string{}, "attributes.blank": "",
	}
	for text, want := range map[string]bool{
		`price < 50`:                          true,
		`price < 49.5`:                        false,
		`price <= 49.5`:                       true,
		`price > 49.5`:                        false,
		`price >= 49.5`:                       true,
		`price = 49.50`:                       true,
		`price BETWEEN 49.5 AND 50`:           true,
		`price BETWEEN 40 AND 49.5`:           true,
		`price BETWEEN 50 AND 60`:             false,
		`brand = "B"`:                         true,
		`brand = "b"`:                         false,
		`brand != "b"`:                        true,
		`brand != "B"`:                        false,
		`brand IN ("A", "B")`:                 true,
		`brand NOT IN ("A", "B")`:             false,
		`brand NOT IN ("A", "C")`:             true,
		`brand < "a"`:                         true,
		`title STARTS WITH "Red"`:             true,
		`title STARTS WITH "red"`:             false,
		`title STARTS WITH ""`:                true,
		`version = 9007199254740993`:          true,
		`version = 9007199254740992`:          false,
		`version > 9007199254740992`:          true,
		`updated_at = "2026-01-31T11:00:00Z"`: true,
		`updated_at < "2026-01-31T12:00:00Z"`: true,
		`updated_at > "2026-01-31T11:00:00Z"`: false,
		`size = 42`:                           true,
		`size != 41`:                          true,
		`size = "42"`:                         false,
		`size != "42"`:                        false,
		`size NOT IN ("42", "43")`:            false,
		`size < "5"`:                          false,
		`NOT size = "42"`:                     true,
		`fit = "42"`:                          true,
		`fit < 50`:                            false,
		`fit STARTS WITH "4"`:                 true,
		`size STARTS WITH "4"`:                false,
		`sale = false`:                        true,
		`sale != true`:                        true,
		`sale = "false"`:                      false,
		`tags CONTAINS "a"`:                   true,
		`tags CONTAINS "d"`:                   false,
		`tags CONTAINS ANY ("x", "b")`:        true,
		`tags CONTAINS ANY ("x", "y")`:        false,
		`tags CONTAINS ALL ("a", "b")`:        true,
		`tags CONTAINS ALL ("a", "x")`:        false,
		`tags = "a"`:                          false,
		`tags != "a"`:                         false,
		`tags STARTS WITH "a"`:                false,
		`fit CONTAINS "42"`:                   false,
		`none EXISTS`:                         true,
		`none CONTAINS "a"`:                   false,
		`blank EXISTS`:                        true,
		`blank = ""`:                          true,
		`blank MISSING`:                       false,
		// color and weight are missing.
		`color EXISTS`:                      false,
		`color MISSING`:                     true,
		`NOT color EXISTS`:                  true,
		`color = "red"`:                     false,
		`color != "red"`:                    false,
		`color IN ("red", "blue")`:          false,
		`color NOT IN ("red", "blue")`:      false,
		`color STARTS WITH ""`:              false,
		`weight < 5 OR weight >= 5`:         false,
		`weight CONTAINS "a"`:               false,
		`NOT color = "red"`:                 true,
		`NOT weight BETWEEN 1 AND 2`:        true,
		`brand = "B" AND price < 50`:        true,
		`brand = "B" AND price < 5`:         false,
		`brand = "A" OR price < 50`:         true,
		`brand = "A" OR price < 5`:          false,
		`NOT (brand = "A" OR color EXISTS)`: true,
		`NOT (brand = "B" AND price < 50)`:  false,
	} {
		t.Run(text, func(t *testing.T) {
			e, err := filter.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := filter.Match(e, full.get); got != want {
				t.Errorf("got %v", got)
			}
			wantRoundTrips(t, e)
		})
	}
}

func TestNoFilter(t *testing.T) {
	if !filter.Match(nil, item{}.get) || filter.Format(nil) != "" || filter.Key(nil) != "" || len(filter.Fields(nil)) != 0 {
		t.Error("no filter must match everything and name nothing")
	}
}

// The fixed fields are those of store.Item, and limits of names its limits.
func TestFieldsOfItem(t *testing.T) {
	want := map[reflect.Type]filter.Type{
		reflect.TypeFor[string](): filter.String, reflect.TypeFor[*float64](): filter.Number,
		reflect.TypeFor[int64](): filter.Int, reflect.TypeFor[time.Time](): filter.Time,
	}
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[store.Item]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
		if got := filter.FieldType(name); got != want[f.Type] {
			t.Errorf("%s has type %v, want %v", name, got, want[f.Type])
		}
	}
	if len(names) != 16 {
		t.Errorf("an item has the fields %v", names)
	}
	for _, name := range []string{strings.Repeat("n", 128), strings.Repeat("n", 129), "a\x7f", "attributes", "price", "a b", "Title"} {
		_, err := filter.ParseJSON([]byte(`{"field":"attributes.` + name + `","exists":true}`))
		bad := store.Item{ID: "a", Attributes: map[string]any{name: true}}.Validate()
		if (err == nil) != (bad == nil) {
			t.Errorf("attribute %q: the filter says %v, the item %v", name, err, bad)
		}
	}
}

func TestFields(t *testing.T) {
	e, err := filter.Parse(`price < 5 AND (NOT a = 1 OR tags CONTAINS "x") AND title STARTS WITH "y" AND price EXISTS OR brand MISSING`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"attributes.a", "attributes.tags", "brand", "price", "title"}
	if got := filter.Fields(e); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if name, ok := filter.Attribute("attributes.a.b"); name != "a.b" || !ok {
		t.Errorf("got %q, %v", name, ok)
	}
	if name, ok := filter.Attribute("price"); name != "price" || ok {
		t.Errorf("got %q, %v", name, ok)
	}
}

func TestKey(t *testing.T) {
	seen := map[string]string{}
	for _, group := range [][]string{
		{`a = 1 AND (b = 2 OR c IN (3, 4))`, "(c in (4,3,4) or `b` = 2.0) and attributes.a=1e0"},
		{`a = 1 AND (b = 2 OR NOT c IN (3, 4))`},
		{`a = 1 AND b = 2 OR c IN (3, 4)`, `c IN (3, 4) OR b = 2 AND a = 1`},
		{`a = "1"`},
		{`a = 1`, `a IN (1)`},
		{`a != 1`},
		{`NOT a = 1`},
		{`a = true`},
		{`a = 0`, `a = -0`, `a = -0e9`},
		{`a EXISTS`, `NOT a MISSING`},
		{`a MISSING`},
		{`price BETWEEN 1 AND 2`, `price <= 2 AND price >= 1`},
		{`price > 1 AND price <= 2`},
		{`t CONTAINS ANY ("a", "b")`, `t CONTAINS ANY ("b", "a")`},
		{`t CONTAINS ALL ("a", "b")`},
		{`t IN ("a", "b")`},
		{`t CONTAINS "a, b"`},
		{`t STARTS WITH "a"`},
		{`t = "a"`},
		{`NOT (a = 1 AND b = 1)`},
		{`NOT a = 1 AND b = 1`, `b = 1 AND NOT a = 1`},
		{`updated_at = "2026-01-31T12:00:00Z"`, `updated_at = "2026-01-31T13:00:00.000+01:00"`},
	} {
		key := wantOneKey(t, group)
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q share the key %s", group[0], other, key)
		}
		seen[key] = group[0]
	}
}

func wantOneKey(t *testing.T, group []string) string {
	t.Helper()
	var keys []string
	for _, text := range group {
		e, err := filter.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, filter.Key(e))
	}
	if len(slices.Compact(slices.Clone(keys))) != 1 {
		t.Errorf("%q have the keys %q", group, keys)
	}
	return keys[0]
}

func TestWithout(t *testing.T) {
	for text, want := range map[string]string{
		`brand = "Acme"`:                                  "",
		`brand = "Acme" AND price < 5`:                    "price < 5",
		`brand = "Acme" AND price < 5 AND color = "red"`:  `color = "red" AND price < 5`,
		`(brand = "Acme" OR brand MISSING) AND price < 5`: "price < 5",
		`brand = "Acme" OR price < 5`:                     `brand = "Acme" OR price < 5`,
		`NOT brand = "Acme"`:                              "",
		`price < 5`:                                       "price < 5",
	} {
		e, err := filter.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var expected filter.Expr
		if want != "" {
			if expected, err = filter.Parse(want); err != nil {
				t.Fatal(err)
			}
		}
		got := filter.Without(e, "brand")
		if (got == nil) != (expected == nil) || got != nil && filter.Key(got) != filter.Key(expected) {
			t.Errorf("%s: got %v, want %q", text, got, want)
		}
	}
	if filter.Without(nil, "brand") != nil {
		t.Error("nothing without brand is something")
	}
}
