package store_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"sightline/store"
)

func TestItemValidate(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	attribute := func(name string, value any) func(*store.Item) {
		return func(it *store.Item) { it.Attributes = map[string]any{name: value} }
	}
	for name, c := range map[string]struct {
		change func(*store.Item)
		fields []string // that must be named; none when the item is valid
	}{
		"plain":              {func(*store.Item) {}, nil},
		"no id":              {func(it *store.Item) { it.ID = "" }, []string{"id"}},
		"longest id":         {func(it *store.Item) { it.ID = long(128) }, nil},
		"too long id":        {func(it *store.Item) { it.ID = long(129) }, []string{"id"}},
		"control in id":      {func(it *store.Item) { it.ID = "a\nb" }, []string{"id"}},
		"id not UTF-8":       {func(it *store.Item) { it.ID = "a\xff" }, []string{"id"}},
		"odd but legal id":   {func(it *store.Item) { it.ID = `ü/ "'%` }, nil},
		"long title":         {func(it *store.Item) { it.Title = long(4097) }, []string{"title"}},
		"title not UTF-8":    {func(it *store.Item) { it.Title = "\xff" }, []string{"title"}},
		"long description":   {func(it *store.Item) { it.Description = long(1<<16 + 1) }, []string{"description"}},
		"free price":         {func(it *store.Item) { it.Price = new(float64(0)) }, nil},
		"negative price":     {func(it *store.Item) { it.Price = new(float64(-1)) }, []string{"price"}},
		"price NaN":          {func(it *store.Item) { it.Price = new(math.NaN()) }, []string{"price"}},
		"price Inf":          {func(it *store.Item) { it.Price = new(math.Inf(1)) }, []string{"price"}},
		"currency":           {func(it *store.Item) { it.Currency = "EUR" }, nil},
		"small currency":     {func(it *store.Item) { it.Currency = "eur" }, []string{"currency"}},
		"currency sign":      {func(it *store.Item) { it.Currency = "€" }, []string{"currency"}},
		"https":              {func(it *store.Item) { it.URL = "https://x/p?q=1#z" }, nil},
		"path":               {func(it *store.Item) { it.URL = "/p/1" }, nil},
		"script":             {func(it *store.Item) { it.URL = "JavaScript:alert(1)" }, []string{"url"}},
		"data URL":           {func(it *store.Item) { it.URL = "data:text/html,x" }, []string{"url"}},
		"no host":            {func(it *store.Item) { it.URL = "https:///x" }, []string{"url"}},
		"not a URL":          {func(it *store.Item) { it.URL = "http://[x" }, []string{"url"}},
		"negative version":   {func(it *store.Item) { it.Version = -1 }, []string{"version"}},
		"far year":           {func(it *store.Item) { it.UpdatedAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, []string{"updated_at"}},
		"bool attribute":     {attribute("x", true), nil},
		"empty list":         {attribute("x", []string{}), nil},
		"int attribute":      {attribute("x", 1), []string{"attributes.x"}},
		"any list":           {attribute("x", []any{"a"}), []string{"attributes.x"}},
		"nil attribute":      {attribute("x", nil), []string{"attributes.x"}},
		"map attribute":      {attribute("x", map[string]any{}), []string{"attributes.x"}},
		"NaN attribute":      {attribute("x", math.NaN()), []string{"attributes.x"}},
		"Inf attribute":      {attribute("x", math.Inf(-1)), []string{"attributes.x"}},
		"long attribute":     {attribute("x", long(1<<16+1)), []string{"attributes.x"}},
		"list not UTF-8":     {attribute("x", []string{"\xff"}), []string{"attributes.x"}},
		"long list":          {attribute("x", make([]string, 257)), []string{"attributes.x"}},
		"nameless attribute": {attribute("", "v"), []string{"attributes."}},
		"taken name":         {attribute("price", 1.0), []string{"attributes.price"}},
		"several": {
			func(it *store.Item) { it.ID, it.Currency, it.Version = "", "x", -1; attribute("y", 1)(it) },
			[]string{"attributes.y", "currency", "id", "version"},
		},
		"many attributes": {func(it *store.Item) {
			it.Attributes = make(map[string]any)
			for i := range 129 {
				it.Attributes[fmt.Sprint(i)] = true
			}
		}, []string{"attributes"}},
		"large in total": {func(it *store.Item) {
			it.Attributes = make(map[string]any)
			for i := range 17 {
				it.Attributes[fmt.Sprint(i)] = long(1 << 16)
			}
		}, []string{"attributes"}},
	} {
		t.Run(name, func(t *testing.T) {
			it := store.Item{ID: "a"}
			c.change(&it)
			wantFields(t, it.Validate(), c.fields)
		})
	}
}

func wantFields(t *testing.T, err error, want []string) {
	t.Helper()
	if want == nil {
		if err != nil {
			t.Errorf("got %v, want no error", err)
		}
		return
	}
	var bad *store.ItemError
	if !errors.As(err, &bad) || !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("got %v, want an ItemError", err)
	}
	var got []string
	for _, f := range bad.Fields {
		got = append(got, f.Field)
	}
	if !slices.Equal(got, want) {
		t.Errorf("fields %v, want %v", got, want)
	}
}

