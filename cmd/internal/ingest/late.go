package ingest

import (
	"encoding/json"
	"net/http"
	"sync/atomic"
)

// LateHandler is a handler that is known only after the server has started:
// 503 until Set, so that callers come again. The zero value is ready for use,
// by several goroutines.
type LateHandler struct{ set atomic.Pointer[http.Handler] }

// Set hands requests to h from now on; nil answers 404.
func (l *LateHandler) Set(h http.Handler) {
	if h == nil {
		h = http.NotFoundHandler()
	}
	l.set.Store(&h)
}

// ServeHTTP implements http.Handler.
func (l *LateHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := l.set.Load(); h != nil {
		(*h).ServeHTTP(w, r)
		return
	}
	w.Header().Set("Retry-After", "5")
	answer(w, http.StatusServiceUnavailable, "starting")
}

// Health serves /healthz and /readyz of a program without the REST API. The
// zero value is "starting".
type Health struct {
	check atomic.Pointer[func(*http.Request) error]
}

// Set says that the program is ready as long as check finds no error. nil says
// that it is not.
func (h *Health) Set(check func(*http.Request) error) {
	if check == nil {
		h.check.Store(nil)
		return
	}
	h.check.Store(&check)
}

// Healthz says that the program runs.
func (h *Health) Healthz(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, "alive")
}

// Readyz says whether it can work.
func (h *Health) Readyz(w http.ResponseWriter, r *http.Request) {
	check := h.check.Load()
	switch {
	case check == nil:
		answer(w, http.StatusServiceUnavailable, "starting")
	case (*check)(r) != nil:
		answer(w, http.StatusServiceUnavailable, "a check of the index or the queue failed")
	default:
		answer(w, http.StatusOK, "ready")
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": text}) // the client may have gone
}
