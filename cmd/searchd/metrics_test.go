package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sightline/cmd/internal/clitest"
)

// families are the names of a scrape.
func (s *server) families(t *testing.T) map[string]bool {
	t.Helper()
	res, err := s.client.Do(s.request(t, http.MethodGet, "/metrics", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", res.StatusCode, err)
	}
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+)`).FindAllStringSubmatch(string(body), -1) {
		found[m[1]] = true
	}
	return found
}

// documented are the names of docs/metrics.md, and under what condition each is
// there; "" for always.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(sightline_\\w+)` \\|[^|]*\\|([^|]*)\\|").FindAllStringSubmatch(string(text), -1) {
		if _, twice := rows[m[1]]; twice {
			t.Errorf("docs/metrics.md has %s twice", m[1])
		}
		rows[m[1]] = strings.TrimSpace(m[2])
	}
	return rows
}

// TestDocumentedMetrics: docs/metrics.md has what a busy searchd shows, and no more.
func TestDocumentedMetrics(t *testing.T) {
	environ := clitest.Environ(t)
	s := serve(t, environ, "--data", ownData(t, environ), "--model", model(t))
	s.search(t, map[string]any{"text": "red mug", "facets": []string{"brand"}})
	req := s.request(t, http.MethodDelete, "/v1/items/nothing", nil)
	req.Header.Set("Prefer", "wait=30")
	if code := s.do(t, req, nil); code != http.StatusOK {
		t.Fatalf("delete: %d", code)
	}
	rows := documented(t)
	shown := s.families(t)
	for name := range shown {
		if _, ok := rows[name]; !ok && strings.HasPrefix(name, "sightline_") {
			t.Errorf("docs/metrics.md lacks %s", name)
		}
	}
	done := []string{"", "after a search", "after a change", "with a cache"}
	for name, only := range rows {
		if !shown[name] && slices.Contains(done, only) {
			t.Errorf("docs/metrics.md has %s, which is not shown", name)
		}
	}
	if !shown["go_goroutines"] || !shown["process_cpu_seconds_total"] || len(rows) < 50 {
		t.Errorf("%d rows; shown are %v", len(rows), slices.Sorted(maps.Keys(shown)))
	}
}

// TestDashboardMetrics: what dashboard and alerts ask for are metrics.
func TestDashboardMetrics(t *testing.T) {
	rows := documented(t)
	names := regexp.MustCompile(`\b(?:sightline|go|process)_\w+`)
	foreign := []string{"process_resident_memory_bytes", "process_cpu_seconds_total", "go_memstats_heap_inuse_bytes"}
	for _, path := range []string{"../../deploy/grafana/sightline.json", "../../deploy/prometheus/alerts.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, ".json") && !json.Valid(text) {
			t.Errorf("%s is no JSON", path)
		}
		found := names.FindAllString(string(text), -1)
		for _, name := range found {
			base := name
			for _, end := range []string{"_bucket", "_sum", "_count"} {
				base = strings.TrimSuffix(base, end)
			}
			_, own := rows[name]
			_, histogram := rows[base]
			if !own && !histogram && !slices.Contains(foreign, name) {
				t.Errorf("%s asks for %s, which is no metric of docs/metrics.md", path, name)
			}
		}
		if len(found) < 10 {
			t.Errorf("%s: %d names", path, len(found))
		}
	}
}

// TestProfiles: off unless asked for, and with keys for the scope admin only.
func TestProfiles(t *testing.T) {
	environ := clitest.Environ(t)
	folder := ownData(t, environ)
	s := start(t, environ, "--data", folder, "--model", model(t))
	if code := s.get(t, "/debug/pprof/", nil); code != http.StatusNotFound {
		t.Errorf("without --pprof: %d", code)
	}
	s.waitReady(t)
	s.end(t, 0)
	s = start(t, environ, "--data", folder, "--model", model(t), "--pprof", "--require-keys")
	s.waitReady(t)
	if code := s.get(t, "/debug/pprof/heap", nil); code != http.StatusUnauthorized {
		t.Errorf("without a key: %d", code)
	}
	for scope, want := range map[string]int{"search": http.StatusForbidden, "admin": http.StatusOK} {
		req := s.request(t, http.MethodGet, "/debug/pprof/heap", nil)
		key, _ := newKey(t, "--name", scope, "--scopes", scope, "--data", folder)
		req.Header.Set("X-Api-Key", key)
		clitest.Eventually(t, fmt.Sprintf("%d for the scope %s", want, scope), func() bool { return s.do(t, req, nil) == want })
	}
	s.end(t, 0)
}
