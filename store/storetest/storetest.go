// Package storetest is the conformance suite of store.Index. An implementation
// runs it from one short test file; what passes it can stand behind the API.
package storetest

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

// Dim and Fingerprint are what the suite's indexes are opened with.
const (
	Dim         = 8
	Fingerprint = "storetest-model"
)

// Run checks every rule of store.Index. open returns a new empty index of Dim
// dimensions; the suite closes it.
func Run(t *testing.T, open func(t *testing.T) store.Index) {
	t.Helper()
	for _, rule := range append(rules(), views()...) {
		t.Run(rule.name, func(t *testing.T) {
			x := open(t)
			rule.check(t, x)
			if err := x.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	t.Run("exact against brute force", func(t *testing.T) { checkExact(t, open) })
}

// rule is one promise of store.Index. check gets an empty index and leaves
// closing it to Run.
type rule struct {
	name  string
	check func(t *testing.T, x store.Index)
}

func rules() []rule {
	return []rule{
		{"empty", checkEmpty},
		{"upsert and get", checkUpsertGet},
		{"upsert again", checkUpsertAgain},
		{"versions", checkVersions},
		{"versions within a batch", checkBatchVersions},
		{"delete", checkDelete},
		{"tombstones", checkTombstones},
		{"generation", checkGeneration},
		{"refused entries", checkRefusedEntries},
		{"all or nothing", checkAllOrNothing},
		{"ownership", checkOwnership},
		{"pages", checkPages},
		{"ties by id", checkTies},
		{"exclude", checkExclude},
		{"refused queries", checkRefusedQueries},
		{"filters", checkFilters},
		{"pages of a filter", checkFilterPages},
		{"groups", checkGroups},
		{"groups of an attribute", checkGroupTypes},
		{"ties of groups", checkGroupTies},
		{"large groups", checkLargeGroups},
		{"delete by filter", checkDeleteWhere},
		{"facets", checkFacets},
		{"numbers", checkNumbers},
		{"scan", checkScan},
		{"cancelled", checkCancelled},
		{"snapshots", checkSnapshots},
		{"closed", checkClosed},
	}
}

// axis returns the unit vector along dimension i.
func axis(i int) []float32 {
	v := make([]float32, Dim)
	v[i] = 1
	return v
}

// between returns a unit vector whose cosine with axis(0) is c.
func between(c float64) []float32 {
	v := make([]float32, Dim)
	v[0], v[1] = float32(c), float32(math.Sqrt(1-c*c))
	return v
}

func entry(id string, version int64, v []float32) store.Entry {
	return store.Entry{
		Item:        store.Item{ID: id, Title: fmt.Sprintf("%s at %d", id, version), Version: version},
		Picture:     strings.Repeat("a1", 32),
		Embedding:   v,
		ContentHash: fmt.Sprint("hash ", id, version),
	}
}

// fullEntry has every field set, with values that a careless encoding loses.
func fullEntry(id string) store.Entry {
	price := 19.99
	e := entry(id, 7, between(0.6))
	e.Item = store.Item{
		ID: id, Title: "Größe “S”\n\t' \" \\ % _", Description: "日本語 👟 \u2028", URL: "https://shop.example/p?a=1&b=<2>",
		Image: "pictures/a b.jpg", Images: []string{"pictures/a b 2.jpg", "https://shop.example/\"é\".png"}, Price: &price, Currency: "EUR", Availability: "in_stock", Brand: "Ünïque",
		Category: "shoes > men", Color: "red", GroupID: "g'1",
		Attributes: map[string]any{"size": 42.5, "new": true, "pattern": "plaid", "tags": []string{"a", "", "b"}, "none": []string{}},
		Version:    7, UpdatedAt: time.Date(2026, 1, 31, 12, 30, 0, 123456000, time.UTC),
	}
	return e
}

func mustUpsert(t *testing.T, x store.Index, entries ...store.Entry) {
	t.Helper()
	if err := x.Upsert(t.Context(), entries); err != nil {
		t.Fatalf("upsert: %v", err)
	}
}

func mustDelete(t *testing.T, x store.Index, want int, ids ...string) {
	t.Helper()
	if got, err := x.Delete(t.Context(), ids); err != nil || got != want {
		t.Fatalf("delete %v: got %d, %v; want %d", ids, got, err, want)
	}
}

func mustGet(t *testing.T, x store.Index, ids ...string) []store.Entry {
	t.Helper()
	entries, err := x.Get(t.Context(), ids)
	if err != nil {
		t.Fatalf("get %v: %v", ids, err)
	}
	return entries
}

func mustStats(t *testing.T, x store.Index) store.Stats {
	t.Helper()
	s, err := x.Stats(t.Context())
	if err != nil {
		t.Fatalf("stats: %v", err)
	}
	return s
}

func mustSearch(t *testing.T, x store.Index, q store.Query) []store.Hit {
	t.Helper()
	hits, err := x.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("search: %v", err)
	}
	return hits
}

// wantVersions checks which of the ids are stored and at which version; -1
// stands for none.
func wantVersions(t *testing.T, x store.Index, want map[string]int64) {
	t.Helper()
	for id, version := range want {
		got := int64(-1)
		if entries := mustGet(t, x, id); len(entries) == 1 {
			got = entries[0].Item.Version
		}
		if got != version {
			t.Errorf("item %s: stored at version %d, want %d", id, got, version)
		}
	}
}

func wantIDs(t *testing.T, hits []store.Hit, want ...string) {
	t.Helper()
	got := make([]string, len(hits))
	for i, h := range hits {
		got[i] = h.Item.ID
	}
	if !slices.Equal(got, want) {
		t.Errorf("hits %v, want %v", got, want)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}
