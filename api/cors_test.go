package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"sightline/api"
)

func TestCORS(t *testing.T) {
	s := locked(t)
	s.opts.Access.Origins = []string{"https://shop.example", "http://localhost:3000"}
	h := s.handler()
	for origin, want := range map[string]string{
		"https://shop.example": "https://shop.example", "http://localhost:3000": "http://localhost:3000",
		"https://evil.example": "", "http://shop.example": "", "https://shop.example.evil.example": "", "null": "", "": "",
	} {
		preflight := send(h, "OPTIONS", "/v1/search", "", nil, "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
		got := send(h, "GET", "/v1/search?q=red", "", nil, "Origin", origin, "X-API-Key", "looks")
		for _, w := range []http.Header{preflight.Header(), got.Header()} {
			if w.Get("Access-Control-Allow-Origin") != want || w.Get("Access-Control-Allow-Credentials") != "" || !slices.Contains(w.Values("Vary"), "Origin") {
				t.Errorf("%q: %v", origin, w)
			}
		}
		if want == "" {
			if preflight.Code != 405 || preflight.Header().Get("Access-Control-Allow-Methods") != "" {
				t.Errorf("%q: preflight %d", origin, preflight.Code)
			}
			continue
		}
		if h := preflight.Header(); preflight.Code != 204 || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "PATCH") {
			t.Errorf("%q: %d, %v", origin, preflight.Code, h)
		}
		if got.Code != 200 || !strings.Contains(got.Header().Get("Access-Control-Expose-Headers"), "RateLimit") {
			t.Errorf("%q: %d, %v", origin, got.Code, got.Header())
		}
	}
	if w := send(h, "GET", "/v1/search?q=red", "", nil, "Origin", "https://shop.example"); w.Code != 401 || w.Header().Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("a refusal that its page cannot read: %d, %v", w.Code, w.Header())
	}
}

func TestCORSOfAll(t *testing.T) {
	s := locked(t)
	s.opts.Access.Origins = []string{"*"}
	w := s.send("GET", "/v1/search?q=red", "", "", "Origin", "https://any.example", "X-API-Key", "looks")
	if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%d, %v", w.Code, w.Header())
	}
}

// TestCORSWithoutKeys: pages that were allowed may write, and no others.
func TestCORSWithoutKeys(t *testing.T) {
	s := newShop(t)
	s.opts.Access.Origins = []string{"https://shop.example"}
	for origin, status := range map[string]int{"https://shop.example": 202, "https://evil.example": 403} {
		if w := s.send("DELETE", "/v1/items/a", "", "", "Origin", origin, "Sec-Fetch-Site", "cross-site", "Prefer", "respond-async"); w.Code != status {
			t.Errorf("%s: %d, want %d", origin, w.Code, status)
		}
	}
}

func TestNoCORS(t *testing.T) {
	w := newShop(t).send("GET", "/v1/items", "", "", "Origin", "https://shop.example")
	h := w.Header()
	if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
		t.Errorf("%v", h)
	}
}

func TestParseOrigins(t *testing.T) {
	good := []string{"https://shop.example", "http://localhost:3000", "http://[::1]:80"}
	if got, err := api.ParseOrigins(good); err != nil || !slices.Equal(got, good) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := api.ParseOrigins([]string{"*"}); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	bad := []string{"*", "null", "shop.example", "https://", "https://shop.example/", "https://shop.example/x", "HTTPS://shop.example", "https://Shop.example", "ftp://shop.example", "https://u:p@shop.example", "https://*.example?"}
	_, err := api.ParseOrigins(bad)
	if err == nil {
		t.Fatal("no error")
	}
	for _, origin := range bad {
		if !strings.Contains(err.Error(), origin) {
			t.Errorf("%q was taken", origin)
		}
	}
}
