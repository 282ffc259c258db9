package filter_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"sightline/store/filter"
)

func TestParseJSON(t *testing.T) {
	cheap := filter.Compare{Field: "price", Op: filter.Less, Value: num(50)}
	shoes, wool := is("category", str("shoes")), is("attributes.material", str("wool"))
	for data, want := range map[string]filter.Expr{
		`{"field":"price","lt":50}`:               cheap,
		` {"price": {"lt": 50.0}} `:               cheap,
		`{"price":{"lte":50}}`:                    filter.Compare{Field: "price", Op: filter.LessEqual, Value: num(50)},
		`{"price":{"gt":50}}`:                     filter.Compare{Field: "price", Op: filter.Greater, Value: num(50)},
		`{"price":{"gte":-0}}`:                    filter.Compare{Field: "price", Op: filter.GreaterEqual, Value: num(0)},
		`{"category":"shoes"}`:                    shoes,
		`{"category":{"eq":"shoes"}}`:             shoes,
		`{"category":{"in":["shoes","shoes"]}}`:   shoes,
		`{"category":{"ne":"shoes"}}`:             isNot("category", str("shoes")),
		`{"field":"category","nin":["b","a"]}`:    isNot("category", str("a"), str("b")),
		`{"field":"sale","eq":true}`:              is("attributes.sale", truth(true)),
		`{"version":9007199254740993}`:            is("version", whole(9007199254740993)),
		`{"updated_at":"1970-01-01T00:00:01Z"}`:   is("updated_at", instant(1)),
		`{"title":{"prefix":"R"}}`:                filter.Prefix{Field: "title", Text: "R"},
		`{"price":{"exists":true}}`:               filter.Exists{Field: "price"},
		`{"price":{"exists":false}}`:              not(filter.Exists{Field: "price"}),
		`{"not":{"price":{"exists":false}}}`:      filter.Exists{Field: "price"},
		`{"tags":{"contains":"a"}}`:               filter.Contains{Field: "attributes.tags", Values: []string{"a"}},
		`{"tags":{"contains_any":["b","a"]}}`:     filter.Contains{Field: "attributes.tags", Values: []string{"a", "b"}},
		`{"tags":{"contains_all":["b","a"]}}`:     filter.Contains{Field: "attributes.tags", Values: []string{"a", "b"}, All: true},
		`{"material":"wool"}`:                     wool,
		`{"attributes.material":"wool"}`:          wool,
		`{"shoe size":{"eq":42}}`:                 is("attributes.shoe size", num(42)),
		`{"attributes.and":1}`:                    is("attributes.and", num(1)),
		`{"attributes.lt":1}`:                     is("attributes.lt", num(1)),
		`{"field":"and","eq":1}`:                  is("attributes.and", num(1)),
		`{"category":"shoes","price":{"lt":50}}`:  and(shoes, cheap),
		`{"price":{"lt":50,"exists":true}}`:       and(cheap, filter.Exists{Field: "price"}),
		`{"lt":50,"field":"price","exists":true}`: and(cheap, filter.Exists{Field: "price"}),
		`{"price":{"between":[50,50]},"category":"shoes"}`: and(
			filter.Compare{Field: "price", Op: filter.GreaterEqual, Value: num(50)},
			filter.Compare{Field: "price", Op: filter.LessEqual, Value: num(50)}, shoes,
		),
		`{"and":[{"category":"shoes"},{"price":{"lt":50}}]}`:                    and(shoes, cheap),
		`{"or":[{"category":"shoes"},{"price":{"lt":50}}]}`:                     or(shoes, cheap),
		`{"or":[{"or":[{"category":"shoes"}]},{"or":["price < 50", "a = 1"]}]}`: or(shoes, cheap, is("attributes.a", num(1))),
		`{"not":{"not":{"category":"shoes"}}}`:                                  shoes,
		`{"not":{"category":"shoes","price":{"lt":50}}}`:                        not(and(shoes, cheap)),
		`{"category":"shoes","not":"price < 50"}`:                               and(shoes, not(cheap)),
		`{"material":"wool","or":[{"category":"shoes"},{"price":{"lt":50}}]}`:   and(wool, or(shoes, cheap)),
		`"category = \"shoes\" OR price < 50"`:                                  or(shoes, cheap),
		`{"and":["category = 'shoes' OR price < 50", {"material":"wool"}]}`:     and(or(shoes, cheap), wool),
	} {
		t.Run(data, func(t *testing.T) {
			got, err := filter.ParseJSON([]byte(data))
			wantTree(t, got, err, want)
		})
	}
}

