package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"sightline/api/access"
	"sightline/store/keys"
)

// trace is what one request leaves in the log besides its status.
type trace struct {
	id     string
	client netip.Addr
	key    *keys.Key // nil while the caller is not known
	attrs  []slog.Attr

	refused func(status int, why string) // Options.Refused
}

// address is the caller's, without a port; "unknown" where there is none.
func (t *trace) address() string {
	if !t.client.IsValid() {
		return "unknown"
	}
	return t.client.String()
}

type traceKey struct{}

// traceOf returns the request's trace; an empty one for requests that did not
// come through the middleware.
func traceOf(r *http.Request) *trace {
	if t, ok := r.Context().Value(traceKey{}).(*trace); ok {
		return t
	}
	return &trace{}
}

func requestID(r *http.Request) string { return traceOf(r).id }

// note adds to the request's log line. Only the request's own goroutine may call it.
func note(r *http.Request, attr slog.Attr) {
	t := traceOf(r)
	t.attrs = append(t.attrs, attr)
}

// identify gives each request an id: the caller's, when it is one that cannot
// be mistaken for something else in a log, or a new random one. It finds out
// where the request comes from, too. refused is Options.Refused.
func identify(proxies access.Proxies, refused func(status int, why string)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get("X-Request-Id")
			if !saneID(id) {
				id = rand.Text()
			}
			w.Header().Set("X-Request-Id", id)
			t := &trace{id: id, client: proxies.Client(r), refused: refused}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), traceKey{}, t)))
		})
	}
}

func saneID(id string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:"
	return id != "" && len(id) <= 64 && strings.Trim(id, allowed) == ""
}

// logged writes one line a request, also of one that was broken off. It leaves
// out the query string, as searches are their users' business. Probes are
// logged at debug level.
func logged(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() { logRequest(log, r, ww, time.Since(start)) }()
			next.ServeHTTP(ww, r)
		})
	}
}

func logRequest(log *slog.Logger, r *http.Request, ww middleware.WrapResponseWriter, took time.Duration) {
	status := ww.Status()
	if status == 0 {
		status = http.StatusOK
	}
	level := slog.LevelInfo
	switch {
	case status >= http.StatusInternalServerError:
		level = slog.LevelWarn
	case r.URL.Path == "/healthz" || r.URL.Path == "/readyz":
		level = slog.LevelDebug
	}
	t := traceOf(r)
	log.LogAttrs(r.Context(), level, "request", append([]slog.Attr{
		slog.String("request_id", t.id), slog.String("method", shorten(r.Method)), slog.String("path", clip(r.URL.Path)),
		slog.Int("status", status), slog.Int("bytes", ww.BytesWritten()),
		slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("client", t.address()),
	}, t.attrs...)...)
}

func clip(path string) string {
	const most = 300 // an id of 128 bytes, percent-encoded, fits in
	if len(path) > most {
		return strings.ToValidUTF8(path[:most], "") + "…"
	}
	return path
}

// recovered turns a panic into a 500 and keeps the process alive.
func recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			note(r, slog.String("stack", string(debug.Stack())))
			if ww, ok := w.(middleware.WrapResponseWriter); ok && ww.Status() != 0 {
				note(r, slog.String("error", fmt.Sprintf("panic: %v", p)))
				return // the answer has begun; nothing can be put right
			}
			fail(w, r, fmt.Errorf("panic: %v", p))
		}()
		next.ServeHTTP(w, r)
	})
}

// secured sets headers that hold for every answer; the page's handler puts its
// own policy in place of this one. Pages of other origins may show pictures only
// where some may call at all.
func (c cors) secured(next http.Handler) http.Handler {
	embed := "same-origin"
	if len(c.origins) > 0 {
		embed = "cross-origin"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cross-Origin-Resource-Policy", embed)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
		next.ServeHTTP(w, r)
	})
}

// within ends a request's context after d.
func within(d time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), d)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// slots bounds how much goes on at once. Searches do not wait for a slot: behind
// a full house a request would only spend its deadline.
type slots chan struct{}

func (s slots) take() (give func(), ok bool) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, true
	default:
		return nil, false
	}
}

// besides are the places of requests that use the model beside the searches: among
// those of all, and fewer of their own, so that they cannot crowd out searches.
type besides struct{ all, own slots }

func (b besides) take() (give func(), err error) {
	end, ok := b.all.take()
	if !ok {
		return nil, tooMany(b.all)
	}
	other, ok := b.own.take()
	if !ok {
		end()
		return nil, tooMany(b.own)
	}
	return func() { other(); end() }, nil
}

func tooMany(s slots) error {
	return refuseFor(kindBusy, "searches", "Too many searches are under way ("+strconv.Itoa(cap(s))+"): try again in a moment.")
}

// await is for work that is short and whose caller has come too far to be
// turned away.
func (s slots) await(ctx context.Context) (give func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