func TestEntryAndQueryValidate(t *testing.T) {
	unit := []float32{0.6, 0.8}
	for name, c := range map[string]struct {
		v     []float32
		valid bool
	}{
		"unit": {unit, true}, "nearly": {[]float32{0.6005, 0.8}, true}, "too long": {[]float32{0.61, 0.8}, false},
		"short": {unit[:1], false}, "longer": {[]float32{0.6, 0.8, 0}, false}, "zero": {[]float32{0, 0}, false}, "none": {nil, false},
		"NaN": {[]float32{1, float32(math.NaN())}, false}, "Inf": {[]float32{1, float32(math.Inf(-1))}, false},
		"overflow": {[]float32{math.MaxFloat32, math.MaxFloat32}, false},
	} {
		entryErr := store.Entry{Item: store.Item{ID: "a"}, Embedding: c.v}.Validate(2)
		queryErr := store.Query{Embedding: c.v, K: 1}.Validate(2)
		for _, err := range []error{entryErr, queryErr} {
			if (err == nil) != c.valid || err != nil && !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for key, valid := range map[string]bool{
		"": true, strings.Repeat("0f", 32): true, strings.Repeat("0F", 32): false, strings.Repeat("0f", 31): false, "../" + strings.Repeat("0", 61): false,
	} {
		err := store.Entry{Item: store.Item{ID: "a"}, Embedding: unit, Picture: key}.Validate(2)
		if (err == nil) != valid || err != nil && !errors.Is(err, store.ErrInvalid) {
			t.Errorf("picture %q: %v", key, err)
		}
	}
	if err := (store.Entry{Embedding: unit}).Validate(2); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("an entry without an id: %v", err)
	}
}

func TestViews(t *testing.T) {
	key := func(c string) string { return strings.Repeat(c, 64) }
	unit, many := []float32{0, 1}, []store.View(nil)
	for i := range store.MaxViews {
		many = append(many, store.View{Picture: fmt.Sprintf("%064x", i), Embedding: unit})
	}
	for name, c := range map[string]struct {
		picture string
		views   []store.View
		valid   bool
	}{
		"none":         {key("a"), nil, true},
		"most":         {key("a"), many, true},
		"too many":     {key("a"), append([]store.View{{Picture: key("b"), Embedding: unit}}, many...), false},
		"no main one":  {"", many[:1], false},
		"no picture":   {key("a"), []store.View{{Embedding: unit}}, false},
		"same as main": {key("a"), []store.View{{Picture: key("a"), Embedding: unit}}, false},
		"twice":        {key("a"), []store.View{many[0], many[0]}, false},
		"not unit":     {key("a"), []store.View{{Picture: key("b"), Embedding: []float32{1, 1}}}, false},
	} {
		err := store.Entry{Item: store.Item{ID: "a"}, Embedding: unit, Picture: c.picture, Views: c.views}.Validate(2)
		if (err == nil) != c.valid || err != nil && !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