func TestParseJSONErrors(t *testing.T) {
	const (
		empty  = `the filter is empty: leave it out to search everything`
		object = `must be a filter: an object such as {"price": {"lt": 50}}, or text such as "price < 50"`
		list   = `must be a list of at least one filter`
	)
	for data, want := range map[string][]string{
		``:                     {`$: ` + empty},
		`{}`:                   {`$: ` + empty},
		`""`:                   {`$: ` + empty},
		`null`:                 {`$: ` + object},
		`[]`:                   {`$: ` + object},
		`50`:                   {`$: ` + object},
		`{"a":1`:               {`$: the JSON ends too early: was it cut?`},
		`{"a":1,}`:             {`$: not valid JSON near byte 8: invalid character '}' looking for beginning of object key string`},
		`{"a":1} {}`:           {`$: not valid JSON near byte 9: invalid character '{' after top-level value`},
		`{"a":NaN}`:            {`$: not valid JSON near byte 6: invalid character 'N' looking for beginning of value`},
		"\"\xff\"":             {`$: the filter is not valid UTF-8 text: encode it so`},
		`{"and":[]}`:           {`$.and: ` + list},
		`{"or":{"a":1}}`:       {`$.or: ` + list},
		`{"and":[{"a":1},{}]}`: {`$.and[1]: ` + empty},
		`{"not":[{"a":1}]}`:    {`$.not: ` + object},
		`{"AND":[{"a":1}]}`:    {`$.AND: AND is written "and"; write attributes.AND for an attribute of that name`},
		`{"Field":"price","lt":1}`: {
			`$.Field: Field is written "field"; write attributes.Field for an attribute of that name`,
			`$.lt: lt is an operator: write it inside a field, {"price": {"lt": …}}, or attributes.lt for an attribute of that name`,
		},
		`{"price":{"less":50}}`:        {`$.price.less: "less" is not an operator; there are eq, ne, lt, lte, gt, gte, in, nin, between, prefix, exists, contains, contains_any, contains_all`},
		`{"price":{"$gt":50}}`:         {`$.price["$gt"]: "$gt" is not an operator; did you mean "gt"?`},
		`{"price":{"le":50}}`:          {`$.price.le: "le" is not an operator; did you mean "lte"?`},
		`{"price":{"betwee":[1,2]}}`:   {`$.price.betwee: "betwee" is not an operator; did you mean "between"?`},
		`{"brand":{"not_in":["a"]}}`:   {`$.brand.not_in: "not_in" is not an operator; did you mean "nin"?`},
		`{"brand":{"zz":1}}`:           {`$.brand.zz: "zz" is not an operator; there are eq, ne, lt, lte, gt, gte, in, nin, between, prefix, exists, contains, contains_any, contains_all`},
		`{"attributes":{"a":"x"}}`:     {`$.attributes: attributes holds all free attributes: name one of them, such as attributes.material`},
		`{"price":{"lt":"50"}}`:        {`$.price.lt: price is a number: write "lt": 50, not "lt": "50"`},
		`{"price":"50"}`:               {`$.price: price is a number: write "eq": 50, not "eq": "50"`},
		`{"price":{"in":[1,"2"]}}`:     {`$.price.in[1]: price is a number: write 2, not "2"`},
		`{"price":{"lt":null}}`:        {`$.price.lt: null is no value: write {"exists": false} for a missing field`},
		`{"brand":null}`:               {`$.brand: null is no value: write {"exists": false} for a missing field`},
		`{"brand":["a"]}`:              {`$.brand: a list is no single value: write {"in": […]} or {"contains_any": […]}`},
		`{"brand":{"in":[["a"]]}}`:     {`$.brand.in[0]: a list is no single value: write {"in": […]} or {"contains_any": […]}`},
		`{"brand":{"eq":{"a":1}}}`:     {`$.brand.eq: an object is no value: write text in quotes, a number, true or false`},
		`{"brand":{"in":"a"}}`:         {`$.brand.in: must be a list of 1 to 1000 values`},
		`{"brand":{"nin":[]}}`:         {`$.brand.nin: must be a list of 1 to 1000 values`},
		`{"price":{"between":[1]}}`:    {`$.price.between: must be a list of two values: the smallest and the largest`},
		`{"price":{"between":[2,1]}}`:  {`$.price.between[0]: the range is empty: give the smaller value first`},
		`{"price":{"exists":1}}`:       {`$.price.exists: must be true or false`},
		`{"price":{"prefix":"1"}}`:     {`$.price.prefix: price is a number: "prefix" is for text`},
		`{"brand":{"contains":"a"}}`:   {`$.brand.contains: brand is text, not a list: use "eq" or "in"`},
		`{"tags":{"contains":1}}`:      {`$.tags.contains: lists hold texts: write "contains": "1", not "contains": 1`},
		`{"sale":{"gt":true}}`:         {`$.sale.gt: true and false have no order: use "eq" or "ne"`},
		`{"price":{}}`:                 {`$.price: has no operator: write one, such as {"exists": true}`},
		`{"field":"price"}`:            {`$: has no operator: write one beside "field", such as "exists": true`},
		`{"field":5,"lt":5}`:           {`$.field: must be the name of a field in quotes; write attributes.field for an attribute of that name`},
		`{"a":1,"a":2}`:                {`$.a: is given more than once: write {"and": […]} around both`},
		`{"a":{"gt":1,"\u0067t":2}}`:   {`$.a.gt: is given more than once: write {"and": […]} around both`},
		`{"and":["a = 1", "a = = 2"]}`: {`$.and[1], column 5: expected a value, found =`},
		`{"or":[{"price":"x","Brand":"y"},{"not":{"field":"Color","lt":5,"foo":6}},"category = 5", 7]}`: {
			`$.or[0].price: price is a number: write "eq": 50, not "eq": "x"`,
			`$.or[0].Brand: Brand is not a field: write brand, or attributes.Brand for an attribute of that name`,
			`$.or[1].not.field: Color is not a field: write color, or attributes.Color for an attribute of that name`,
			`$.or[1].not.foo: "foo" is not an operator; there are eq, ne, lt, lte, gt, gte, in, nin, between, prefix, exists, contains, contains_any, contains_all`,
			`$.or[2], column 12: category is text: write category = "5", not category = 5`,
			`$.or[3]: ` + object,
		},
	} {
		t.Run(data, func(t *testing.T) {
			got, err := filter.ParseJSON([]byte(data))
			wantError(t, got, err, want...)
		})
	}
}

