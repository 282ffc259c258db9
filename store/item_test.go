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
)

func TestItemJSON(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want store.Item
	}{
		"least": {`{"id":"a"}`, store.Item{ID: "a"}},
		"every field": {
			`{"id":"a","title":"T","description":"D","url":"/p/1","image":"a.jpg","price":1.5,"currency":"EUR","availability":"in_stock",
			"brand":"B","category":"C","color":"red","group_id":"g","attributes":{"new":true},"version":9007199254740993,"updated_at":"2026-01-31T12:00:00.5Z"}`,
			store.Item{
				ID: "a", Title: "T", Description: "D", URL: "/p/1", Image: "a.jpg", Price: new(1.5), Currency: "EUR",
				Availability: "in_stock", Brand: "B", Category: "C", Color: "red", GroupID: "g", Attributes: map[string]any{"new": true},
				Version: 9007199254740993, UpdatedAt: time.Date(2026, 1, 31, 12, 0, 0, 5e8, time.UTC),
			},
		},
		"unknown names": {
			`{"pattern":"plaid","id":"a","Title":"x","size": 42 ,"sale":false,"tags":["a","b"],"none":[]}`,
			store.Item{ID: "a", Attributes: map[string]any{
				"pattern": "plaid", "Title": "x", "size": 42.0, "sale": false, "tags": []string{"a", "b"}, "none": []string{},
			}},
		},
		"both kinds": {`{"id":"a","p":1,"attributes":{"q":"2"}}`, store.Item{ID: "a", Attributes: map[string]any{"p": 1.0, "q": "2"}}},
		"nulls": {
			`{"id":"a","title":null,"price":null,"version":null,"updated_at":null,"x":null,"attributes":{"y":null}}`, store.Item{ID: "a"},
		},
		"null attributes": {`{"id":"a","attributes":null}`, store.Item{ID: "a"}},
		"null":            {`null`, store.Item{}},
	} {
		t.Run(name, func(t *testing.T) {
			var got store.Item
			if err := json.Unmarshal([]byte(c.line), &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			wantRoundTrip(t, got)
		})
	}
}

func wantRoundTrip(t *testing.T, it store.Item) {
	t.Helper()
	text, err := json.Marshal(it)
	if err != nil {
		t.Fatal(err)
	}
	var back store.Item
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if !reflect.DeepEqual(back, it) {
		t.Errorf("after a round trip through %s\ngot  %+v\nwant %+v", text, back, it)
	}
}

func TestItemJSONReportsEveryField(t *testing.T) {
	line := `{"id":7,"title":["x"],"price":"12 EUR","version":1.5,"updated_at":"yesterday","images":["a",1],"size":{"eu":42},"tags":["a",1],
		"holes":["a",null],"big":1e999,"pattern":"x","attributes":{"pattern":"y","deep":{},"list":[[]]}}`
	it := store.Item{ID: "untouched"}
	err := json.Unmarshal([]byte(line), &it)
	var bad *store.ItemError
	if !errors.As(err, &bad) || !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("got %v", err)
	}
	want := []store.FieldError{
		{Field: "attributes.deep", Problem: "is an object; give its values as attributes of their own"},
		{Field: "attributes.list", Problem: "is a list that holds something other than texts; put its values in quotes"},
		{Field: "big", Problem: "is not a number that fits 64 bits"},
		{Field: "holes", Problem: "is a list that holds something other than texts; put its values in quotes"},
		{Field: "id", Problem: "must be text in quotes"},
		{Field: "images", Problem: "must be a list of texts in quotes"},
		{Field: "pattern", Problem: "is given both at the top level and under attributes; keep one"},
		{Field: "price", Problem: "must be a number"},
		{Field: "size", Problem: "is an object; give its values as attributes of their own"},
		{Field: "tags", Problem: "is a list that holds something other than texts; put its values in quotes"},
		{Field: "title", Problem: "must be text in quotes"},
		{Field: "updated_at", Problem: `must be a time such as "2026-01-31T12:00:00Z"`},
		{Field: "version", Problem: "must be a whole number"},
	}
	if !reflect.DeepEqual(bad.Fields, want) {
		t.Errorf("got  %v\nwant %v", bad.Fields, want)
	}
	if !strings.Contains(err.Error(), `"price" must be a number; `) || it.ID != "untouched" {
		t.Errorf("message %q, item %+v", err, it)
	}
	for _, line := range []string{`[]`, `"x"`, `{"id":`, `{"attributes":[]}`, ``} {
		if err := json.Unmarshal([]byte(line), &it); err == nil {
			t.Errorf("%q was accepted", line)
		}
	}
}

