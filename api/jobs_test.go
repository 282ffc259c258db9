package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sightline/api"
	"sightline/indexer/queue"
	"sightline/store"
	"sightline/store/change"
)

// until asks again until an answer is as wanted.
func (s *shop) until(target string, wanted func(answer) bool) answer {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		a := read(s.t, s.send("GET", target, "", ""), 200)
		if wanted(a) {
			return a
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s still answers %+v", target, a)
		}
	}
}

func TestJobs(t *testing.T) {
	s := newShop(t)
	s.fails = func(c change.Change) error {
		if strings.HasPrefix(c.ID, "bad") {
			return queue.Failure{Stage: "fetch", Reason: "404", Permanent: true}
		}
		return nil
	}
	a := read(t, s.json("POST", "/v1/items:batch", `{"deletes":["a","bad/1","b","bad/2","c"]}`), 202)
	job := "/v1/jobs/" + a.Job
	if waiting := read(t, s.send("GET", job, "", ""), 200); waiting.State != "waiting" || waiting.Counts.Waiting != 5 || waiting.ID != a.Job || len(waiting.Items) != 5 {
		t.Errorf("before work: %+v", waiting)
	}
	s.work()
	failed := s.until(job, func(a answer) bool { return a.State == "failed" })
	if failed.Counts.Done != 3 || failed.Counts.Dead != 2 {
		t.Errorf("job %+v", failed)
	}
	page := read(t, s.send("GET", job+"?state=dead&limit=1", "", ""), 200)
	if len(page.Items) != 1 || page.Items[0].ID != "bad/1" || page.Items[0].Stage != "fetch" || page.Items[0].Attempt != 1 || page.Items[0].Op != "delete" {
		t.Errorf("page %+v", page)
	}
	next := read(t, s.send("GET", job+"?state=failed&limit=1&after="+page.Next, "", ""), 200)
	if len(next.Items) != 1 || next.Items[0].ID != "bad/2" {
		t.Errorf("next page %+v", next)
	}
	if all := read(t, s.send("GET", "/v1/jobs?state=dead", "", ""), 200); len(all.Items) != 2 || all.Items[0].Group != a.Job || all.Next != "" {
		t.Errorf("dead jobs %+v", all)
	}
	if items := read(t, s.send("GET", "/v1/items?state=failed", "", ""), 200); len(items.Items) != 2 || items.Items[0].ID != "bad/1" || items.Items[0].Reason != "404" {
		t.Errorf("failed items %+v", items)
	}
	one := read(t, s.send("GET", "/v1/jobs/"+page.Items[0].Job, "", ""), 200)
	if one.State != "failed" || one.Counts.Dead != 1 || one.Items[0].ID != "bad/1" {
		t.Errorf("one %+v", one)
	}
	s.mu.Lock()
	s.fails = nil
	s.mu.Unlock()
	if r := read(t, s.send("POST", "/v1/jobs/"+page.Items[0].Job+":retry", "", ""), 200); *r.Retried != 1 {
		t.Errorf("retried %d", *r.Retried)
	}
	s.until(job, func(a answer) bool { return a.Counts.Done == 4 })
	if r := read(t, s.send("POST", job+":retry", "", ""), 200); *r.Retried != 1 {
		t.Errorf("retried %d", *r.Retried)
	}
	s.until(job, func(a answer) bool { return a.State == "done" })
	if r := read(t, s.send("POST", job+":retry", "", ""), 200); *r.Retried != 0 {
		t.Errorf("retried %d", *r.Retried)
	}
}

