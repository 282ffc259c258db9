package api

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedSearches: every search that docs/rest.md shows is one.
func TestDocumentedSearches(t *testing.T) {
	text, err := os.ReadFile("../docs/rest.md")
	if err != nil {
		t.Fatal(err)
	}
	bodies := regexp.MustCompile(`(?s)curl \S+/v1/search -H 'Content-Type: application/json' -d '([^']*)'`).FindAllStringSubmatch(string(text), -1)
	for _, b := range bodies {
		if _, err := decodeSearch([]byte(b[1])); err != nil {
			t.Errorf("%s: %v", b[1], err)
		}
	}
	links := regexp.MustCompile(`curl '([^']*/v1/search\?[^']*)'`).FindAllStringSubmatch(string(text), -1)
	for _, l := range links {
		u, err := url.Parse(l[1])
		if err == nil {
			_, err = decodeQuery(u.RawQuery)
		}
		if err != nil {
			t.Errorf("%s: %v", l[1], err)
		}
	}
	if len(bodies) < 2 || len(links) < 3 || !strings.Contains(string(text), "group_by") {
		t.Errorf("found %d bodies and %d links", len(bodies), len(links))
	}
}

// TestDocumentedPairs: every request that docs/compatibility.md shows is one.
func TestDocumentedPairs(t *testing.T) {
	text, err := os.ReadFile("../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	decoders := map[string]func([]byte) error{
		"rerank":     func(body []byte) error { _, err := decodeRerank(body, rerankForm{}); return err },
		"match":      func(body []byte) error { _, err := decodeMatch(body); return err },
		"embeddings": func(body []byte) error { _, err := decodeEmbeddings(body); return err },
	}
	bodies := regexp.MustCompile(`(?s)curl \S+/v1/(\w+) -H 'Content-Type: application/json' -d '([^']*)'`).FindAllStringSubmatch(string(text), -1)
	for _, b := range bodies {
		if err := decoders[b[1]]([]byte(strings.ReplaceAll(b[2], "/9j/…", "/9j/"))); err != nil {
			t.Errorf("%s: %v", b[2], err)
		}
	}
	if len(bodies) < 4 {
		t.Errorf("found %d bodies", len(bodies))
	}
}

// TestRoutesAreTold: every address of the interface stands on a page of docs/, as
// /v1/items/{id} or with a name in place of the brace.
func TestRoutesAreTold(t *testing.T) {
	paths, err := filepath.Glob("../docs/*.md")
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d pages, %v", len(paths), err)
	}
	var all strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	brace := regexp.MustCompile(`\\\{[^}]*\\\}`)
	for at := range operations() {
		_, path, _ := strings.Cut(at, " ")
		if path == "/assets/{file}" { // the search page's own
			continue
		}
		told := regexp.MustCompile(brace.ReplaceAllString(regexp.QuoteMeta(path), `(\{[^}]*\}|[\w$:.-]+)`) + `([^\w/]|$)`)
		if !told.MatchString(all.String()) {
			t.Errorf("no page of docs/ names %s", path)
		}
	}
}
