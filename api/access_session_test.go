package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sightline/api/access"
)

func TestSession(t *testing.T) {
	s := locked(t)
	h := s.handler()
	for _, w := range []*httptest.ResponseRecorder{
		send(h, "POST", "/v1/session", "application/json", strings.NewReader(`{"key":" both "}`), "Sec-Fetch-Site", "same-origin"),
		send(h, "POST", "/v1/session", "", http.NoBody, "Authorization", "Bearer both"),
	} {
		var told struct {
			KeysRequired bool `json:"keys_required"`
			Key, Name    string
			Scopes       []string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || w.Code != 200 || !told.KeysRequired || told.Key != "3" || told.Name != "staff" || len(told.Scopes) != 2 {
			t.Fatalf("%d, %s, %v", w.Code, w.Body, err)
		}
		cookie := w.Header().Get("Set-Cookie")
		for _, part := range []string{session("both") + ";", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} {
			if !strings.Contains(cookie, part) {
				t.Errorf("cookie %s lacks %s", cookie, part)
			}
		}
		if strings.Contains(cookie, "Secure") || strings.Contains(cookie, "both") {
			t.Errorf("cookie %s", cookie)
		}
	}
	w := send(h, "DELETE", "/v1/session", "", nil)
	if cookie := w.Header().Get("Set-Cookie"); w.Code != 200 || !strings.Contains(cookie, "sightline_session=;") || !strings.Contains(cookie, "Max-Age=0") {
		t.Errorf("%d, %s", w.Code, cookie)
	}
	for body, status := range map[string]int{`{"key":"other"}`: 401, `{"key":""}`: 401, `{}`: 401, `{`: 400, `"both"`: 400, `[null]`: 400, `null`: 400, strings.Repeat(" ", 2000): 413} {
		if w := send(h, "POST", "/v1/session", "application/json", strings.NewReader(body)); w.Code != status || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%.20s: %d, want %d", body, w.Code, status)
		}
	}
}

func TestSecureCookie(t *testing.T) {
	s := locked(t)
	var err error
	if s.opts.Access.Proxies, err = access.ParseProxies([]string{"192.0.2.0/24"}, ""); err != nil {
		t.Fatal(err)
	}
	w := s.send("POST", "/v1/session", "", "", "X-API-Key", "looks", "X-Forwarded-Proto", "https")
	if cookie := w.Header().Get("Set-Cookie"); !strings.Contains(cookie, "; Secure") {
		t.Errorf("%d, %s", w.Code, cookie)
	}
}

func TestSessionsWithoutKeys(t *testing.T) {
	s := newShop(t)
	for _, method := range []string{"GET", "POST", "DELETE"} {
		w := s.send(method, "/v1/session", "", "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), `"keys_required":false`) {
			t.Errorf("%s: %d, %s", method, w.Code, w.Body)
		}
	}
}

// TestCookies: what browsers send by themselves counts for the own page only.
func TestCookies(t *testing.T) {
	s := locked(t)
	s.opts.Access.Origins = []string{"https://shop.example"}
	h := s.handler()
	for name, c := range map[string]struct {
		method, target string
		headers        []string
		status         int
	}{
		"picture":                   {"GET", "/v1/items/a", []string{"Sec-Fetch-Site", "same-origin"}, 404},
		"typed into the bar":        {"GET", "/v1/items/a", []string{"Sec-Fetch-Site", "none"}, 404},
		"old browser":               {"GET", "/v1/items/a", nil, 404},
		"page of the same site":     {"GET", "/v1/items/a", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"page of another site":      {"GET", "/v1/items/a", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"search of the page":        {"POST", "/v1/search", []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://example.com"}, 200},
		"search by an old browser":  {"POST", "/v1/search", []string{"Origin", "http://example.com"}, 200},
		"search of another page":    {"POST", "/v1/search", []string{"Origin", "https://evil.example"}, 403},
		"search of an allowed page": {"POST", "/v1/search", []string{"Origin", "https://shop.example"}, 403},
		"write of the page":         {"DELETE", "/v1/items/a", []string{"Sec-Fetch-Site", "same-origin", "Prefer", "respond-async"}, 202},
		"write of another page":     {"DELETE", "/v1/items/a", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"write of an allowed page":  {"DELETE", "/v1/items/a", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://shop.example"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			body := ""
			if c.method == "POST" {
				body = `{"text":"red"}`
			}
			w := send(h, c.method, c.target, "application/json", strings.NewReader(body), append(c.headers, "Cookie", session("both"))...)
			if w.Code != c.status {
				t.Errorf("%d, want %d: %s", w.Code, c.status, w.Body)
			}
		})
	}
	if w := send(h, "DELETE", "/v1/items/a", "", nil, "Cookie", session("looks")); w.Code != 403 {
		t.Errorf("a cookie can more than its key: %d", w.Code)
	}
	if w := send(h, "GET", "/v1/items/a", "", nil, "Cookie", session("looks"), "X-API-Key", "other"); w.Code != 401 {
		t.Errorf("a bad key beside a good cookie: %d", w.Code)
	}
	if w := send(h, "GET", "/v1/items/a", "", nil, "Cookie", "sightline_session=looks"); w.Code != 401 {
		t.Errorf("a key as cookie: %d", w.Code)
	}
	if w := send(h, "DELETE", "/v1/items/a", "", nil, "X-API-Key", "writes", "Origin", "https://evil.example", "Prefer", "respond-async"); w.Code == 403 {
		t.Error("a request with a key of its own was taken for a page's")
	}
}
