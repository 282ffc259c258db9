package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sightline/api"
	"sightline/store"
	"sightline/store/filter"
)

// hiding marks items of a service with labels, and has those with "weapon" hidden.
func hiding(t *testing.T, s *service, labels map[string]string) {
	t.Helper()
	for i, e := range s.index.entries {
		if name := labels[e.Item.ID]; name != "" {
			s.index.entries[i].Item.Attributes = map[string]any{store.AttributeLabels: []string{name}, "brand_new": true}
		}
	}
	var err error
	if s.engine.Hidden, err = filter.Parse(`picture_labels CONTAINS "weapon"`); err != nil {
		t.Fatal(err)
	}
	s.index.filters = true
	s.engine.Facets = &countedIndex{entries: s.index.entries}
}

// TestHiddenItems: no search finds what its labels hide, by whatever way, unless it asks
// for it.
func TestHiddenItems(t *testing.T) {
	s := newService("a", "b", "c", "d")
	hiding(t, s, map[string]string{"b": "weapon", "c": "striped"})
	for name, c := range map[string]struct {
		path, body, want string
	}{
		"by words":         {"", `{"text":"x","rerank":{"enabled":false}}`, "a c d"},
		"with a filter":    {"", `{"text":"x","rerank":{"enabled":false},"filter":"picture_labels EXISTS"}`, "c"},
		"asked by name":    {"", `{"text":"x","rerank":{"enabled":false},"filter":"picture_labels CONTAINS \"weapon\""}`, ""},
		"pinned":           {"", `{"text":"x","limit":2,"rerank":{"enabled":false},"pins":[{"id":"b","place":1}]}`, "a c"},
		"by picture":       {"", `{"image":{"id":"a"}}`, "c d"},
		"like a hidden":    {"", `{"image":{"id":"b"}}`, "a c d"},
		"similar":          {"/v1/items/a/similar", "", "c d"},
		"by address":       {"/v1/search?q=x&rerank=false", "", "a c d"},
		"asked for":        {"", `{"text":"x","rerank":{"enabled":false},"include_hidden":true}`, "a b c d"},
		"asked by address": {"/v1/search?q=x&rerank=false&include_hidden=true", "", "a b c d"},
		"similar of all":   {"/v1/items/a/similar?include_hidden=true", "", "b c d"},
	} {
		w := s.post(c.body)
		if c.path != "" {
			w = s.do(http.MethodGet, c.path, "", "")
		}
		if got := ids(readHits(t, w).Hits); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestHiddenFacets: they count what can be found, whatever conditions they leave out.
func TestHiddenFacets(t *testing.T) {
	s := newService("a", "b", "c", "d")
	hiding(t, s, map[string]string{"b": "weapon", "c": "striped"})
	for body, want := range map[string]string{
		`{"text":"x","facets":["attributes.picture_labels"]}`:                                                                           `[{"value":"striped","count":1}] 2`,
		`{"text":"x","facets":[{"field":"attributes.picture_labels","multi":true}],"filter":"picture_labels CONTAINS \"striped\""}`:     `[{"value":"striped","count":1}] 2`,
		`{"text":"x","facets":[{"field":"attributes.picture_labels","of":"hits"}]}`:                                                     `[{"value":"striped","count":1}] 2`,
		`{"text":"x","include_hidden":true,"facets":["attributes.picture_labels"]}`:                                                     `[{"value":"striped","count":1},{"value":"weapon","count":1}] 2`,
		`{"text":"x","facets":[{"field":"brand","multi":true},"attributes.picture_labels"],"filter":"brand = \"none\" AND price < 20"}`: `[] 0`,
	} {
		res := readHits(t, s.post(body))
		f := res.Facets["attributes.picture_labels"]
		values, err := json.Marshal(f.Values)
		if got := string(values) + " " + string('0'+rune(f.Missing)); err != nil || got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
		if brand, ok := res.Facets["brand"]; ok && brand.Missing != 3 {
			t.Errorf("%s: %+v: its own condition is left out, what is hidden is not", body, brand)
		}
	}
}

// TestHiddenIsCachedApart: who may not see hidden items is not given an answer that has
// them.
func TestHiddenIsCachedApart(t *testing.T) {
	s := newCachedService(t, "a", "b")
	hiding(t, s.service, map[string]string{"b": "weapon"})
	s.wantSearch(t, `{"text":"x","include_hidden":true}`, true)
	if res := s.wantSearch(t, `{"text":"x"}`, true); ids(res.Hits) != "a" {
		t.Errorf("%q", ids(res.Hits))
	}
	if res := s.wantSearch(t, `{"text":"x","include_hidden":true}`, false); len(res.Hits) != 2 {
		t.Errorf("%q", ids(res.Hits))
	}
}

// TestHiddenByKey: where keys are asked for, only those who may write see what is hidden.
func TestHiddenByKey(t *testing.T) {
	s := locked(t)
	s.items["a"] = store.Item{ID: "a"}
	s.items["b"] = store.Item{ID: "b", Attributes: map[string]any{store.AttributeLabels: []string{"weapon"}}}
	var err error
	if s.engine.Hidden, err = filter.Parse(`picture_labels CONTAINS "weapon"`); err != nil {
		t.Fatal(err)
	}
	get := func(key, path string) (int, string) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+key)
		w := observed(s.handler(), r)
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		key, path string
		code      int
	}{
		{"looks", "/v1/items/a", 200},
		{"looks", "/v1/items/b", 404},
		{"both", "/v1/items/b", 200},
		{"writes", "/v1/items/b", 200},
		{"looks", "/v1/items/b/image", 404},
		{"looks", "/v1/search?q=x&include_hidden=true", 403},
		{"looks", "/v1/items/a/similar?include_hidden=true", 403},
		{"both", "/v1/search?q=x&include_hidden=true", 200},
		{"looks", "/v1/search?q=x&include_hidden=false", 200},
	} {
		if code, body := get(c.key, c.path); code != c.code {
			t.Errorf("%s %s: %d, want %d: %s", c.key, c.path, code, c.code, body)
		}
	}
	for key, want := range map[string]bool{"looks": false, "writes": true, "both": true} {
		if code, body := get(key, "/v1/items"); code != 200 || strings.Contains(body, `"id":"b"`) != want {
			t.Errorf("%s lists: %d %s", key, code, body)
		}
	}
}

// TestHiddenAtEngine: programs that use the pipeline itself have the same rule.
func TestHiddenAtEngine(t *testing.T) {
	s := newService("a", "b")
	hiding(t, s, map[string]string{"b": "weapon"})
	req := api.NewSearchRequest("x")
	for include, want := range map[bool]int{false: 1, true: 2} {
		req.IncludeHidden = include
		if res, err := s.engine.Search(t.Context(), req); err != nil || len(res.Hits) != want {
			t.Errorf("%v: %d hits, %v", include, len(res.Hits), err)
		}
	}
}
