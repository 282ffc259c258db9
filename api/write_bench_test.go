package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"sightline/api"
	"sightline/indexer/queue/sqlite"
)

// BenchmarkLines sends the largest batch of lines to a queue on disk: 100,000
// items. heap-MB is the most of 50 looks a second.
func BenchmarkLines(b *testing.B) {
	q, err := sqlite.Open(b.Context(), sqlite.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	s := newService()
	s.opts.Catalogue = &api.Catalogue{Writer: queueWriter{queue: q}}
	srv := httptest.NewServer(s.handler())
	defer srv.Close()
	for b.Loop() {
		body, feed := io.Pipe()
		go func() {
			for i := range 100_000 {
				if _, err := io.WriteString(feed, lineOf(i)); err != nil {
					return
				}
			}
			feed.Close()
		}()
		stop := make(chan struct{})
		most := make(chan uint64)
		go watchHeap(stop, most)
		res, err := http.Post(srv.URL+"/v1/items:batch", "application/x-ndjson", body)
		if err != nil {
			b.Fatal(err)
		}
		answer, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 202 {
			b.Fatalf("status %d: %s (%v)", res.StatusCode, answer, err)
		}
		close(stop)
		b.ReportMetric(float64(<-most)/(1<<20), "heap-MB")
	}
	b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "items/s")
}

func watchHeap(stop chan struct{}, most chan uint64) {
	var peak uint64
	for {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse)
		select {
		case <-stop:
			most <- peak
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// BenchmarkPatch is one change of metadata, answered before anybody does it.
func BenchmarkPatch(b *testing.B) {
	q, err := sqlite.Open(b.Context(), sqlite.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	s := newService()
	s.opts.Catalogue = &api.Catalogue{Writer: queueWriter{queue: q}}
	h := s.handler()
	n := 0
	for b.Loop() {
		n++
		w := record(h, func() *http.Request {
			r := newRequest("PATCH", fmt.Sprintf("/v1/items/%d", n), "application/json", `{"price":9.5}`)
			r.Header.Set("Prefer", "respond-async")
			return r
		}())
		if w.Code != 202 {
			b.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
}
