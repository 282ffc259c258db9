package openapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed static
var static embed.FS

// Policy is the page's Content-Security-Policy: nothing inline, nothing from
// elsewhere, and no string may become markup.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// file is what is served under one address.
type file struct {
	ctype      string
	body, zip  []byte
	etag, etgz string
}

func newFile(ctype string, body []byte) file {
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:12])
	return file{ctype: ctype, body: body, etag: `"` + tag + `"`, etgz: `"` + tag + `-gz"`}
}

// compressed has both forms at hand, for what is kept.
func compressed(ctype string, body []byte) (file, error) {
	f := newFile(ctype, body)
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(body)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return file{}, fmt.Errorf("compress: %w", err)
	}
	f.zip = buf.Bytes()
	return f, nil
}

// serve answers with the file, compressed for those who take that. Readers ask
// each time (no-cache) and are told that nothing has changed.
func (f file) serve(w http.ResponseWriter, r *http.Request) {
	body, tag := f.body, f.etag
	h := w.Header()
	if f.zip != nil {
		h.Add("Vary", "Accept-Encoding")
	}
	if f.zip != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == "" {
		body, tag = f.zip, f.etgz
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", f.ctype)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// Handlers serve a description and the page that shows it. They make the
// documents when first asked, which takes some ten milliseconds of one core, and keep them. They
// are safe for concurrent use.
type Handlers struct {
	// JSON and YAML serve the document.
	JSON, YAML http.HandlerFunc
	// Page serves the page, at /docs, and its files below /docs/.
	Page http.HandlerFunc
}

// New makes handlers for what describe returns. failed answers where a document
// cannot be made, which no request has a part in, and where there is no such file.
func New(describe func() *huma.OpenAPI, failed func(w http.ResponseWriter, r *http.Request, err error)) Handlers {
	forms := sync.OnceValues(func() ([2]file, error) { return encode(describe()) })
	document := func(which int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			f, err := forms()
			if err != nil {
				failed(w, r, err)
				return
			}
			f[which].serve(w, r)
		}
	}
	return Handlers{JSON: document(0), YAML: document(1), Page: page(failed)}
}

func encode(doc *huma.OpenAPI) (forms [2]file, err error) {
	var compact bytes.Buffer
	e := json.NewEncoder(&compact)
	e.SetEscapeHTML(false)
	text, err := doc.YAML()
	if err == nil {
		err = e.Encode(doc)
	}
	if err == nil {
		forms[0], err = compressed("application/json", compact.Bytes())
	}
	if err == nil {
		forms[1], err = compressed("application/yaml", text)
	}
	if err != nil {
		return forms, fmt.Errorf("describe the interface: %w", err)
	}
	return forms, nil
}

// ErrNoFile says that the page has no such file.
var ErrNoFile = errors.New("the page has no such file")

func page(failed func(w http.ResponseWriter, r *http.Request, err error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/docs/")
		if r.URL.Path == "/docs" {
			name = "docs.html"
		}
		body, err := static.ReadFile("static/" + name)
		ctype, known := map[string]string{
			".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		}[path.Ext(name)]
		if err != nil || !known || name == "docs.html" && r.URL.Path != "/docs" {
			failed(w, r, ErrNoFile)
			return
		}
		w.Header().Set("Content-Security-Policy", Policy)
		newFile(ctype, body).serve(w, r)
	}
}
