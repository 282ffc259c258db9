package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sightline/api/access"
	"sightline/store/keys"
)

// Keys find callers by what they present; keys.Ring is one. Both methods return
// one of that package's errors.
type Keys interface {
	Find(token string) (*keys.Key, error)
	FindSession(value string) (*keys.Key, error)
}

// Access says who may call, and how often. The zero value lets everybody do
// everything.
type Access struct {
	Keys    Keys           // nil: no keys are asked for
	Proxies access.Proxies // whose word on callers' addresses counts
	// Origins are those whose web pages may call, from ParseOrigins. Such pages
	// need a key as everybody does; cookies of theirs count for nothing.
	Origins []string
	// Calls bounds the requests of one key, or where none are asked for of one
	// address. A picture costs a tenth of a request. Zero: no bound.
	Calls access.Limits
	// Audit is the record of writes; nil for none.
	Audit *access.Audit
	// OpenMetrics serves /metrics without a key; else it needs the scope admin.
	OpenMetrics bool
}

// callUnits is what a request costs, and pictureUnits what a picture does: a page
// of results shows up to a hundred.
const (
	callUnits    = 10
	pictureUnits = 1
)

// failures are how often an address may present something that is no valid key.
// A valid one is let in all the same, so that nobody can lock others out who come
// from the same address: keys cannot be guessed, the limit is for the log's sake.
func failures() access.Limits { return access.Limits{PerSecond: 0.2, Burst: 20} }

// caller is who is counted: a key, or an address where there is none.
type caller struct {
	key  string
	from netip.Addr
}

// guard is Access at work.
type guard struct {
	Access

	origins cors
	calls   *access.Limiter[caller] // nil for no bound
	policy  string                  // header that tells of the bound
	failed  *access.Limiter[netip.Addr]
	foreign *http.CrossOriginProtection // of requests without a key, and with a cookie
	own     *http.CrossOriginProtection
}

func newGuard(a Access) *guard {
	g := &guard{
		Access: a, origins: newCORS(a.Origins), failed: access.NewLimiter[netip.Addr](failures()),
		foreign: http.NewCrossOriginProtection(), own: http.NewCrossOriginProtection(),
	}
	for _, origin := range a.Origins {
		if origin != anyOrigin {
			_ = g.foreign.AddTrustedOrigin(origin) // ParseOrigins took it, or it is refused as any other
		}
	}
	if l := a.Calls; l.PerSecond > 0 {
		burst := max(1, l.Burst)
		window := max(1, access.Seconds(time.Duration(float64(burst)/l.PerSecond*float64(time.Second))))
		g.policy = fmt.Sprintf(`"calls";q=%d;w=%d`, burst, window)
		l.PerSecond, l.Burst = l.PerSecond*callUnits, burst*callUnits
		g.calls = access.NewLimiter[caller](l)
	}
	return g
}