func TestOperatorHints(t *testing.T) {
	for meant, names := range map[string]string{
		"eq": "equals term == Eq", "ne": "neq not != <>", "lt": "less_than below < $lt", "lte": "le max <= LTE", "gt": "above > _gt", "gte": "ge min >=",
		"in": "any_of terms", "nin": "not_in none_of niin", "between": "range beetwen", "prefix": "starts_with like prefx", "exists": "missing is_null exist",
		"contains": "contain", "contains_any": "any contains-any", "contains_all": "all",
	} {
		for name := range strings.FieldsSeq(names) {
			e, err := filter.ParseJSON([]byte(`{"price":{"` + name + `":1}}`))
			wantProblem(t, e, err, filter.Problem{Path: pathOf(name), Detail: `"` + name + `" is not an operator; did you mean "` + meant + `"?`}.String())
		}
	}
}

// pathOf is the path of a member of price.
func pathOf(name string) string {
	if strings.ContainsAny(name, "$<>=!") {
		return `$.price["` + name + `"]`
	}
	return "$.price." + name
}

func TestParseJSONLimits(t *testing.T) {
	repeat := strings.Repeat
	const deep = "nested deeper than 32 levels: write fewer AND, OR, NOT and parentheses inside each other"
	nots := func(n int, inner string) string { return repeat(`{"not":`, n) + inner + repeat("}", n) }
	lists := func(n int) string {
		return repeat(`{"or":[{"a":1},{"and":[{"a":1},`, n) + `{"tags":{"contains_any":["a","b"]}}` + repeat(`]}]}`, n)
	}
	for name, c := range map[string]struct{ data, problem string }{
		"not":                 {nots(32, `{"a":1}`), ""},
		"too many not":        {nots(33, `{"a":1}`), "$" + repeat(".not", 33) + ": " + deep},
		"lists":               {lists(16), ""},
		"deeper lists":        {`{"or":[{"a":1},` + lists(16) + `]}`, "$.or[1]" + repeat(".or[1].and[1]", 15) + ".or[1].and[0]: " + deep},
		"text inside":         {nots(31, `"NOT a = 1"`), ""},
		"too deep text":       {nots(32, `"NOT a = 1"`), "$" + repeat(".not", 32) + ", column 1: " + deep},
		"joined by members":   {repeat(`{"a":1,"not":`, 17) + `{"a":1}` + repeat("}", 17), "$: " + deep},
		"JSON alone":          {repeat("[", 1000) + repeat("]", 1000), "$: " + deep},
		"too many values":     {`{"a":{"in":[1` + repeat(",1", 1000) + `]}}`, "$.a.in: must be a list of 1 to 1000 values"},
		"too many conditions": {`{"or":[{"a":1}` + repeat(`,{"a":1}`, 256) + `]}`, "$.or[256].a: more than 256 conditions: give many values of one field as one list"},
		"too many bytes":      {`{"a":"` + repeat("x", 1<<16) + `"}`, "$: the filter is 65544 bytes long; the limit is 65536"},
		"canonical bytes":     {`{"a":"` + repeat("x", 1<<16-8) + `"}`, "$: the filter is 65560 bytes long; the limit is 65536 in canonical form"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := filter.ParseJSON([]byte(c.data))
			if c.problem != "" {
				wantProblem(t, got, err, c.problem)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantRoundTrips(t, got)
		})
	}
}

// wantProblem looks at the first problem only: each part that is too deep is one.
func wantProblem(t *testing.T, e filter.Expr, err error, want string) {
	t.Helper()
	if err == nil || e != nil {
		t.Fatalf("got %#v and %v", e, err)
	}
	if got, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "invalid filter: "), "; $"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMarshalJSONInside(t *testing.T) {
	e, err := filter.Parse(`a = "<&>" AND NOT (b IN (1, 2) OR c MISSING)`)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(map[string]filter.Expr{"filter": e})
	if err != nil {
		t.Fatal(err)
	}
	var body struct{ Filter json.RawMessage }
	if err := json.Unmarshal(data, &body); err != nil {
		t.Fatal(err)
	}
	if back, err := filter.ParseJSON(body.Filter); err != nil || !reflect.DeepEqual(back, e) {
		t.Errorf("%s became %#v, %v", data, back, err)
	}
}
