package store_test

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"sightline/store"
	"sightline/store/filter"
)

// TestEveryField gives each field of Item a value and sees it through Field and
// Fields, in the type that the filter language expects.
func TestEveryField(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	set := map[string]filter.Value{
		"price":           {Type: filter.Number, Number: 0},
		"version":         {Type: filter.Int, Int: 1<<53 + 1},
		"updated_at":      {Type: filter.Time, Time: at},
		"attributes.size": {Type: filter.Number, Number: 42},
		"attributes.new":  {Type: filter.Bool},
		"attributes.none": {Type: filter.String},
		"attributes.tags": {Type: filter.List, List: []string{}},
	}
	it := store.Item{Price: new(float64(0)), Version: 1<<53 + 1, UpdatedAt: at, Attributes: map[string]any{
		"size": 42.0, "new": false, "none": "", "tags": []string{},
	}}
	fields := reflect.ValueOf(&it).Elem()
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Type().Field(i).Tag.Get("json"), ",")
		if fields.Field(i).Kind() == reflect.String {
			fields.Field(i).SetString("text of " + name)
			set[name] = filter.Value{Type: filter.String, Text: "text of " + name}
		}
		if v, ok := set[name]; name != "attributes" && name != "images" && (!ok || v.Type != filter.FieldType(name)) {
			t.Errorf("%s is %v, the filter language wants type %d", name, v, filter.FieldType(name))
		}
	}
	for name, want := range set {
		if got, ok := it.Field(name); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, ok, want)
		}
	}
	if got := maps.Collect(it.Fields()); !reflect.DeepEqual(got, set) {
		t.Errorf("got  %+v\nwant %+v", got, set)
	}
}

// TestMissingFields compares Field with the JSON of an item: a field is missing
// where that leaves it out.
func TestMissingFields(t *testing.T) {
	it := store.Item{Attributes: map[string]any{"nothing": nil, "empty": ""}}
	for name := range maps.Keys(maps.Collect(it.Fields())) {
		if name != "attributes.empty" {
			t.Errorf("%s is there in an item without it", name)
		}
	}
	fields := reflect.TypeFor[store.Item]()
	for field := range fields.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if _, ok := it.Field(name); ok {
			t.Errorf("%s is there", name)
		}
	}
	for _, name := range []string{"", "empty", "Brand", "attributes.", "attributes.nothing", "attributes.brand"} {
		if v, ok := it.Field(name); ok {
			t.Errorf("%q is %+v", name, v)
		}
	}
}

func TestFieldsStopsWhenAsked(t *testing.T) {
	it := store.Item{ID: "a", Title: "T", Attributes: map[string]any{"x": "1", "y": "2"}}
	for most := 1; most <= 4; most++ {
		seen := 0
		for range it.Fields() {
			if seen++; seen == most {
				break
			}
		}
		if seen != most {
			t.Errorf("%d fields, want %d", seen, most)
		}
	}
}

func TestMatches(t *testing.T) {
	var it store.Item
	if err := json.Unmarshal([]byte(`{"id":"a","brand":"Acme","material":"wool","price":5}`), &it); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		`brand = "Acme" AND material = "wool" AND price < 6`: true,
		`material STARTS WITH "c"`:                           false,
		`color MISSING`:                                      true,
	} {
		e, err := filter.Parse(text)
		if err != nil || it.Matches(e) != want {
			t.Errorf("%s: %v, %v; want %v", text, it.Matches(e), err, want)
		}
	}
	if !it.Matches(nil) {
		t.Error("no filter must match")
	}
}

func TestValidateRequests(t *testing.T) {
	for name, err := range map[string]error{
		"price":    store.ValidateFacets([]string{"brand", "price"}, 1),
		"material": store.ValidateFacets([]string{"material"}, 1),
		"facets 0": store.ValidateFacets(nil, 0),
		"many":     store.ValidateFacets(make([]string, 65), 1),
		"scan 0":   store.ValidateScan(0),
		"far":      store.ValidateScan(store.MaxWindow + 1),
		"delete":   store.ValidateDeleteWhere(nil),
	} {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, err := range []error{
		store.ValidateFacets([]string{"id", "group_id", "attributes.material"}, store.MaxWindow),
		store.ValidateScan(1), store.ValidateDeleteWhere(filter.Exists{Field: "id"}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}
