package filter_test

import (
	"testing"
	"time"

	"sightline/store/filter"
)

const (
	usualText = `category = "shoes" AND price BETWEEN 20 AND 50 AND NOT brand IN ("a", "b", "c") AND (tags CONTAINS "new" OR material = "wool")`
	usualJSON = `{"category":"shoes","price":{"between":[20,50]},"not":{"brand":{"in":["a","b","c"]}},
		"or":[{"tags":{"contains":"new"}},{"material":"wool"}]}`
)

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := filter.Parse(usualText); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseJSON(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := filter.ParseJSON([]byte(usualJSON)); err != nil {
			b.Fatal(err)
		}
	}
}

// An item that passes every condition but the last.
func BenchmarkMatch(b *testing.B) {
	e, err := filter.Parse(usualText)
	if err != nil {
		b.Fatal(err)
	}
	it := map[string]filter.Value{
		"category": str("shoes"), "price": num(30), "brand": str("d"), "attributes.tags": {Type: filter.List, List: []string{"old"}},
		"attributes.material": str("wool"), "updated_at": {Type: filter.Time, Time: time.Unix(0, 0)},
	}
	get := func(field string) (filter.Value, bool) { v, ok := it[field]; return v, ok }
	b.ReportAllocs()
	for b.Loop() {
		if !filter.Match(e, get) {
			b.Fatal("no match")
		}
	}
}

func BenchmarkKey(b *testing.B) {
	e, err := filter.Parse(usualText)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if filter.Key(e) == "" {
			b.Fatal("no key")
		}
	}
}