// need lets in who has one of the scopes, as often as the limits allow.
func (g *guard) need(scopes keys.Scopes) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			err := g.admit(w, r, scopes)
			if err == nil {
				err = g.count(w, r)
			}
			if err != nil {
				fail(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// needForMetrics asks for the scope admin unless OpenMetrics says not to.
func (g *guard) needForMetrics(next http.Handler) http.Handler {
	if g.OpenMetrics {
		return next
	}
	return g.need(keys.Admin)(next)
}

// admit finds out whose request this is, and whether it may be.
func (g *guard) admit(w http.ResponseWriter, r *http.Request, scopes keys.Scopes) error {
	if g.Keys == nil {
		return nil
	}
	key, err := g.whose(r)
	if err != nil {
		return g.deny(w, r, err)
	}
	t := traceOf(r)
	t.key = key
	note(r, slog.String("key", key.ID))
	return inScope(w, r, scopes)
}

// inScope refuses callers who are known by a key that has none of the scopes.
func inScope(w http.ResponseWriter, r *http.Request, scopes keys.Scopes) error {
	key := traceOf(r).key
	if key == nil || key.Scopes&scopes != 0 {
		return nil
	}
	names := scopes.Names()
	w.Header().Set("WWW-Authenticate", challenge+`, error="insufficient_scope", scope="`+strings.Join(names, " ")+`"`)
	return refuse(kindScope, "This key is for "+key.Scopes.String()+", and this address needs "+strings.Join(names, " or ")+".")
}

const challenge = `Bearer realm="sightline"`

var errNoKey = errors.New("no key was sent")

// whose looks at headers first, and at the cookie only where they hold no key.
func (g *guard) whose(r *http.Request) (*keys.Key, error) {
	token, err := presented(r)
	switch {
	case err != nil:
		return nil, err
	case token != "":
		return g.Keys.Find(token)
	}
	session := sessionOf(r)
	if session == "" {
		return nil, errNoKey
	}
	key, err := g.Keys.FindSession(session)
	if err == nil {
		err = g.ownPage(r)
	}
	return key, err
}

// presented is the key in the headers; "" for none.
func presented(r *http.Request) (string, error) {
	token := strings.TrimSpace(r.Header.Get("X-Api-Key"))
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if bearer = strings.TrimSpace(bearer); !strings.EqualFold(scheme, "bearer") || bearer == "" {
		return token, nil
	}
	if token != "" && token != bearer {
		return "", refuseFor(kindUnauthorized, "two_keys", "Authorization and X-API-Key hold two different keys: send one.")
	}
	return bearer, nil
}

// deny makes the answer to a caller who is not known.
func (g *guard) deny(w http.ResponseWriter, r *http.Request, err error) error {
	var known *refusal
	w.Header().Set("WWW-Authenticate", challenge)
	switch {
	case errors.Is(err, errNoKey):
		return refuseFor(kindUnauthorized, "no_key", "This server asks for a key: send it as Authorization: Bearer KEY, or as X-API-Key: KEY.")
	case errors.As(err, &known) && known.kind == kindForbidden:
		return err
	}
	if verdict := g.failed.Take(access.Network(traceOf(r).client), 1); !verdict.OK {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, access.Seconds(verdict.Wait))))
		return refuseFor(kindLimited, "invalid_keys", "Too many invalid keys came from this address: wait, and use a valid one.")
	}
	w.Header().Set("WWW-Authenticate", challenge+`, error="invalid_token"`)
	if known != nil {
		return err
	}
	why, detail := reason(err)
	return &refusal{kind: kindUnauthorized, detail: detail, err: err, why: why}
}

// reason tells the holder of a key what is wrong with it, and metrics in a word.
func reason(err error) (why, detail string) {
	switch {
	case errors.Is(err, keys.ErrMalformed):
		return "malformed", "This is no key: a character is wrong or missing."
	case errors.Is(err, keys.ErrUnknown):
		return "unknown", "This key is not known here."
	case errors.Is(err, keys.ErrExpired):
		return "expired", "This key has expired."
	case errors.Is(err, keys.ErrRevoked):
		return "revoked", "This key was revoked."
	}
	return "unchecked", "This key cannot be checked."
}

// count takes a request from its caller's bucket.
func (g *guard) count(w http.ResponseWriter, r *http.Request) error {
	if g.calls == nil {
		return nil
	}
	t := traceOf(r)
	who := caller{from: access.Network(t.client)}
	if t.key != nil {
		who = caller{key: t.key.ID}
	}
	cost := callUnits
	if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/image") {
		cost = pictureUnits
	}
	verdict := g.calls.Take(who, cost)
	h := w.Header()
	h.Set("RateLimit-Policy", g.policy)
	h.Set("RateLimit", `"calls";r=`+strconv.Itoa(verdict.Left/callUnits)+`;t=`+strconv.Itoa(access.Seconds(verdict.Full)))
	if verdict.OK {
		return nil
	}
	h.Set("Retry-After", strconv.Itoa(max(1, access.Seconds(verdict.Wait))))
	return refuseFor(kindLimited, "rate", "Too many requests: wait as long as Retry-After says.")
}