func TestJobsThatAreNotThere(t *testing.T) {
	s := newShop(t)
	for _, c := range []struct {
		method, target string
		status         int
		code           string
	}{
		{"GET", "/v1/jobs/nope", 404, "not_found"},
		{"GET", "/v1/jobs/", 404, "not_found"},
		{"POST", "/v1/jobs/nope:retry", 404, "not_found"},
		{"POST", "/v1/jobs/:retry", 404, "not_found"},
		{"POST", "/v1/jobs/nope", 405, "method"},
		{"GET", "/v1/jobs/nope:retry", 405, "method"},
		{"GET", "/v1/jobs?state=lost", 422, "invalid"},
		{"GET", "/v1/jobs?limit=0", 422, "invalid"},
		{"GET", "/v1/jobs?limit=1001", 422, "invalid"},
		{"GET", "/v1/jobs?stat=dead", 422, "invalid"},
		{"GET", "/v1/jobs/x?after=a&after=b", 422, "invalid"},
		{"GET", "/v1/items?state=done", 422, "invalid"},
		{"GET", "/v1/items?filter=brand", 422, "invalid"},
		{"GET", "/v1/items?state=failed&filter=price%3C5", 422, "invalid"},
		{"GET", "/v1/events?after=-1", 422, "invalid"},
		{"GET", "/v1/events?after=x", 422, "invalid"},
		{"GET", "/v1/events?follow=1", 422, "invalid"},
	} {
		refused(t, s.send(c.method, c.target, "", ""), c.status, c.code)
	}
}

// Jobs of other origin are listed as what they are.
func TestJobsOfOthers(t *testing.T) {
	s := newShop(t)
	if _, err := s.queue.Enqueue(t.Context(), queue.Job{Kind: "import", Group: "feed/1", Key: "feed"}); err != nil {
		t.Fatal(err)
	}
	a := read(t, s.send("GET", "/v1/jobs/feed%2F1", "", ""), 200)
	if a.State != "waiting" || len(a.Items) != 1 || a.Items[0].Op != "" || a.Items[0].ID != "" {
		t.Errorf("answer %+v", a)
	}
}

func TestListItems(t *testing.T) {
	s := newShop(t)
	for i := range 1203 {
		id := fmt.Sprintf("item-%05d", i)
		s.items[id] = store.Item{ID: id, Title: "t", Brand: []string{"acme", "other"}[i%2]}
	}
	first := read(t, s.send("GET", "/v1/items?limit=3&filter=brand+%3D+%22acme%22", "", ""), 200)
	second := read(t, s.send("GET", "/v1/items?limit=3&filter=brand+%3D+%22acme%22&after="+first.Next, "", ""), 200)
	if len(first.Items) != 3 || first.Next != "item-00004" || second.Items[0].ID != "item-00006" || second.Items[0].Title != "t" {
		t.Errorf("pages %+v, %+v", first, second)
	}
	if last := read(t, s.send("GET", "/v1/items?after=item-01201", "", ""), 200); len(last.Items) != 1 || last.Next != "" {
		t.Errorf("last page %+v", last)
	}
	w := s.send("GET", "/v1/items?after=item-00000", "", "", "Accept", "application/x-ndjson;q=1, */*")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("status %d, headers %v", w.Code, w.Header())
	}
	n := 0
	for dec := json.NewDecoder(w.Body); ; n++ {
		var it store.Item
		if err := dec.Decode(&it); errors.Is(err, io.EOF) {
			break
		} else if err != nil || it.ID != fmt.Sprintf("item-%05d", n+1) {
			t.Fatalf("line %d: %+v, %v", n, it, err)
		}
	}
	if n != 1202 {
		t.Errorf("%d lines", n)
	}
	if w := s.send("GET", "/v1/items?after=z", "", "", "Accept", "application/x-ndjson"); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("no items: status %d, %s", w.Code, w.Body)
	}
	if w := s.send("HEAD", "/v1/items", "", "", "Accept", "application/x-ndjson"); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: status %d, %s", w.Code, w.Body)
	}
	refused(t, s.send("GET", "/v1/items?limit=5", "", "", "Accept", "application/x-ndjson"), 422, "invalid")
}

