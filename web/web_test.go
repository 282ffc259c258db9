package web_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sightline/web"
)

func get(method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	web.Handler().ServeHTTP(w, r)
	return w
}

func TestTypesAndPolicy(t *testing.T) {
	for target, want := range map[string]string{
		"/":                 "text/html; charset=utf-8",
		"/assets/style.css": "text/css; charset=utf-8",
		"/assets/app.js":    "text/javascript; charset=utf-8",
		"/assets/why.js":    "text/javascript; charset=utf-8",
		"/assets/mark.svg":  "image/svg+xml",
	} {
		w := get(http.MethodGet, target)
		h := w.Header()
		if w.Code != 200 || h.Get("Content-Type") != want || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: status %d, headers %v", target, w.Code, h)
		}
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'self'; img-src 'self' data: blob:") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", target, csp)
		}
	}
}

func TestNotServed(t *testing.T) {
	for _, target := range []string{"/index.html", "/assets", "/assets/", "/assets/none.js", "/static/index.html", "/../web.go", "/assets/../../web.go", "/assets/%2e%2e/index.html/x"} {
		if w := get(http.MethodGet, target); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", target, w.Code)
		}
	}
	if w := get(http.MethodPost, "/"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestETag(t *testing.T) {
	first := get(http.MethodGet, "/assets/app.js")
	etag := first.Header().Get("ETag")
	again := get(http.MethodGet, "/assets/app.js", "If-None-Match", etag)
	if len(etag) < 10 || again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("ETag %s, status %d", etag, again.Code)
	}
	if other := get(http.MethodGet, "/assets/why.js").Header().Get("ETag"); other == etag {
		t.Error("two files have one ETag")
	}
	if w := get(http.MethodHead, "/"); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: status %d, %d bytes", w.Code, w.Body.Len())
	}
}

// sources returns all files of the page, by path.
func sources(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	root := os.DirFS("static")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The policy would refuse all of this in the browser; here it fails earlier
// and with a name.
func TestNothingInlineAndNothingFromElsewhere(t *testing.T) {
	patterns := map[string]*regexp.Regexp{
		"inline style":                 regexp.MustCompile(`(?i)<style|\sstyle\s*=`),
		"inline script":                regexp.MustCompile(`(?i)<script(?:[^>]*)>[^<]`),
		"inline handler":               regexp.MustCompile(`(?i)<[^>]+\son[a-z]+\s*=`),
		"an address elsewhere":         regexp.MustCompile(`(?i)(?:src|href|url|import|from)\s*[=(]?\s*["']?(?:https?:)?//`),
		"a way from text to markup":    regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|setAttribute\(['"](?:style|on)`),
		"an absolute address of ours":  regexp.MustCompile(`(?:fetch|call)\(\s*['"` + "`" + `]/`),
		"a javascript: or data: frame": regexp.MustCompile(`(?i)javascript:|<iframe|<object|<embed`),
	}
	for name, text := range sources(t) {
		for what, pattern := range patterns {
			if found := pattern.FindString(text); found != "" {
				t.Errorf("%s has %s: %q", name, what, found)
			}
		}
	}
}

func TestEverythingNamedIsThere(t *testing.T) {
	files := sources(t)
	page := files["index.html"]
	for _, m := range regexp.MustCompile(`(?:src|href)="(assets/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		if _, ok := files[m[1]]; !ok {
			t.Errorf("the page names %s, which is not there", m[1])
		}
	}
	var scripts strings.Builder
	for name, text := range files {
		if strings.HasSuffix(name, ".js") {
			scripts.WriteString(text)
		}
	}
	for _, m := range regexp.MustCompile(`from '\./([a-z.]+)'`).FindAllStringSubmatch(scripts.String(), -1) {
		if _, ok := files["assets/"+m[1]]; !ok {
			t.Errorf("a script imports %s, which is not there", m[1])
		}
	}
	ids := regexp.MustCompile(`\bid="([^"]+)"`).FindAllStringSubmatch(page, -1)
	var known []string
	for _, m := range ids {
		if slices.Contains(known, m[1]) {
			t.Errorf("id %s is there twice", m[1])
		}
		known = append(known, m[1])
	}
	for _, m := range regexp.MustCompile(`(?:\$|show)\('([a-z-]+)'`).FindAllStringSubmatch(scripts.String(), -1) {
		if !slices.Contains(known, m[1]) {
			t.Errorf("a script uses #%s, which the page does not have", m[1])
		}
	}
}
