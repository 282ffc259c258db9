package api_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"sightline/api/access"
	"sightline/store"
	"sightline/store/keys"
)

// fakeKeys knows keys by their texts, and sessions as "session of KEY".
type fakeKeys map[string]*keys.Key

func (f fakeKeys) Find(token string) (*keys.Key, error) {
	switch {
	case f[token] != nil:
		return f[token], nil
	case token == "late":
		return nil, fmt.Errorf("look up: %w", keys.ErrExpired)
	case token == "gone":
		return nil, keys.ErrRevoked
	case token == "other":
		return nil, keys.ErrUnknown
	}
	return nil, keys.ErrMalformed
}

func (f fakeKeys) FindSession(value string) (*keys.Key, error) {
	for token, key := range f {
		if value == string(keys.Session(store.Secret(token))) {
			return key, nil
		}
	}
	return nil, keys.ErrUnknown
}

func session(key string) string {
	return "sightline_session=" + string(keys.Session(store.Secret(key)))
}

// locked is a shop that asks for keys: "looks", "writes", "both" and "runs".
func locked(t *testing.T) *shop {
	t.Helper()
	s := newShop(t)
	s.opts.Access.Keys = fakeKeys{
		"looks":  {ID: "1", Name: "page", Scopes: keys.Search},
		"writes": {ID: "2", Name: "feed", Scopes: keys.Write},
		"both":   {ID: "3", Name: "staff", Scopes: keys.Search | keys.Write},
		"runs":   {ID: "4", Name: "prometheus", Scopes: keys.Admin},
	}
	s.opts.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "numbers") })
	s.opts.Page = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "page") })
	return s
}

// TestScopes goes through every route with every key.
func TestScopes(t *testing.T) {
	s := locked(t)
	const open, either = "", "looks writes both"
	for target, needs := range map[string]string{
		"GET /healthz": open, "GET /readyz": open, "GET /": open, "GET /assets/app.js": open, "GET /nothing": open, "OPTIONS /v1/search": open,
		"GET /v1/search?q=red": "looks both", "POST /v1/search": "looks both", "POST /v1/explain": "looks both",
		"POST /v1/rerank": "looks both", "POST /v2/rerank": "looks both", "POST /rerank": "looks both", "GET /meta": "looks both",
		"POST /v1/match": "looks both", "POST /v1/embeddings": "looks both", "GET /.well-known/live": open, "GET /.well-known/ready": open,
		"GET /v1/items/a": either, "HEAD /v1/items/a": either, "GET /v1/items/a/image": either, "GET /v1/items/a/similar": either, "GET /v1/items": either,
		"PUT /v1/items/a": "writes both", "PATCH /v1/items/a": "writes both", "DELETE /v1/items/a": "writes both",
		"POST /v1/items:batch": "writes both", "POST /v1/items:delete": "writes both",
		"GET /v1/jobs": "writes both", "GET /v1/jobs/x": "writes both", "POST /v1/jobs/x:retry": "writes both", "GET /v1/events": "writes both",
		"GET /metrics": "runs", "GET /v1/evaluations": "runs", "GET /v1/evaluations/x": "runs", "GET /v1/session": "looks writes both runs",
	} {
		method, path, _ := strings.Cut(target, " ")
		for _, key := range []string{"", "looks", "writes", "both", "runs"} {
			want := 0 // neither 401 nor 403
			switch {
			case needs == open:
			case key == "":
				want = 401
			case !strings.Contains(" "+needs+" ", " "+key+" "):
				want = 403
			}
			headers := []string{"Authorization", "Bearer " + key}
			if key == "" {
				headers = nil
			}
			w := s.send(method, path, "", "", headers...)
			if got := w.Code; want != 0 && got != want || want == 0 && (got == 401 || got == 403) {
				t.Errorf("%s with key %q: %d, want %d", target, key, got, want)
			}
			if challenge := w.Header().Get("WWW-Authenticate"); (want != 0) != strings.HasPrefix(challenge, "Bearer ") {
				t.Errorf("%s with key %q: WWW-Authenticate %q", target, key, challenge)
			}
		}
	}
}

