package shopify_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sightline/indexer/queue"
	"sightline/indexer/shopify"
)

// stuck is a queue that hangs and heeds no context until it is let go.
type stuck struct{ free chan struct{} }

func (s stuck) Enqueue(_ context.Context, jobs ...queue.Job) ([]queue.Enqueued, error) {
	<-s.free
	return make([]queue.Enqueued, len(jobs)), nil
}

// TestStuckQueue: the answer comes by the deadline, and however many deliveries
// come, few wait inside.
func TestStuckQueue(t *testing.T) {
	tee := golden(t, "mug.json")
	synctest.Test(t, func(t *testing.T) {
		q := stuck{make(chan struct{})}
		h := handlerOf(t, shopify.Options{Queue: q, Deadline: 50 * time.Millisecond})
		start := time.Now()
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				w := send(h, delivery{topic: update, id: fmt.Sprint(i), body: tee})
				if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		}
		all.Wait()
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("200 answers took %v", took)
		}
		close(q.free) // what hangs still ends, and then deliveries are taken again
		synctest.Wait()
		if w := send(h, delivery{topic: update, body: tee}); w.Code != http.StatusOK {
			t.Errorf("still %d %s", w.Code, w.Body)
		}
	})
}

type faulty func() []queue.Enqueued

func (f faulty) Enqueue(context.Context, ...queue.Job) ([]queue.Enqueued, error) { return f(), nil }

// TestFaultyQueue: a queue's bug costs one delivery and not the program.
func TestFaultyQueue(t *testing.T) {
	for name, q := range map[string]faulty{
		"panics":  func() []queue.Enqueued { panic("boom") },
		"nothing": func() []queue.Enqueued { return nil },
	} {
		w := send(handlerOf(t, shopify.Options{Queue: q}), delivery{topic: update, body: golden(t, "mug.json")})
		if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "boom") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestServed goes over a real connection, where read deadlines count: it must
// be taken off again, or the next delivery of the connection would meet it.
func TestServed(t *testing.T) {
	q := &memory{}
	s := httptest.NewServer(handlerOf(t, shopify.Options{Queue: q}))
	defer s.Close()
	for i := range 3 {
		r := delivery{topic: update, id: fmt.Sprint(i), body: golden(t, "tee.json")}.request().Clone(t.Context())
		r.RequestURI = ""
		u, err := r.URL.Parse(s.URL + "/webhooks/shopify")
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		answer, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK || len(q.jobs) != i+1 {
			t.Errorf("status %d, %d jobs", answer.StatusCode, len(q.jobs))
		}
	}
}
