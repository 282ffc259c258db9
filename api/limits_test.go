package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sightline/api"
	"sightline/encoder"
	"sightline/rerank"
	"sightline/store"
)

func TestTooManySearches(t *testing.T) {
	s := newService("a")
	s.opts.MaxSearches = 2
	entered, leave := make(chan struct{}), make(chan struct{})
	s.model.texts = func(context.Context) error { entered <- struct{}{}; <-leave; return nil }
	h := s.handler()
	var under sync.WaitGroup
	for range 2 {
		under.Go(func() {
			if w := serve(h, "GET", "/v1/search?q=red", "", nil); w.Code != http.StatusOK {
				t.Errorf("a search within the limit: status %d", w.Code)
			}
		})
		<-entered
	}
	w := serve(h, "GET", "/v1/search?q=red", "", nil)
	if p := readProblem(t, w); p.Status != http.StatusTooManyRequests || p.Code != "busy" || w.Header().Get("Retry-After") != "1" {
		t.Errorf("problem %+v, Retry-After %q", p, w.Header().Get("Retry-After"))
	}
	if w := serve(h, "GET", "/v1/items/a", "", nil); w.Code != http.StatusOK {
		t.Errorf("reading an item meanwhile: status %d", w.Code)
	}
	close(leave)
	under.Wait()
	s.model.texts = nil
	if w := serve(h, "GET", "/v1/search?q=red", "", nil); w.Code != http.StatusOK {
		t.Errorf("after the others have ended: status %d", w.Code)
	}
}

func TestTooManyUploads(t *testing.T) {
	s := newService("a")
	s.opts.MaxUploads = 1
	h := s.handler()
	body, feed := io.Pipe()
	var slow sync.WaitGroup
	slow.Go(func() {
		if w := serve(h, "POST", "/v1/search", "application/json", body); w.Code != http.StatusOK {
			t.Errorf("the slow upload: status %d: %s", w.Code, w.Body)
		}
	})
	if _, err := io.WriteString(feed, `{"text":`); err != nil { // returns when the handler reads
		t.Fatal(err)
	}
	if w := serve(h, "POST", "/v1/search", "application/json", io.MultiReader(strings.NewReader(`{}`))); w.Code != http.StatusTooManyRequests {
		t.Errorf("a second body of unknown length: status %d", w.Code)
	}
	if w := serve(h, "POST", "/v1/search", "application/json", strings.NewReader(`{"text":"red"}`)); w.Code != http.StatusOK {
		t.Errorf("a small body beside it: status %d", w.Code)
	}
	if _, err := io.WriteString(feed, `"red"}`); err != nil {
		t.Fatal(err)
	}
	feed.Close()
	slow.Wait()
}