func TestClone(t *testing.T) {
	it := store.Item{ID: "a", Images: []string{"i"}, Price: new(float64(1)), Attributes: map[string]any{"tags": []string{"x"}, "n": 1.0}}
	copied := it.Clone()
	if !reflect.DeepEqual(copied, it) {
		t.Fatalf("got %+v", copied)
	}
	*copied.Price = 2
	copied.Attributes["tags"].([]string)[0] = "y"
	copied.Attributes["n"] = 2.0
	copied.Images[0] = "j"
	if *it.Price != 1 || it.Images[0] != "i" || it.Attributes["tags"].([]string)[0] != "x" || it.Attributes["n"] != 1.0 {
		t.Errorf("the original changed: %+v", it)
	}
}

func TestContentHash(t *testing.T) {
	hash := func(it store.Item, fingerprint string, pictures ...string) string {
		t.Helper()
		sum, err := it.ContentHash(fingerprint, pictures...)
		if err != nil || len(sum) != 64 {
			t.Fatalf("%q, %v", sum, err)
		}
		return sum
	}
	it := store.Item{ID: "a", Title: "T", Attributes: map[string]any{"x": "1", "y": 2.0}}
	base := hash(it, "f", "p")
	later := it
	later.Version, later.UpdatedAt, later.Attributes = 9, time.Now(), maps.Clone(it.Attributes)
	if hash(later, "f", "p") != base {
		t.Error("version and time must not count")
	}
	renamed, changed := it, it.Clone()
	renamed.Title = "U"
	changed.Attributes["y"] = "2"
	seen := map[string]string{base: "base"}
	for name, sum := range map[string]string{
		"title": hash(renamed, "f", "p"), "attribute type": hash(changed, "f", "p"), "picture": hash(it, "f", "q"),
		"model": hash(it, "g", "p"), "shifted": hash(it, "", "fp"),
		"a view": hash(it, "f", "p", "q"), "other order": hash(it, "f", "q", "p"),
	} {
		if seen[sum] != "" {
			t.Errorf("%s hashes like %s", name, seen[sum])
		}
		seen[sum] = name
	}
	it.Attributes = map[string]any{"f": func() {}}
	if _, err := it.ContentHash("f", "p"); err == nil {
		t.Error("an item that cannot be encoded has no hash")
	}
}

func TestVersionAt(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	micros, nanos, millis := at.Add(-time.Hour).UnixMicro(), at.UnixNano(), at.UnixMilli()
	for stored, want := range map[int64]int64{0: 0, 7: 7, millis: millis, nanos: nanos, micros: at.UnixMicro(), at.Add(time.Hour).UnixMicro(): at.UnixMicro()} {
		if got := store.VersionAt(stored, at); got != want {
			t.Errorf("over %d: %d, want %d", stored, got, want)
		}
	}
	for _, c := range []struct {
		item  store.Item
		newer bool
	}{
		{store.Item{}, false},
		{store.Item{Version: 7}, false},
		{store.Item{Version: nanos}, false},
		{store.Item{Version: micros}, false},
		{store.Item{Version: at.UnixMicro() + 1}, true},
		{store.Item{UpdatedAt: at}, false},
		{store.Item{UpdatedAt: at.Add(time.Second)}, true},
		{store.Item{Version: micros, UpdatedAt: at.Add(time.Second)}, true},
	} {
		if c.item.NewerThan(at) != c.newer {
			t.Errorf("%+v: newer %v", c.item, !c.newer)
		}
	}
}

// FuzzItem: whatever a feed line holds, reading it ends in an error or in an
// item that, when valid, survives a round trip.
func FuzzItem(f *testing.F) {
	f.Add(`{"id":"a","title":"T","price":1.5,"pattern":"plaid","attributes":{"tags":["x"]},"updated_at":"2026-01-31T12:00:00Z"}`)
	f.Add(`{"id":7,"a":{},"b":[1],"c":[null],"d":1e999}`)
	f.Add(`{"id":"\ud800","\u0000":"","url":"javascript:x","price":-0}`)
	f.Add(`{"id":"a","updated_at":"9999-12-31T23:59:59.999999999-23:59"}`)
	f.Fuzz(func(t *testing.T, line string) {
		var it store.Item
		if json.Unmarshal([]byte(line), &it) != nil || it.Validate() != nil {
			return
		}
		text, err := json.Marshal(it)
		if err != nil {
			t.Fatalf("a valid item cannot be encoded: %v", err)
		}
		var back store.Item
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !back.UpdatedAt.Equal(it.UpdatedAt) {
			t.Fatalf("time %v became %v", it.UpdatedAt, back.UpdatedAt)
		}
		back.UpdatedAt = it.UpdatedAt // zones of equal times may differ in memory
		if len(it.Attributes) == 0 {
			it.Attributes, back.Attributes = nil, nil
		}
		if !reflect.DeepEqual(back, it) {
			t.Fatalf("got  %+v\nwant %+v", back, it)
		}
	})
}
