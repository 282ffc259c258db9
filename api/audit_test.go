package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/api/access"
)

type auditLine struct {
	RequestID              string `json:"request_id"`
	Client, Key, By        string
	Method, Path, Job      string
	Problem                string
	Status                 int
	Changes                int
	Token, Cookie, Headers string
}

// audited keeps an audit log and returns a reader of its lines.
func audited(t *testing.T, s *shop) func() []auditLine {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit")
	a, err := access.OpenAudit(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	s.opts.Access.Audit = a
	return func() []auditLine {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var all []auditLine
		for line := range strings.Lines(string(data)) {
			var l auditLine
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			all = append(all, l)
		}
		return all
	}
}

func TestAudit(t *testing.T) {
	s := locked(t)
	lines := audited(t, s)
	s.opts.Webhooks = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Signed") == "" {
			w.WriteHeader(401)
		}
	})
	h := s.handler()
	for _, c := range []struct {
		method, target, media, body string
		headers                     []string
		want                        *auditLine // nil: nothing is recorded
	}{
		{"PUT", "/v1/items/a?x=1", "application/json", shoe, []string{"X-API-Key", "writes"}, &auditLine{Key: "2", By: "feed", Path: "/v1/items/a", Status: 422, Problem: "invalid"}},
		{"PUT", "/v1/items/a", "application/json", shoe, []string{"X-API-Key", "writes"}, &auditLine{Key: "2", By: "feed", Path: "/v1/items/a", Status: 202, Changes: 1}},
		{"DELETE", "/v1/items/b", "", "", []string{"Cookie", session("both"), "Sec-Fetch-Site", "same-origin"}, &auditLine{Key: "3", By: "staff", Path: "/v1/items/b", Status: 202, Changes: 1}},
		{"POST", "/v1/items:batch", "application/json", `{"deletes":["a","b","c"]}`, []string{"X-API-Key", "writes"}, &auditLine{Key: "2", By: "feed", Path: "/v1/items:batch", Status: 202, Changes: 3}},
		{"POST", "/v1/items:batch", "application/x-ndjson", "{\"id\":\"d\",\"image\":\"https://shop.example/d.jpg\"}\n{\"id\":\"e\",\"image\":\"https://shop.example/e.jpg\"}\n", []string{"X-API-Key", "writes"}, &auditLine{Key: "2", By: "feed", Path: "/v1/items:batch", Status: 202, Changes: 2}},
		{"POST", "/v1/items:delete", "application/json", `{"ids":["a","b"]}`, []string{"X-API-Key", "writes"}, &auditLine{Key: "2", By: "feed", Path: "/v1/items:delete", Status: 202, Changes: 2}},
		{"POST", "/v1/jobs/x:retry", "", "", []string{"X-API-Key", "writes"}, &auditLine{Key: "2", By: "feed", Path: "/v1/jobs/x:retry", Status: 404, Problem: "not_found"}},
		{"DELETE", "/v1/items/b", "", "", []string{"X-API-Key", "looks"}, &auditLine{Key: "1", By: "page", Path: "/v1/items/b", Status: 403, Problem: "insufficient_scope"}},
		{"DELETE", "/v1/items/b", "", "", []string{"X-API-Key", "other"}, nil},
		{"DELETE", "/v1/items/b", "", "", nil, nil},
		{"GET", "/v1/jobs", "", "", []string{"X-API-Key", "writes"}, nil},
		{"POST", "/v1/search", "application/json", `{"text":"red"}`, []string{"X-API-Key", "looks"}, nil},
		{"POST", "/webhooks/shopify", "application/json", "{}", []string{"X-Signed", "yes"}, &auditLine{By: "webhook", Path: "/webhooks/shopify", Status: 200}},
		{"POST", "/webhooks/shopify", "application/json", "{}", nil, nil},
	} {
		before := len(lines())
		headers := append([]string{"Prefer", "respond-async"}, c.headers...)
		w := send(h, c.method, c.target, c.media, strings.NewReader(c.body), headers...)
		name := fmt.Sprint(c.method, " ", c.target, " ", c.headers)
		all := lines()[before:]
		if c.want == nil {
			if len(all) != 0 {
				t.Errorf("%s: %+v", name, all)
			}
			continue
		}
		if len(all) != 1 {
			t.Fatalf("%s: %d lines, status %d: %s", name, len(all), w.Code, w.Body)
		}
		got, want := all[0], *c.want
		want.Method, want.RequestID, want.Client, want.Job = c.method, "test-1", "192.0.2.1", got.Job
		if got != want || (got.Changes > 0) != (got.Job != "") {
			t.Errorf("%s:\n got %+v\nwant %+v (%s)", name, got, want, w.Body)
		}
	}
}

// TestAuditWithoutKeys names nobody, and the address all the same.
func TestAuditWithoutKeys(t *testing.T) {
	s := newShop(t)
	lines := audited(t, s)
	s.send("DELETE", "/v1/items/a", "", "", "Prefer", "respond-async")
	if all := lines(); len(all) != 1 || all[0].By != "anybody" || all[0].Client != "192.0.2.1" || all[0].Status != 202 {
		t.Errorf("%+v", all)
	}
}