func TestLargeBodies(t *testing.T) {
	s := newService("a")
	s.model.pixels = func(data []byte) error {
		if len(data) != 10<<20 {
			t.Errorf("picture of %d bytes", len(data))
		}
		return nil
	}
	exact := base64.StdEncoding.EncodeToString(make([]byte, 10<<20)) // 14 MB
	above := base64.StdEncoding.EncodeToString(make([]byte, 10<<20+1))
	fitType, fits := form(t, nil, strings.Repeat("p", 10<<20))
	overType, over := form(t, nil, strings.Repeat("p", 10<<20+1))
	farType, far := form(t, nil, strings.Repeat("p", 12<<20))
	for name, c := range map[string]struct {
		contentType, body string
		status            int
	}{
		"picture at the limit, base64": {"application/json", `{"image":{"base64":"` + exact + `"}}`, 200},
		"picture above, base64":        {"application/json", `{"image":{"base64":"` + above + `"}}`, 422},
		"10 MB of text":                {"application/json", `{"text":"` + strings.Repeat("a", 10<<20) + `"}`, 422},
		"10 MB field name":             {"application/json", `{"text":"red","` + strings.Repeat("a", 10<<20) + `":1}`, 422},
		"10 MB of nesting":             {"application/json", `{"filter":` + strings.Repeat("[", 10<<20), 400},
		"JSON body above":              {"application/json", `{"text":"` + strings.Repeat("a", 16_000_000) + `"}`, 413},
		"picture at the limit, form":   {fitType, fits, 200},
		"picture above, form":          {overType, over, 422},
		"form body above":              {farType, far, 413},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.do(http.MethodPost, "/v1/search", c.contentType, c.body)
			if w.Code != c.status || w.Body.Len() > 4096 {
				t.Errorf("status %d, want %d; answer of %d bytes: %.300s", w.Code, c.status, w.Body.Len(), w.Body)
			}
		})
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	var logs bytes.Buffer
	s := newService("a")
	s.opts.Log = slog.New(slog.NewTextHandler(&logs, nil))
	s.engine.Reranker = rerankFunc(func(context.Context, encoder.Query, []rerank.Candidate) rerank.Outcome { panic("index 7 out of range") })
	w := s.post(`{"text":"red"}`)
	if strings.Contains(w.Body.String(), "index 7") {
		t.Errorf("internal text leaks: %s", w.Body)
	}
	if p := readProblem(t, w); p.Status != 500 || p.RequestID != "test-1" {
		t.Errorf("problem %+v", p)
	}
	if !strings.Contains(logs.String(), "index 7") || !strings.Contains(logs.String(), "limits_test.go") {
		t.Errorf("the log misses the panic or its stack: %s", logs.String())
	}
}

func TestRequestID(t *testing.T) {
	h := newService("a").handler()
	for given, kept := range map[string]bool{
		"abc-1_2.3:4": true, "": false, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false,
		"a b": false, "a\"b": false, "é": false, "<script>": false,
	} {
		r := newRequest("GET", "/healthz", "", "")
		r.Header.Set("X-Request-Id", given)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		got := w.Header().Get("X-Request-Id")
		if got == "" || (got == given) != kept {
			t.Errorf("given %q, answered with %q", given, got)
		}
	}
}

func TestLogLineKeepsSearchesPrivate(t *testing.T) {
	var logs bytes.Buffer
	s := newService("a")
	s.opts.Log = slog.New(slog.NewTextHandler(&logs, nil))
	s.do(http.MethodGet, "/v1/search?q=embarrassing", "", "")
	line := logs.String()
	if strings.Contains(line, "embarrassing") {
		t.Errorf("the query is in the log: %s", line)
	}
	for _, want := range []string{"request_id=test-1", "method=GET", "path=/v1/search", "status=200", "hits=1"} {
		if !strings.Contains(line, want) {
			t.Errorf("the log line misses %s: %s", want, line)
		}
	}
	logs.Reset()
	if s.do(http.MethodGet, "/healthz", "", ""); logs.Len() != 0 {
		t.Errorf("probes fill the log: %s", logs.String())
	}
}

func TestSecurityHeaders(t *testing.T) {
	for _, target := range []string{"/healthz", "/v1/search?q=red", "/nowhere"} {
		h := newService("a").do(http.MethodGet, target, "", "").Header()
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: headers %v", target, h)
		}
	}
}

func TestPageIsServed(t *testing.T) {
	s := newService()
	s.opts.Page = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page "+r.URL.Path) })
	for _, target := range []string{"/", "/assets/app.js"} {
		if w := s.do(http.MethodGet, target, "", ""); w.Body.String() != "page "+target {
			t.Errorf("%s: %s", target, w.Body)
		}
	}
	if w := newService().do(http.MethodGet, "/", "", ""); w.Code != http.StatusNotFound {
		t.Errorf("without a page: status %d", w.Code)
	}
}