func TestKeysInHeaders(t *testing.T) {
	h := locked(t).handler()
	for name, c := range map[string]struct {
		headers   []string
		status    int
		challenge string
		detail    string
	}{
		"bearer":            {[]string{"Authorization", "Bearer looks"}, 200, "", ""},
		"lower case":        {[]string{"Authorization", "bearer  looks "}, 200, "", ""},
		"X-API-Key":         {[]string{"X-API-Key", "looks"}, 200, "", ""},
		"twice the same":    {[]string{"X-API-Key", "looks", "Authorization", "Bearer looks"}, 200, "", ""},
		"two":               {[]string{"X-API-Key", "looks", "Authorization", "Bearer both"}, 401, "invalid_token", "two different keys"},
		"none":              {nil, 401, `Bearer realm="sightline"`, "asks for a key"},
		"basic":             {[]string{"Authorization", "Basic bG9va3M6"}, 401, "realm", "asks for a key"},
		"empty":             {[]string{"Authorization", "Bearer "}, 401, "realm", "asks for a key"},
		"mistyped":          {[]string{"X-API-Key", "lokos"}, 401, `error="invalid_token"`, "wrong or missing"},
		"unknown":           {[]string{"X-API-Key", "other"}, 401, "invalid_token", "not known"},
		"expired":           {[]string{"X-API-Key", "late"}, 401, "invalid_token", "has expired"},
		"revoked":           {[]string{"X-API-Key", "gone"}, 401, "invalid_token", "was revoked"},
		"scope":             {[]string{"X-API-Key", "writes"}, 403, `error="insufficient_scope", scope="search"`, "needs search"},
		"in the query only": {nil, 401, "realm", "asks for a key"},
	} {
		t.Run(name, func(t *testing.T) {
			w := send(h, "GET", "/v1/search?q=red&api_key=looks", "", nil, c.headers...)
			if name != "in the query only" {
				w = send(h, "GET", "/v1/search?q=red", "", nil, c.headers...)
			}
			if w.Code != c.status || !strings.Contains(w.Header().Get("WWW-Authenticate"), c.challenge) || !strings.Contains(w.Body.String(), c.detail) {
				t.Errorf("status %d, %q, %s", w.Code, w.Header().Get("WWW-Authenticate"), w.Body)
			}
			if c.status != 200 {
				readProblem(t, w)
			}
		})
	}
}

// TestLoggedCaller: the log names the key's id and the address, and no secret.
func TestLoggedCaller(t *testing.T) {
	s := locked(t)
	logs := &strings.Builder{}
	s.opts.Log = slog.New(slog.NewTextHandler(logs, nil))
	h := s.handler()
	send(h, "GET", "/v1/search?q=red", "", nil, "Authorization", "Bearer looks")
	send(h, "GET", "/v1/items/a/image", "", nil, "Cookie", session("looks"))
	send(h, "POST", "/v1/session", "application/json", strings.NewReader(`{"key":"looks"}`))
	send(h, "GET", "/v1/search?q=red", "", nil, "X-API-Key", "secret-of-somebody")
	text := logs.String()
	if !strings.Contains(text, "key=1") || !strings.Contains(text, "client=192.0.2.1 ") {
		t.Error(text)
	}
	for _, secret := range []string{"looks", strings.TrimPrefix(session("looks"), "sightline_session="), "secret-of-somebody"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log has %q: %s", secret, text)
		}
	}
}

