package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sightline/api"
	"sightline/store"
)

func TestQueueAwayOrFull(t *testing.T) {
	s := newShop(t)
	for _, err := range []error{api.ErrWriterAway, api.ErrWriterFull} {
		s.writer.submit = func(int) error { return fmt.Errorf("redis:6379: %w", err) }
		w := s.json("PUT", "/v1/items/a", shoe)
		if text := refused(t, w, 503, "unavailable"); strings.Contains(text, "6379") || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s, headers %v", text, w.Header())
		}
	}
	s.writer.Writer = queueWriter{queue: s.queue, most: 1}
	s.writer.submit = nil
	read(t, s.json("PUT", "/v1/items/a", shoe), 202)
	refused(t, s.json("PUT", "/v1/items/b", shoe), 503, "unavailable")
}

func TestNoSpaceForPictures(t *testing.T) {
	s := newShop(t)
	s.stored.err = fmt.Errorf("write: %w", store.ErrNoSpace)
	contentType, body := parts(t, "image", pngBytes)
	refused(t, s.send("PUT", "/v1/items/a", contentType, body), 503, "unavailable")
	s.nothing("a full disk")
}

func TestReadOnlyServer(t *testing.T) {
	s := newService("a")
	for _, c := range [][3]string{
		{"PUT", "/v1/items/a", shoe},
		{"PATCH", "/v1/items/a", "{}"},
		{"DELETE", "/v1/items/a", ""},
		{"POST", "/v1/items:batch", "{}"},
		{"POST", "/v1/items:delete", "{}"},
		{"GET", "/v1/jobs", ""},
		{"GET", "/v1/items?state=failed", ""},
		{"POST", "/v1/jobs/x:retry", ""},
		{"GET", "/v1/events", ""},
	} {
		w := s.do(c[0], c[1], "application/json", c[2])
		if p := readProblem(t, w); p.Status != 403 || p.Code != "read_only" {
			t.Errorf("%s %s: %+v", c[0], c[1], p)
		}
	}
	if w := s.do("GET", "/v1/items", "", ""); w.Code != 501 {
		t.Errorf("listing: status %d", w.Code)
	}
	if w := s.do("GET", "/v1/items/a", "", ""); w.Code != 200 {
		t.Errorf("reading: status %d", w.Code)
	}
	full := newShop(t)
	full.opts.Catalogue.Uploads = nil
	contentType, body := parts(t, "image", pngBytes)
	refused(t, full.send("PUT", "/v1/items/a", contentType, body), 501, "unsupported")
}

func TestWritesBeforeReady(t *testing.T) {
	s := newShop(t)
	s.opts.Readiness = &api.Readiness{}
	refused(t, s.json("PUT", "/v1/items/a", shoe), 503, "unavailable")
	s.nothing("a server that starts")
}

func TestHosts(t *testing.T) {
	s := newShop(t)
	s.opts.CheckHost, s.opts.Hosts = true, []string{"Shop.example"}
	for host, status := range map[string]int{
		"localhost:8080": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "192.168.0.7": 200, "shop.example:80": 200, "LOCALHOST": 200,
		"evil.example:8080": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "": 403,
	} {
		r := newRequest("GET", "/v1/jobs", "", "")
		r.Host = host
		w := record(s.handler(), r)
		if w.Code != status {
			t.Errorf("host %q: status %d, want %d", host, w.Code, status)
		}
	}
}

func TestMethods(t *testing.T) {
	s := newShop(t)
	for target, allowed := range map[string]string{
		"/v1/items/a": "GET, PUT, PATCH, DELETE", "/v1/items:batch": "POST", "/v1/items": "GET",
		"/v1/jobs/x": "GET", "/v1/jobs/x:retry": "POST", "/v1/items/a/image": "GET", "/v1/items/a/similar": "GET", "/v1/items/a%2Fimage": "GET, PUT, PATCH, DELETE",
	} {
		w := s.send("OPTIONS", target, "", "")
		if w.Code != 405 || w.Header().Get("Allow") != allowed {
			t.Errorf("%s: status %d, Allow %q", target, w.Code, w.Header().Get("Allow"))
		}
	}
	if w := s.json("PUT", "/v1/items/a/image", shoe); w.Code != 405 || w.Header().Get("Allow") != "GET" {
		t.Errorf("PUT of what stands below an item: status %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if w := s.send("PATCH", "/v1/items/a", "text/plain", "x"); w.Code != 415 || !strings.Contains(w.Header().Get("Accept-Patch"), "merge-patch") {
		t.Errorf("status %d, headers %v", w.Code, w.Header())
	}
}

func TestWebhooks(t *testing.T) {
	s := newShop(t)
	s.opts.CheckHost = true // webhooks come under whatever name the shop was given
	s.opts.Webhooks = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) })
	if w := s.json("POST", "/webhooks/shopify", "{}"); w.Code != 200 || w.Body.String() != "/webhooks/shopify" {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	s.opts.Readiness = &api.Readiness{}
	refused(t, s.json("POST", "/webhooks/shopify", "{}"), 503, "unavailable")
}

// Pictures that are decoded at once are counted, also those of small bodies.
func TestDecodingIsBounded(t *testing.T) {
	s := newShop(t)
	s.opts.MaxUploads = 2
	entered, leave := make(chan struct{}, 5), make(chan struct{})
	var now, most atomic.Int64
	s.model.pixels = func([]byte) error {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		entered <- struct{}{}
		<-leave
		now.Add(-1)
		return nil
	}
	h := s.handler()
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() {
			w := send(h, "PUT", fmt.Sprintf("/v1/items/%d", i), "application/json", strings.NewReader(`{"image":"data:,x"}`), "Prefer", "wait=0")
			if w.Code != 202 {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
	}
	<-entered
	<-entered
	close(leave)
	all.Wait()
	if most.Load() > 2 {
		t.Errorf("%d at once", most.Load())
	}
}
