package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"sightline/store"
	"sightline/store/keys"
)

// Browsers send a cookie with pictures, where a page can set no header, and hide
// it from scripts. It holds the key's session value and not the key: a leaked
// cookie cannot become one, and it ends with the key.
const (
	sessionPath   = "/v1/session"
	sessionCookie = "sightline_session"
	sessionFor    = 12 * time.Hour
	maxSession    = 1 << 10 // bytes of a body that holds a key
)

func sessionOf(r *http.Request) string {
	if c, err := r.Cookie(sessionCookie); err == nil {
		return c.Value
	}
	return ""
}

// ownPage refuses requests with a cookie that a page of another origin caused.
// SameSite=Strict keeps browsers from sending it for other sites; this also keeps
// off other hosts of the same site.
func (g *guard) ownPage(r *http.Request) error {
	site := r.Header.Get("Sec-Fetch-Site")
	if site != "" && site != "same-origin" && site != "none" || g.own.Check(r) != nil {
		return refuse(kindForbidden, "The session of the search page is for that page only: send a key.")
	}
	return nil
}

// session is what a page is told about its caller.
type session struct {
	KeysRequired bool      `json:"keys_required"`
	Key          string    `json:"key,omitempty"` // its id
	Name         string    `json:"name,omitempty"`
	Scopes       []string  `json:"scopes,omitempty"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
}

// signIn serves POST /v1/session: it sets the cookie for the key that comes in
// the body or in a header.
func (g *guard) signIn(w http.ResponseWriter, r *http.Request) {
	token, err := sentKey(w, r)
	if err != nil {
		fail(w, r, err)
		return
	}
	if g.Keys == nil {
		respond(w, r, session{})
		return
	}
	key, err := g.Keys.Find(token)
	if token == "" {
		err = errNoKey
	}
	if err != nil {
		fail(w, r, g.deny(w, r, err))
		return
	}
	traceOf(r).key = key
	g.setCookie(w, r, string(keys.Session(store.Secret(token))), sessionFor)
	respond(w, r, sessionFrom(key))
}

func sessionFrom(key *keys.Key) session {
	return session{KeysRequired: true, Key: key.ID, Name: key.Name, Scopes: key.Scopes.Names(), ExpiresAt: key.Expires}
}

// sentKey reads {"key": …}; without a body it is the header's.
func sentKey(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.ContentLength == 0 {
		return presented(r)
	}
	body, err := readBody(w, r, maxSession)
	if err != nil {
		return "", bodyError(err)
	}
	var sent struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal(body, &sent); err != nil || bytes.TrimSpace(body)[0] != '{' {
		return "", refuse(kindMalformed, `The body must be {"key": "…"}.`)
	}
	return strings.TrimSpace(sent.Key), nil
}

// whoami serves GET /v1/session.
func (g *guard) whoami(w http.ResponseWriter, r *http.Request) {
	if g.Keys == nil {
		respond(w, r, session{})
		return
	}
	key, err := g.whose(r)
	if err != nil {
		fail(w, r, g.deny(w, r, err))
		return
	}
	respond(w, r, sessionFrom(key))
}

// signOut serves DELETE /v1/session.
func (g *guard) signOut(w http.ResponseWriter, r *http.Request) {
	g.setCookie(w, r, "", -time.Second)
	respond(w, r, session{KeysRequired: g.Keys != nil})
}

func (g *guard) setCookie(w http.ResponseWriter, r *http.Request, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // a cookie of plain HTTP must not be Secure, or it would not come back
		Name: sessionCookie, Value: value, Path: "/", MaxAge: int(age / time.Second),
		HttpOnly: true, Secure: g.Proxies.Encrypted(r), SameSite: http.SameSiteStrictMode,
	})
}

// sameOrigin keeps web pages of others from writing with the reach of whoever
// looks at them. A request with a key in a header is not of that kind: no page
// can send such a header elsewhere unless Access.Origins names it.
func (g *guard) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := presented(r)
		if byHeader := g.Keys != nil && token != ""; err == nil && !byHeader && g.foreign.Check(r) != nil {
			err = refuse(kindForbidden, "Web pages of other origins may not write: send the request from a server, or from a page of this one.")
		}
		if err != nil {
			fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}
