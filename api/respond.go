package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// respond encodes before it writes, so that a value that JSON cannot hold
// becomes a clean 500 and never half an answer.
func respond(w http.ResponseWriter, r *http.Request, v any) { respondWith(w, r, http.StatusOK, v) }

func respondWith(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := encodeJSON(v)
	if err != nil {
		fail(w, r, err)
		return
	}
	write(w, status, "application/json", body)
}

// encodeJSON leaves & < > as they are: the answers are application/json with
// nosniff, and links in them stay readable.
func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return buf.Bytes(), nil
}

// write sends one whole answer. A failing Write means that the caller left;
// there is nobody to tell.
func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // G705: JSON, sent as such with nosniff
}
