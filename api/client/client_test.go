package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sightline/api/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers with a handler, to a client that waits little.
func serve(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(s.URL+"/", client.Options{Key: "secret", HTTP: &http.Client{Transport: transport, Timeout: time.Minute}, MaxWait: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func answer(w http.ResponseWriter, status int, body string) {
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

func TestSearch(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		want := `{"text":"red","image":{"base64":"AQI="},"limit":3,"filter":"price \u003c 5","facets":[{"field":"brand"}],"rerank":{"enabled":false}}`
		if r.URL.Path != "/v1/search" || string(body) != want || r.Header.Get("Authorization") != "Bearer secret" {
			answer(w, 400, fmt.Sprintf(`{"detail":%q}`, string(body)))
			return
		}
		answer(w, 200, `{"hits":[{"id":"a","score":1.5,"itm_logit":null,"item":{"id":"a","price":3}}],"facets":{"brand":{"values":[{"value":"Acme","count":2}],"missing":1,"exact":true}}}`)
	})
	off := false
	r, err := c.SearchImage(t.Context(), []byte{1, 2}, client.Query{Text: "red", Limit: 3, Filter: "price < 5", Facets: []client.Facet{{Field: "brand"}}, Rerank: &client.Rerank{Enabled: &off}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Hits) != 1 || *r.Hits[0].Item.Price != 3 || r.Hits[0].ITMLogit != nil || r.Facets["brand"].Values[0].Count != 2 {
		t.Errorf("%+v", r)
	}
}

func TestProblem(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 422, `{"status":422,"code":"invalid","title":"Unprocessable","detail":"The request has problems.","errors":[{"field":"limit","detail":"is 0"}],"request_id":"r1"}`)
	})
	_, err := c.Search(t.Context(), client.Query{})
	var p *client.Problem
	if !errors.As(err, &p) || p.Code != "invalid" || p.RequestID != "r1" || p.Error() != "The request has problems. limit is 0." || p.Temporary() {
		t.Errorf("%#v", err)
	}
	c = serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 502, "<html>") })
	if _, err := c.Search(t.Context(), client.Query{}); !errors.As(err, &p) || p.Status != 502 || !strings.Contains(p.Error(), "Bad Gateway") {
		t.Errorf("of a proxy: %v", err)
	}
	c = serve(t, func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "<html>") })
	if _, err := c.Search(t.Context(), client.Query{}); err == nil || errors.As(err, &p) && p.Status == 200 {
		t.Errorf("no JSON: %v", err)
	}
}

func TestTries(t *testing.T) {
	for _, status := range []int{429, 503} {
		var calls atomic.Int64
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if string(body) != `{"text":"red"}` {
				t.Errorf("body %q of try %d", body, calls.Load())
			}
			if calls.Add(1) < 3 {
				w.Header().Set("Retry-After", "7")
				answer(w, status, `{"detail":"busy","code":"busy"}`)
				return
			}
			answer(w, 200, `{}`)
		})
		if _, err := c.Search(t.Context(), client.Query{Text: "red"}); err != nil || calls.Load() != 3 {
			t.Errorf("%d: %v after %d", status, err, calls.Load())
		}
	}
	var calls atomic.Int64
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Retry-After", "7")
		answer(w, 503, `{"detail":"away"}`)
	})
	_, err := c.Job(t.Context(), "j")
	var p *client.Problem
	if !errors.As(err, &p) || p.RetryAfter != 7*time.Second || calls.Load() != 4 {
		t.Errorf("%v after %d", err, calls.Load())
	}
}

func TestUnreachable(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	address := s.URL
	s.Close()
	c, err := client.New(address, client.Options{Tries: 2, MaxWait: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Job(t.Context(), "j"); err == nil || !strings.Contains(err.Error(), "reach the server") {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "localhost:8080", "ftp://a", "http://"} {
		if _, err := client.New(bad, client.Options{}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestContextEndsWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		answer(w, 200, `{"id":"j","state":"running"}`)
	})
	if _, err := c.WaitJob(ctx, "j"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestPutAll counts lines by request: 500 at most.
func TestPutAll(t *testing.T) {
	var sizes []int
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		lines := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
		sizes = append(sizes, len(lines))
		var item client.Item
		if err := json.Unmarshal([]byte(lines[0]), &item); err != nil || r.Header.Get("Content-Type") != "application/x-ndjson" || r.URL.Query().Get("as_of") != "2026-01-02T00:00:00Z" {
			t.Errorf("%v, %s", err, r.URL)
		}
		answer(w, 202, fmt.Sprintf(`{"job":"j%d","accepted":%d}`, len(sizes), len(lines)))
	})
	items := func(yield func(client.Item) bool) {
		for i := range 1200 {
			if !yield(client.Item{ID: fmt.Sprint(i)}) {
				return
			}
		}
	}
	accepted := 0
	for b, err := range c.PutAll(t.Context(), items, client.BatchOptions{AsOf: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}) {
		if err != nil {
			t.Fatal(err)
		}
		accepted += b.Accepted
	}
	if accepted != 1200 || !slices.Equal(sizes, []int{500, 500, 200}) {
		t.Errorf("%d in %v", accepted, sizes)
	}
}

func TestPages(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("after") {
		case "":
			answer(w, 200, `{"items":[{"id":"a"},{"id":"b"}],"next":"b"}`)
		case "b":
			answer(w, 200, `{"items":[{"id":"c"}]}`)
		}
	})
	var ids []string
	for item, err := range c.Items(t.Context(), "", "price < 5") {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, item.ID)
	}
	if strings.Join(ids, "") != "abc" {
		t.Errorf("%v", ids)
	}
}
