package api_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestYAMLIsTheSameDocument reads both forms.
func TestYAMLIsTheSameDocument(t *testing.T) {
	asYAML, err := fetchDocument("/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := fetchDocument("/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var a, b, again any
	if err := yaml.Unmarshal(asYAML.Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(a) // both through encoding/json, for one kind of number
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &again); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(asJSON.Body.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, b) {
		t.Error("the two forms differ")
	}
}

// TestDocumentIsCacheable: an ETag, 304, gzip for those who take it, and no key.
func TestDocumentIsCacheable(t *testing.T) {
	h := locked(t).handler()
	for _, target := range []string{"/openapi.json", "/openapi.yaml", "/docs", "/docs/docs.js", "/docs/docs.css"} {
		plain := send(h, "GET", target, "", http.NoBody)
		tag := plain.Header().Get("ETag")
		if plain.Code != 200 || tag == "" || plain.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %v", target, plain.Code, plain.Header())
		}
		if again := send(h, "GET", target, "", http.NoBody, "If-None-Match", tag); again.Code != 304 || again.Body.Len() != 0 {
			t.Errorf("%s again: %d", target, again.Code)
		}
	}
	zipped := send(h, "GET", "/openapi.json", "", http.NoBody, "Accept-Encoding", "gzip")
	if zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Body.Len() > 24_000 {
		t.Errorf("%d bytes, %v", zipped.Body.Len(), zipped.Header())
	}
	t.Logf("openapi.json takes %d bytes on the wire", zipped.Body.Len())
	for _, target := range []string{"/docs/docs.html", "/docs/", "/docs/none.js", "/docs/../docs.html"} {
		if w := send(h, "GET", target, "", http.NoBody); w.Code != 404 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	page := send(h, "GET", "/docs", "", http.NoBody)
	if policy := page.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "require-trusted-types-for 'script'") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if strings.Contains(page.Body.String(), "//") || strings.Contains(page.Body.String(), "<script>") {
		t.Error("the page names something elsewhere, or has a script of its own")
	}
}