func TestReadiness(t *testing.T) {
	s := newService("a")
	s.life = &api.Readiness{}
	s.opts.Readiness = s.life
	h := s.handler()
	get := func(target string) *httptest.ResponseRecorder { return serve(h, "GET", target, "", nil) }

	if get("/healthz").Code != 200 {
		t.Error("not alive while starting")
	}
	for _, target := range []string{"/readyz", "/v1/search?q=red", "/v1/items/a"} {
		w := get(target)
		if p := readProblem(t, w); p.Status != 503 || !strings.Contains(p.Detail, "starting") || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s while starting: %+v", target, p)
		}
	}
	s.life.Set("warming the model")
	if p := readProblem(t, get("/readyz")); !strings.Contains(p.Detail, "warming the model") {
		t.Errorf("detail %q", p.Detail)
	}
	s.life.Set("")
	if w := get("/readyz"); w.Code != 200 || !strings.Contains(w.Body.String(), `"items":1`) {
		t.Errorf("ready: status %d, %s", w.Code, w.Body)
	}
	s.life.Set("shutting down")
	if w := get("/readyz"); w.Code != 503 {
		t.Errorf("draining: status %d", w.Code)
	}
	if w := get("/v1/search?q=red"); w.Code != 200 {
		t.Errorf("a search while draining: status %d", w.Code)
	}
}

func TestReadinessReallyChecks(t *testing.T) {
	for name, c := range map[string]struct {
		breaks func(*service)
		logged string
	}{
		"index": {func(s *service) {
			s.index.stats = func() (store.Stats, error) { return store.Stats{}, errors.New("disk on fire") }
		}, "disk on fire"},
		"model": {func(s *service) {
			s.model.texts = func(context.Context) error { return errors.New("session lost") }
		}, "session lost"},
		"another model": {func(s *service) {
			s.index.stats = func() (store.Stats, error) { return store.Stats{Fingerprint: "other"}, nil }
		}, "another model"},
	} {
		t.Run(name, func(t *testing.T) {
			var logs bytes.Buffer
			s := newService("a")
			s.opts.Log = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
			c.breaks(s)
			w := s.do(http.MethodGet, "/readyz", "", "")
			if p := readProblem(t, w); p.Status != 503 || strings.Contains(p.Detail, c.logged) || !strings.Contains(logs.String(), c.logged) {
				t.Errorf("problem %+v, log %s", p, logs.String())
			}
		})
	}
}

// sick is a second look out of service.
type sick struct{ *fakeReranker }

func (sick) Health(context.Context) error { return errors.New("device lost") }

// A second look that is out of service is told, and takes no service away.
func TestReadyWithoutASecondLook(t *testing.T) {
	s := newService("a")
	s.engine.Reranker = sick{&fakeReranker{}}
	w := s.do(http.MethodGet, "/readyz", "", "")
	if text := w.Body.String(); w.Code != 200 || !strings.Contains(text, `"second_look":"out of service"`) || strings.Contains(text, "device lost") {
		t.Errorf("%d %s", w.Code, text)
	}
}

func TestProbesAreCheap(t *testing.T) {
	s := newService("a")
	checks := 0
	s.index.stats = func() (store.Stats, error) { checks++; return store.Stats{Fingerprint: fingerprint}, nil }
	synctest.Test(t, func(t *testing.T) {
		h := s.handler()
		for range 100 {
			serve(h, "GET", "/readyz", "", nil)
			time.Sleep(39 * time.Millisecond)
		}
	})
	if checks > 2 {
		t.Errorf("%d checks for 100 probes in four seconds", checks)
	}
}

// A client that leaves in the middle ends the work for it.
func TestClientLeaves(t *testing.T) {
	s := newService("a")
	ended := make(chan error, 1)
	entered := make(chan struct{})
	s.model.texts = func(ctx context.Context) error {
		close(entered)
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
		}
		ended <- ctx.Err()
		return ctx.Err()
	}
	srv := httptest.NewServer(s.handler())
	defer srv.Close()
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-entered; leave() }()
	req, err := http.NewRequestWithContext(ctx, "GET", srv.URL+"/v1/search?q=red&deadline_ms=30000", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := srv.Client().Do(req); err == nil {
		res.Body.Close()
		t.Fatal("the request was answered")
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the search ended with %v", err)
	}
}
