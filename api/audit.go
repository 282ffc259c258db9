package api

import (
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5/middleware"
)

// audited records writes: who, what, how much, and what came of it. Requests of
// callers who are not known are not in it, as anybody could fill it with them;
// they are in the log. by names the caller where there are no keys.
func (g *guard) audited(by string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if g.Audit == nil {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet || r.Method == http.MethodHead {
				next.ServeHTTP(w, r)
				return
			}
			ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			broken := true // unless the handler returns: a panic ends in a 500 further out
			defer func() { g.record(ww, r, by, broken) }()
			next.ServeHTTP(ww, r)
			broken = false
		})
	}
}

func (g *guard) record(ww middleware.WrapResponseWriter, r *http.Request, by string, broken bool) {
	t, status := traceOf(r), ww.Status()
	if status == 0 {
		status = http.StatusOK
		if broken {
			status = http.StatusInternalServerError
		}
	}
	attrs := []slog.Attr{slog.String("request_id", t.id), slog.String("client", t.address())}
	switch {
	case t.key != nil:
		attrs = append(attrs, slog.String("key", t.key.ID), slog.String("by", t.key.Name))
	case by == byNobody && g.Keys != nil, by == byWebhook && status >= http.StatusBadRequest:
		return
	default:
		attrs = append(attrs, slog.String("by", by))
	}
	attrs = append(attrs, slog.String("method", shorten(r.Method)), slog.String("path", clip(r.URL.Path)), slog.Int("status", status))
	for _, a := range t.attrs {
		switch a.Key {
		case "job", "changes", "problem":
			attrs = append(attrs, a)
		}
	}
	g.Audit.Write(r.Context(), attrs...)
}

// Who writes without a key.
const (
	byNobody  = "anybody"
	byWebhook = "webhook"
)
