// Package web is the search page: static files embedded in the binary. It
// talks to the REST API over HTTP only, with relative addresses, so it works
// under a path prefix too. No framework, no build step, nothing from a network.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"
)

//go:embed static
var static embed.FS

// Policy is the page's Content-Security-Policy. Nothing inline is allowed, and
// no string may become markup (trusted types), so text from a catalogue cannot
// turn into code or style even by a mistake in the page's scripts. data: and
// blob: are for the picture that a user searches by.
const Policy = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// Handler serves the page at / and its files below /assets/; anything else is
// 404. Browsers check files by ETag on every use (no-cache), so a page from a
// new binary never runs with an old script. It is safe for concurrent use.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "static" + r.URL.Path // embed refuses ".." and the like
		switch r.URL.Path {
		case "/":
			name += "index.html"
		case "/index.html": // one address for one page
			http.NotFound(w, r)
			return
		}
		body, err := static.ReadFile(name)
		ctype, known := contentType(name)
		if err != nil || !known {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this page can only be read: use GET", http.StatusMethodNotAllowed)
			return
		}
		serve(w, r, ctype, body)
	})
}

// serve hashes the file on each request: with the largest, 14 kB, a request
// takes some 50 µs in all, which buys having no state and no start-up step.
func serve(w http.ResponseWriter, r *http.Request, ctype string, body []byte) {
	sum := sha256.Sum256(body)
	h := w.Header()
	h.Set("Content-Type", ctype)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", `"`+hex.EncodeToString(sum[:12])+`"`)
	h.Set("Content-Security-Policy", Policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// contentType does not ask the machine's MIME table: a container without
// /etc/mime.types, or a registry with odd entries, must not turn a script into
// text/plain, which nosniff would then keep from running.
func contentType(name string) (string, bool) {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8", true
	case ".css":
		return "text/css; charset=utf-8", true
	case ".js":
		return "text/javascript; charset=utf-8", true
	case ".svg":
		return "image/svg+xml", true
	}
	return "", false
}
