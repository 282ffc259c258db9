package shopify

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// answer is the body of 200: queued, duplicate, stale, ignored or rejected.
// Shopify reads the status only; people who test a webhook read this.
type answer struct {
	Status string `json:"status"`
	Job    string `json:"job,omitempty"`
}

// code is what went wrong, as a word that programs can rely on.
type code string

const (
	codeMethod      code = "method"
	codeMediaType   code = "media_type"
	codeTooLarge    code = "too_large"
	codeSlowBody    code = "slow_body"
	codeSignature   code = "signature"
	codeShop        code = "shop"
	codeMalformed   code = "malformed"
	codeUnavailable code = "unavailable"
)

// status is the one table from code to HTTP status.
func (c code) status() int {
	switch c {
	case codeMethod:
		return http.StatusMethodNotAllowed
	case codeMediaType:
		return http.StatusUnsupportedMediaType
	case codeTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeSlowBody:
		return http.StatusRequestTimeout
	case codeSignature:
		return http.StatusUnauthorized
	case codeShop:
		return http.StatusForbidden
	case codeMalformed:
		return http.StatusUnprocessableEntity
	case codeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// refusal is why a delivery is not taken: the detail is written for the sender,
// err, if any, for the log.
type refusal struct {
	code   code
	detail string
	err    error
}

func refuse(c code, detail string, err error) *refusal { return &refusal{c, detail, err} }

func (r *refusal) reason() string {
	if r.err != nil {
		return string(r.code) + ": " + r.err.Error()
	}
	return string(r.code)
}

// problem is RFC 9457's, with a code.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   code   `json:"code"`
}

// fail answers with what the sender may know, and logs the rest. Of one kind a
// line a minute is logged: anybody can send what is not signed.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, ref *refusal) {
	if h.faults.first(string(ref.code), h.o.Now(), time.Minute) {
		h.o.Log.WarnContext(r.Context(), "a webhook is refused; further ones of this minute are not logged",
			slog.Int("status", ref.code.status()), slog.String("problem", ref.reason()))
	}
	h.o.Observe(string(ref.code))
	status := ref.code.status()
	switch ref.code {
	case codeMethod:
		w.Header().Set("Allow", http.MethodPost)
	case codeSignature:
		w.Header().Set("WWW-Authenticate", "Shopify-Hmac-Sha256") // HTTP wants a scheme named
	case codeUnavailable:
		w.Header().Set("Retry-After", "5")
	}
	write(w, status, "application/problem+json", problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: ref.detail, Code: ref.code,
	})
}

func respond(w http.ResponseWriter, a answer) { write(w, http.StatusOK, "application/json", a) }

// write sends one whole answer. A failing Write means that the caller left.
func write(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil { // strings and numbers always encode; kept so that a new field cannot fail in silence
		status, body = http.StatusInternalServerError, nil
	}
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// quiet remembers what was logged.
type quiet struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

// maxQuiet bounds the topics that a sender can make it remember.
const maxQuiet = 64

// first tells whether a line of that key is due: none was within the time.
func (q *quiet) first(key string, now time.Time, within time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	last, known := q.seen[key]
	if known && now.Sub(last) < within || !known && len(q.seen) >= maxQuiet {
		return false
	}
	if q.seen == nil {
		q.seen = map[string]time.Time{}
	}
	q.seen[key] = now
	return true
}
