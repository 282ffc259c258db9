package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// anyOrigin stands for all origins.
const anyOrigin = "*"

// ParseOrigins checks a list of origins whose web pages may call:
// https://shop.example, with a port where it is not the scheme's, or "*" alone.
// All bad ones are named at once.
func ParseOrigins(list []string) ([]string, error) {
	var origins []string
	var problems []error
	for _, text := range list {
		u, err := url.Parse(text)
		switch {
		case text == anyOrigin && len(list) == 1:
		case text == anyOrigin:
			problems = append(problems, errors.New("* stands for every origin: name no others beside it"))
			continue
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != text || strings.ToLower(text) != text:
			problems = append(problems, fmt.Errorf("%q is no origin: write it as browsers do, such as https://shop.example, without a path", text))
			continue
		}
		origins = append(origins, text)
	}
	return origins, errors.Join(problems...)
}

// cors tells browsers which pages of other origins may call (the Fetch
// standard's CORS protocol). It never allows cookies: such pages send a key.
type cors struct{ origins []string }

func newCORS(origins []string) cors { return cors{origins} }

func (c cors) any() bool { return slices.Contains(c.origins, anyOrigin) }

func (c cors) allows(origin string) bool { return c.any() || slices.Contains(c.origins, origin) }

const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, X-API-Key, Content-Type, Accept, Prefer, Idempotency-Key, If-Match, If-None-Match, X-Request-Id"
	corsExposed = "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, Idempotent-Replayed, Preference-Applied, WWW-Authenticate"
	corsMaxAge  = "600" // seconds a browser may remember; short, as the list may change
)

func (c cors) handler(next http.Handler) http.Handler {
	if len(c.origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin") // also of answers to others: a cache must not give theirs to a page
		origin := r.Header.Get("Origin")
		if origin == "" || !c.allows(origin) {
			next.ServeHTTP(w, r)
			return
		}
		if c.any() {
			origin = anyOrigin
		}
		h.Set("Access-Control-Allow-Origin", origin)
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			h.Set("Access-Control-Expose-Headers", corsExposed)
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", corsMethods)
		h.Set("Access-Control-Allow-Headers", corsHeaders)
		h.Set("Access-Control-Max-Age", corsMaxAge)
		w.WriteHeader(http.StatusNoContent)
	})
}