func TestEvents(t *testing.T) {
	s := newShop(t)
	read(t, s.json("PATCH", "/v1/items/a", `{"price":1}`, "Prefer", "wait=0"), 202)
	s.work()
	s.until("/v1/jobs", func(a answer) bool { return a.Items[0].State == "dead" })
	read1 := func(after int) (events []api.JobEvent) {
		w := s.send("GET", fmt.Sprintf("/v1/events?after=%d", after), "", "")
		if w.Code != 200 {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		for in := bufio.NewScanner(w.Body); in.Scan(); {
			var e api.JobEvent
			if err := json.Unmarshal(in.Bytes(), &e); err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		return events
	}
	all := read1(0)
	if len(all) != 3 || all[0].State != "waiting" || all[1].State != "leased" || all[2].State != "dead" || all[2].Item != "a" || all[2].Stage != "missing" {
		t.Fatalf("events %+v", all)
	}
	if rest := read1(int(all[1].Seq)); len(rest) != 1 || rest[0].Seq != all[2].Seq {
		t.Errorf("rest %+v", rest)
	}
}

// brokenEvents fail after some.
type brokenEvents struct {
	api.Writer
	good int
}

func (b brokenEvents) Events(context.Context, int64) iter.Seq2[api.JobEvent, error] {
	return func(yield func(api.JobEvent, error) bool) {
		for i := range b.good {
			if !yield(api.JobEvent{Seq: int64(i + 1)}, nil) {
				return
			}
		}
		yield(api.JobEvent{}, api.ErrWriterAway)
	}
}

// A list that breaks off must not look complete.
func TestBrokenStream(t *testing.T) {
	s := newShop(t)
	logs := &strings.Builder{}
	s.opts.Log = newLog(logs)
	s.opts.Catalogue.Writer = brokenEvents{s.writer, 1000}
	srv := httptest.NewServer(s.handler())
	res, err := http.Get(srv.URL + "/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(res.Body)
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	srv.Close()
	if err == nil {
		t.Error("the body ended as if it were whole")
	}
	if !strings.Contains(logs.String(), "cannot be reached") {
		t.Errorf("log: %s", logs)
	}
	s.opts.Catalogue.Writer = brokenEvents{s.writer, 0}
	refused(t, s.send("GET", "/v1/events", "", ""), 503, "unavailable")
}

// Those who would wait beyond the limit are answered at once.
func TestManyWaiting(t *testing.T) {
	s := newShop(t)
	s.opts.MaxWaiting = 1
	h := s.handler()
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan struct{})
	entered := make(chan struct{}, 1)
	s.opts.Catalogue.Writer = countsHook{s.writer, func() {
		select {
		case entered <- struct{}{}:
		default:
		}
	}}
	go func() {
		defer close(ended)
		r := httptest.NewRequestWithContext(ctx, "DELETE", "/v1/items/a", nil)
		r.Header.Set("Prefer", "wait=30")
		record(h, r)
	}()
	<-entered
	w := send(h, "DELETE", "/v1/items/b", "", nil, "Prefer", "wait=30")
	if a := read(t, w, 202); a.State != "waiting" {
		t.Errorf("answer %+v", a)
	}
	leave() // and who leaves waits no longer
	<-ended
}

type countsHook struct {
	api.Writer
	hook func()
}

func (c countsHook) Counts(ctx context.Context, group string) (api.JobCounts, error) {
	c.hook()
	return c.Writer.Counts(ctx, group)
}

// A page of huge items has fewer of them, and the next one goes on.
func TestPagesAreBounded(t *testing.T) {
	s := newShop(t)
	for i := range 12 {
		id := fmt.Sprintf("item-%02d", i)
		s.items[id] = store.Item{ID: id, Attributes: map[string]any{"a": strings.Repeat("x", 1<<20)}}
	}
	seen := 0
	for after := ""; ; {
		w := s.send("GET", "/v1/items?after="+after, "", "")
		a := read(t, w, 200)
		if w.Body.Len() > 10<<20 {
			t.Fatalf("a page of %d bytes", w.Body.Len())
		}
		seen += len(a.Items)
		if after = a.Next; after == "" {
			break
		}
	}
	if seen != 12 {
		t.Errorf("%d items", seen)
	}
}

// reasonWriter tells of a worker that had nothing to do.
type reasonWriter struct{ api.Writer }

func (r reasonWriter) Job(ctx context.Context, id string) (api.Job, error) {
	j, err := r.Writer.Job(ctx, id)
	j.Outcome, j.Reason = "unchanged", "version 2 is older"
	return j, err
}

func TestReasonOfDoingNothing(t *testing.T) {
	s := newShop(t)
	s.opts.Catalogue.Writer = reasonWriter{s.writer}
	s.work()
	w := s.send("DELETE", "/v1/items/a", "", "", "Prefer", "wait=30")
	if !strings.Contains(w.Body.String(), `"outcome":"unchanged","reason":"version 2 is older"`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
