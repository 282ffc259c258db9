package filter_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"sightline/store/filter"
)

// wantError wants exactly these problems, in this order.
func wantError(t *testing.T, e filter.Expr, err error, want ...string) {
	t.Helper()
	var bad *filter.Error
	if e != nil || !errors.As(err, &bad) {
		t.Fatalf("got %#v and the error %v, want no tree and a *filter.Error", e, err)
	}
	var got []string
	for _, p := range bad.Problems {
		got = append(got, p.String())
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	if text := "invalid filter: " + strings.Join(want, "; "); bad.More == 0 && err.Error() != text {
		t.Errorf("message %q, want %q", err, text)
	}
}

func TestParseSyntaxErrors(t *testing.T) {
	const operators = "expected an operator (=, !=, <, <=, >, >=, IN, NOT IN, BETWEEN, STARTS WITH, CONTAINS, EXISTS or MISSING), found "
	for text, want := range map[string]string{
		``:                                      `the filter is empty: leave it out to search everything`,
		" \n":                                   `the filter is empty: leave it out to search everything`,
		`price`:                                 `column 6: ` + operators + `the end`,
		`price 50`:                              `column 7: ` + operators + `50`,
		`title LIKE "x"`:                        `column 7: ` + operators + `LIKE`,
		`price <`:                               `column 8: expected a value, found the end`,
		`price < AND`:                           `column 9: expected a value, found AND`,
		`price < )`:                             `column 9: expected a value, found )`,
		`price == 5`:                            `column 7: == is not an operator: write =`,
		`price <> 5`:                            `column 7: <> is not an operator: write !=`,
		`price => 5`:                            `column 7: => is not an operator: write >=`,
		`price =< 5`:                            `column 7: =< is not an operator: write <=`,
		`brand:nike`:                            `column 6: : is not an operator: write =`,
		`price =! 5`:                            `column 7: =! is not an operator: there are =, !=, <, <=, > and >=`,
		`a=1 && b=1`:                            `column 5: && is not an operator: write AND`,
		`a=1 || b=1`:                            `column 5: || is not an operator: write OR`,
		`!a=1`:                                  `column 1: ! is not an operator: write NOT`,
		`a=1 b=1`:                               `column 5: expected AND, OR or the end, found b`,
		`a=1, b=1`:                              `column 4: expected AND, OR or the end, found ,`,
		`a=1)`:                                  `column 4: expected AND, OR or the end, found )`,
		`(a=1`:                                  `column 1: this ( is never closed: add a ) behind what belongs together`,
		`(a=1 b=1)`:                             `column 6: expected AND, OR or ), found b`,
		`a=1 AND`:                               `column 8: expected a field, found the end`,
		`()`:                                    `column 2: expected a field, found )`,
		`AND a=1`:                               `column 1: expected a field, found the keyword AND: write attributes.AND for an attribute of that name`,
		`any = 1`:                               `column 1: expected a field, found the keyword any: write attributes.any for an attribute of that name`,
		`"shoes" = category`:                    `column 1: expected a field, found "shoes": write the field first, such as category = "shoes"`,
		`50 > price`:                            `column 1: expected a field, found 50`,
		`category = shoes`:                      `column 12: shoes is no value: write texts in quotes, "shoes"`,
		"category = `shoes`":                    "column 12: `shoes` is no value: write texts in quotes, \"shoes\"",
		`brand = null`:                          `column 9: null is no value: write MISSING or EXISTS behind the field`,
		`brand = ("a","b")`:                     `column 9: expected one value, found a list: use IN (…) or CONTAINS ANY (…)`,
		`brand IN "a"`:                          `column 10: expected (, found "a"`,
		`brand IN ()`:                           `column 11: expected a value, found )`,
		`brand IN ("a",)`:                       `column 15: expected a value, found )`,
		`brand IN ("a" "b")`:                    `column 15: expected , or ), found "b"`,
		`brand NOT = "a"`:                       `column 11: expected IN, found =`,
		`tags NOT CONTAINS "a"`:                 `column 10: only IN can follow NOT here: write NOT in front of the field`,
		`tags CONTAINS ("a")`:                   `column 15: say how many must be there: write CONTAINS ANY (…) or CONTAINS ALL (…)`,
		`price BETWEEN 1, 2`:                    `column 16: expected AND, found ,`,
		`title STARTS "a"`:                      `column 14: expected WITH, found "a"`,
		`title = "abc`:                          `column 9: this " is never closed: end the text with another "`,
		`title = "é" AND b = 'abc`:              `column 21: this ' is never closed: end the text with another '`,
		`title = "a\q"`:                         `column 11: this \ begins no escape: write \\ for a backslash; \" \' \b \f \n \r \t and \uXXXX are the others`,
		`title = "\ud800"`:                      `column 10: this \ begins no escape: write \\ for a backslash; \" \' \b \f \n \r \t and \uXXXX are the others`,
		`title = "a\`:                           `column 11: this \ begins no escape: write \\ for a backslash; \" \' \b \f \n \r \t and \uXXXX are the others`,
		`category = ` + strings.Repeat("é", 30): `column 12: 'é' has no meaning here: put texts in quotes and names with such characters in back quotes`,
		`price "` + strings.Repeat("é", 30) + `"`: `column 7: ` + operators + `"` + strings.Repeat("é", 19) + `…`,
		`title = "\u12g4"`:                        `column 10: this \ begins no escape: write \\ for a backslash; \" \' \b \f \n \r \t and \uXXXX are the others`,
		`price < .5`:                              `column 9: .5 is not a number: write it like -12, 0.5 or 1e6, or in quotes if it is text`,
		`ean = 007`:                               `column 7: 007 is not a number: write it like -12, 0.5 or 1e6, or in quotes if it is text`,
		`price < 50EUR`:                           `column 9: 50EUR is not a number: write it like -12, 0.5 or 1e6, or in quotes if it is text`,
		`price < NaN`:                             `column 9: NaN is no value: write texts in quotes, "NaN"`,
		`price < -Inf`:                            `column 9: -Inf is not a number: write it like -12, 0.5 or 1e6, or in quotes if it is text`,
		`größe = 42`:                              `column 3: 'ö' has no meaning here: put texts in quotes and names with such characters in back quotes`,
		`price < “50”`:                            `column 9: '“' has no meaning here: put texts in quotes and names with such characters in back quotes`,
		"a = \"\xff\"":                            `the filter is not valid UTF-8 text: encode it so`,
	} {
		t.Run(text, func(t *testing.T) {
			got, err := filter.Parse(text)
			wantError(t, got, err, want)
		})
	}
}

func TestParseTypeErrors(t *testing.T) {
	for text, want := range map[string][]string{
		`price < "50"`:            {`column 9: price is a number: write price < 50, not price < "50"`},
		`price < "cheap"`:         {`column 9: price is a number: write price < 50, not price < "cheap"`},
		`price IN (1, "2")`:       {`column 14: price is a number: write 2, not "2"`},
		`price BETWEEN "1" AND 2`: {`column 15: price is a number: write 1, not "1"`},
		`price = true`:            {`column 9: price is a number: write price = 50, not price = true`},
		`price < 1e999`:           {`column 9: price is a number of 64 bits: write price < 50, not price < 1e999`},
		`size < 1e999`:            {`column 8: 1e999 does not fit a 64-bit number: write a smaller one`},
		`category = 5`:            {`column 12: category is text: write category = "5", not category = 5`},
		`brand = true`:            {`column 9: brand is text: write brand = "true", not brand = true`},
		`version < 1.5`:           {`column 11: version is a whole number below 2^63: write version < 50, not version < 1.5`},
		`version = 9223372036854775808`: {
			`column 11: version is a whole number below 2^63: write version = 50, not version = 9223372036854775808`,
		},
		`version = "7"`: {`column 11: version is a whole number below 2^63: write version = 7, not version = "7"`},
		`version = 1e3`: {`column 11: version is a whole number below 2^63: write version = 50, not version = 1e3`},
		`version = 1.00000000000000000001`: {
			`column 11: version is a whole number below 2^63: write version = 50, not version = 1.00000000000000000001`,
		},
		`updated_at > 2026`:         {`column 14: updated_at is a time: write updated_at > "2026-01-31T12:00:00Z", not updated_at > 2026`},
		`updated_at > "2026-01-31"`: {`column 14: updated_at is a time: write updated_at > "2026-01-31T12:00:00Z", not updated_at > "2026-01-31"`},
		`updated_at > "0000-01-01T00:00:00+01:00"`: {
			`column 14: updated_at is a time: write updated_at > "2026-01-31T12:00:00Z", not updated_at > "0000-01-01T00:00:00+01:00"`,
		},
		`price STARTS WITH "5"`:       {`column 1: price is a number: STARTS WITH is for text`},
		`size STARTS WITH 5`:          {`column 18: a prefix is text: write attributes.size STARTS WITH "5", not attributes.size STARTS WITH 5`},
		`category CONTAINS "x"`:       {`column 1: category is text, not a list: use = or IN`},
		`tags CONTAINS 5`:             {`column 15: lists hold texts: write attributes.tags CONTAINS "5", not attributes.tags CONTAINS 5`},
		`tags CONTAINS ANY ("a", 5)`:  {`column 25: lists hold texts: write "5", not 5`},
		`size IN ("a", 5)`:            {`column 15: the values of one list must be of one type: 5 is not text`},
		`sale < true`:                 {`column 8: true and false have no order: use = or !=`},
		`sale BETWEEN false AND true`: {`column 14: true and false have no order: use = or !=`},
		`price BETWEEN 2 AND 1`:       {`column 15: the range is empty: give the smaller value first`},
		`Price < 50`:                  {`column 1: Price is not a field: write price, or attributes.Price for an attribute of that name`},
		`attributes.price < 50`:       {`column 1: price is a field of its own: write price, not attributes.price`},
		`attributes EXISTS`:           {`column 1: attributes holds all free attributes: name one of them, such as attributes.material`},
		`attributes. EXISTS`:          {`column 1: attributes holds all free attributes: name one of them, such as attributes.material`},
		"`` EXISTS":                   {`column 1: attributes holds all free attributes: name one of them, such as attributes.material`},
		"`a\\n` EXISTS":               {`column 1: "a\u000a" cannot be an attribute: names are 1 to 128 bytes of plain text`},
		strings.Repeat("n", 129) + " EXISTS": {
			`column 1: "` + strings.Repeat("n", 40) + `…" cannot be an attribute: names are 1 to 128 bytes of plain text`,
		},
		`price < "50" OR (Brand = "a" AND NOT category = 5)`: {
			`column 9: price is a number: write price < 50, not price < "50"`,
			`column 18: Brand is not a field: write brand, or attributes.Brand for an attribute of that name`,
			`column 49: category is text: write category = "5", not category = 5`,
		},
		`price < "50" AND`: {
			`column 9: price is a number: write price < 50, not price < "50"`,
			`column 17: expected a field, found the end`,
		},
	} {
		t.Run(text, func(t *testing.T) {
			got, err := filter.Parse(text)
			wantError(t, got, err, want...)
		})
	}
}

func TestParseLimits(t *testing.T) {
	repeat := strings.Repeat
	deep := "nested deeper than 32 levels: write fewer AND, OR, NOT and parentheses inside each other"
	alternating := func(levels int) string { // an Or or And a level
		return repeat("a=1 OR b=1 AND (", levels/2-1) + "a=1 OR b=1 AND c=1" + repeat(")", levels/2-1)
	}
	for name, c := range map[string]struct{ text, problem string }{
		"parentheses":          {repeat("(", 32) + "a=1" + repeat(")", 32), ""},
		"too many parentheses": {repeat("(", 33) + "a=1" + repeat(")", 33), "column 33: " + deep},
		"NOT":                  {repeat("NOT ", 32) + "a=1", ""},
		"too many NOT":         {repeat("NOT ", 33) + "a=1", "column 129: " + deep},
		"tree":                 {alternating(32), ""},
		"deeper tree":          {alternating(34), deep},
		"conditions":           {"a=1" + repeat(" OR a=1", 255), ""},
		"too many conditions":  {"a=1" + repeat(" OR a=1", 256), "column 1793: more than 256 conditions: give many values of one field as one list"},
		"far too many":         {"a=1" + repeat(" OR a=1", 999), "column 1793: more than 256 conditions: give many values of one field as one list"},
		"BETWEEN counts twice": {"a=1" + repeat(" OR a=1", 254) + " OR b BETWEEN 1 AND 2", "column 1786: more than 256 conditions: give many values of one field as one list"},
		"values":               {"a IN (1" + repeat(",1", 999) + ")", ""},
		"too many values":      {"a IN (1" + repeat(",1", 1000) + ")", "column 2007: more than 1000 values in one list: split it with OR"},
		"bytes":                {`title = "` + repeat("x", 1<<16-26) + `"`, ""},
		"too many bytes":       {`a = "` + repeat("x", 1<<16-5) + `"`, "the filter is 65537 bytes long; the limit is 65536"},
		"canonical bytes":      {`title = '` + repeat(`"`, 1<<15) + `'`, "the filter is 65561 bytes long; the limit is 65536 in canonical form"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := filter.Parse(c.text)
			if c.problem != "" {
				wantError(t, got, err, c.problem)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantRoundTrips(t, got)
		})
	}
}

func TestErrorIsBounded(t *testing.T) {
	_, err := filter.Parse("Price = 1" + strings.Repeat(" AND Price = 1", 99))
	var bad *filter.Error
	if !errors.As(err, &bad) || len(bad.Problems) != 32 || bad.More != 68 {
		t.Fatalf("got %v", err)
	}
	if text := err.Error(); !strings.HasSuffix(text, "; and 68 more") {
		t.Errorf("message ends in %q", text[len(text)-20:])
	}
}
