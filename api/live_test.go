package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sightline/api"
)

// event is one of a stream.
type event struct{ name, id, data string }

// watcher reads a live stream.
type watcher struct {
	t      *testing.T
	res    *http.Response
	lines  *bufio.Scanner
	cancel context.CancelFunc
}

func watch(t *testing.T, address string, header ...string) *watcher {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(header) == 2 {
		req.Header.Set(header[0], header[1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return &watcher{t, res, bufio.NewScanner(res.Body), cancel}
}

// next passes comments over; ok is false at the end.
func (w *watcher) next() (e event, ok bool) {
	for w.lines.Scan() {
		name, value, _ := strings.Cut(w.lines.Text(), ": ")
		switch name {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e.data != "" {
				return e, true
			}
			e = event{}
		}
	}
	return e, false
}

func TestLiveJob(t *testing.T) {
	s := newShop(t)
	server := httptest.NewServer(s.handler())
	t.Cleanup(server.Close)
	a := read(t, s.json("POST", "/v1/items:batch", `{"deletes":["a","b","c"]}`), 202)
	w := watch(t, server.URL+"/v1/jobs/"+a.Job+"/events")
	if got := w.res.Header.Get("Content-Type"); w.res.StatusCode != 200 || got != "text/event-stream" {
		t.Fatalf("%d %s", w.res.StatusCode, got)
	}
	first, ok := w.next()
	if !ok || first.name != "progress" || !strings.Contains(first.data, `"state":"waiting"`) || !strings.Contains(first.data, `"waiting":3`) {
		t.Fatalf("first %+v", first)
	}
	s.work()
	var last event
	for e, ok := w.next(); ok; e, ok = w.next() {
		last = e
	}
	if last.name != "end" || !strings.Contains(last.data, `"state":"done"`) || !strings.Contains(last.data, `"done":3`) {
		t.Errorf("last %+v, %v", last, w.lines.Err())
	}
	if p := s.send("GET", "/v1/jobs/unknown/events", "", ""); p.Code != 404 {
		t.Errorf("unknown job: %d %s", p.Code, p.Body)
	}
}

func TestLiveEvents(t *testing.T) {
	s := newShop(t)
	server := httptest.NewServer(s.handler())
	t.Cleanup(server.Close)
	s.work()
	all := watch(t, server.URL+"/v1/jobs/events")
	read(t, s.json("POST", "/v1/items:batch", `{"deletes":["a","b"]}`), 202)
	var seen []event
	for ended := 0; ended < 2; {
		e, ok := all.next()
		if !ok {
			t.Fatalf("ended after %+v: %v", seen, all.lines.Err())
		}
		var j api.JobEvent
		if err := json.Unmarshal([]byte(e.data), &j); err != nil || j.Job == "" || j.Item == "" || e.id == "" {
			t.Fatalf("%+v: %v", e, err)
		}
		seen = append(seen, e)
		if j.State == api.JobDone {
			ended++
		}
	}
	// Who comes again goes on behind what is known.
	again := watch(t, server.URL+"/v1/jobs/events?after=0", "Last-Event-ID", seen[1].id)
	if e, ok := again.next(); !ok || e.id != seen[2].id {
		t.Errorf("again %+v, want %+v", e, seen[2])
	}
	for _, bad := range []string{"?after=-1", "?after=x", "?limit=3", "?from=now", "?from=latest&after=3", "?from=start&after=0"} {
		if w := s.send("GET", "/v1/jobs/events"+bad, "", ""); w.Code != 422 {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
}

// TestLiveFromLatest: who asks for what comes now gets nothing of before, and is
// told at once from where to go on.
func TestLiveFromLatest(t *testing.T) {
	s := newShop(t)
	server := httptest.NewServer(s.handler())
	t.Cleanup(server.Close)
	read(t, s.json("POST", "/v1/items:batch", `{"deletes":["a","b"]}`), 202)
	latest := watch(t, server.URL+"/v1/jobs/events?from=latest")
	known := ""
	for known == "" && latest.lines.Scan() {
		if id, ok := strings.CutPrefix(latest.lines.Text(), "id: "); ok {
			known = id
		}
	}
	if known != "2" {
		t.Fatalf("begins after %q, want 2", known)
	}
	read(t, s.json("POST", "/v1/items:batch", `{"deletes":["c"]}`), 202)
	for name, w := range map[string]*watcher{
		"the same stream":           latest,
		"one that comes again":      watch(t, server.URL+"/v1/jobs/events?from=latest", "Last-Event-ID", known),
		"again, from start":         watch(t, server.URL+"/v1/jobs/events?from=start", "Last-Event-ID", known),
		"one that knows where from": watch(t, server.URL+"/v1/jobs/events?after="+known),
	} {
		if e, ok := w.next(); !ok || e.id != "3" || !strings.Contains(e.data, `"item":"c"`) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if e, ok := watch(t, server.URL+"/v1/jobs/events?from=start").next(); !ok || e.id != "1" {
		t.Errorf("from the start: %+v", e)
	}
}

// TestManyLive: one more than may be is refused, and a place is free again when
// its caller leaves.
func TestManyLive(t *testing.T) {
	s := newShop(t)
	server := httptest.NewServer(s.handler())
	t.Cleanup(server.Close)
	read(t, s.json("POST", "/v1/items:batch", `{"deletes":["a"]}`), 202)
	var open []*watcher
	for range 32 {
		w := watch(t, server.URL+"/v1/jobs/events")
		if _, ok := w.next(); !ok {
			t.Fatalf("stream %d: status %d", len(open), w.res.StatusCode)
		}
		open = append(open, w)
	}
	if w := watch(t, server.URL+"/v1/jobs/events"); w.res.StatusCode != 429 || w.res.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %d", w.res.StatusCode)
	}
	open[0].cancel()
	for deadline := time.Now().Add(30 * time.Second); watch(t, server.URL+"/v1/jobs/events").res.StatusCode != 200; {
		if time.Now().After(deadline) {
			t.Fatal("the place of one who left stays taken")
		}
	}
}

// TestLiveEndsWithServer: a stream does not hold up the end of the server.
func TestLiveEndsWithServer(t *testing.T) {
	s := newShop(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended, handler := make(chan error, 1), s.handler()
	go func() { ended <- api.Serve(ctx, l, handler, api.ServeOptions{Drain: time.Minute}) }()
	read(t, s.json("POST", "/v1/items:batch", `{"deletes":["a"]}`), 202)
	w := watch(t, "http://"+l.Addr().String()+"/v1/jobs/events")
	if _, ok := w.next(); !ok {
		t.Fatal("no event")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, ok := w.next(); ok {
		t.Error("the stream goes on")
	}
}