func TestRateLimit(t *testing.T) {
	s := locked(t)
	s.opts.Access.Calls = access.Limits{PerSecond: 0.01, Burst: 2}
	h := s.handler()
	for left := 1; left >= 0; left-- {
		w := send(h, "GET", "/v1/items/x", "", nil, "X-API-Key", "looks")
		if got := w.Header().Get("RateLimit"); w.Code != 404 || !strings.HasPrefix(got, fmt.Sprintf(`"calls";r=%d;t=`, left)) || w.Header().Get("RateLimit-Policy") != `"calls";q=2;w=200` {
			t.Errorf("%d, %v", w.Code, w.Header())
		}
	}
	w := send(h, "GET", "/v1/items/x", "", nil, "X-API-Key", "looks")
	if p := readProblem(t, w); p.Status != 429 || p.Code != "rate_limited" || w.Header().Get("Retry-After") != "100" {
		t.Errorf("%+v, %v", p, w.Header())
	}
	if w := send(h, "GET", "/v1/items/x", "", nil, "Cookie", session("looks")); w.Code != 429 {
		t.Errorf("the same key as a cookie: %d", w.Code)
	}
	if w := send(h, "GET", "/v1/items/x", "", nil, "X-API-Key", "both"); w.Code != 404 {
		t.Errorf("another key: %d", w.Code)
	}
	for i := range 10 { // a picture is a tenth
		if w := send(h, "GET", "/v1/items/x/image", "", nil, "X-API-Key", "both"); w.Code != 404 {
			t.Errorf("picture %d: %d", i, w.Code)
		}
	}
	if w := send(h, "GET", "/v1/items/x/image", "", nil, "X-API-Key", "both"); w.Code != 429 {
		t.Errorf("one picture more: %d", w.Code)
	}
	if w := send(h, "GET", "/healthz", "", nil); w.Code != 200 || w.Header().Get("RateLimit") != "" {
		t.Errorf("a probe: %d", w.Code)
	}
}

// TestRateLimitByAddress: without keys callers are told apart by address, and no
// caller can make one up.
func TestRateLimitByAddress(t *testing.T) {
	s := newShop(t)
	s.opts.Access.Calls = access.Limits{PerSecond: 0.01, Burst: 1}
	h := s.handler()
	for i, c := range []struct {
		remote string
		status int
	}{{"203.0.113.1:1", 404}, {"203.0.113.1:2", 429}, {"203.0.113.2:1", 404}, {"[2001:db8::1]:1", 404}, {"[2001:db8::2]:1", 429}, {"[2001:db8:0:1::1]:1", 404}} {
		r := newRequest("GET", "/v1/items/x", "", "")
		r.RemoteAddr = c.remote
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i))
		if w := record(h, r); w.Code != c.status {
			t.Errorf("%s: %d, want %d", c.remote, w.Code, c.status)
		}
	}
}

// TestManyInvalidKeys: they are answered with 429 after a while, and a valid key
// from the same address is let in all the same.
func TestManyInvalidKeys(t *testing.T) {
	h := locked(t).handler()
	for i := range 40 {
		w := send(h, "GET", "/v1/items/x", "", nil, "X-API-Key", "other")
		if want := 401; i < 20 && w.Code != want {
			t.Fatalf("try %d: %d", i, w.Code)
		}
		if i > 30 && (w.Code != 429 || w.Header().Get("Retry-After") == "") {
			t.Fatalf("try %d: %d, %v", i, w.Code, w.Header())
		}
	}
	if w := send(h, "GET", "/v1/items/x", "", nil, "X-API-Key", "looks"); w.Code != 404 {
		t.Errorf("a valid key: %d", w.Code)
	}
	if w := send(h, "GET", "/v1/items/x", "", nil); w.Code != 401 {
		t.Errorf("no key: %d", w.Code)
	}
	r := newRequest("GET", "/v1/items/x", "", "")
	r.RemoteAddr = "203.0.113.1:1"
	r.Header.Set("X-API-Key", "other")
	if w := record(h, r); w.Code != 401 {
		t.Errorf("another address: %d", w.Code)
	}
}

func TestMetricsWithoutKey(t *testing.T) {
	s := locked(t)
	s.opts.Access.OpenMetrics = true
	if w := s.send("GET", "/metrics", "", ""); w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
	s = newShop(t)
	s.opts.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "numbers") })
	if w := s.send("GET", "/metrics", "", ""); w.Code != 200 {
		t.Errorf("without keys: %d", w.Code)
	}
}

// TestRefusedKeysHideErrors: texts that are not meant for callers stay inside.
func TestRefusedKeysHideErrors(t *testing.T) {
	s := newShop(t)
	s.opts.Access.Keys = brokenKeys{}
	w := s.send("GET", "/v1/items/x", "", "", "X-API-Key", "looks")
	if w.Code != 401 || strings.Contains(w.Body.String(), "/var/lib") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

type brokenKeys struct{}

func (brokenKeys) Find(string) (*keys.Key, error) {
	return nil, errors.New("open /var/lib/sightline/keys.db")
}
func (b brokenKeys) FindSession(v string) (*keys.Key, error) { return b.Find(v) }
