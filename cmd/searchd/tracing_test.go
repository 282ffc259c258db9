package main

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"sightline/cmd/internal/clitest"
)

// receiver takes OTLP over HTTP.
type receiver struct {
	*httptest.Server

	mu    sync.Mutex
	names map[string]map[string]bool // by trace
	links map[string]map[string]bool // the traces that a trace has links to
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{names: map[string]map[string]bool{}, links: map[string]map[string]bool{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var sent collector.ExportTraceServiceRequest
		if err != nil || req.URL.Path != "/v1/traces" || proto.Unmarshal(body, &sent) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.take(&sent)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(sent *collector.ExportTraceServiceRequest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range sent.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, span := range scope.Spans {
				trace := string(span.TraceId)
				if r.names[trace] == nil {
					r.names[trace], r.links[trace] = map[string]bool{}, map[string]bool{}
				}
				r.names[trace][span.Name] = true
				for _, l := range span.Links {
					r.links[trace][string(l.TraceId)] = true
				}
			}
		}
	}
}

// TestTraces: a real searchd sends the stages of a search and of a change.
func TestTraces(t *testing.T) {
	environ := clitest.Environ(t)
	r := newReceiver(t)
	p := startProcess(t, append(slices.Clone(environ), "OTEL_EXPORTER_OTLP_ENDPOINT="+r.URL, "OTEL_BSP_SCHEDULE_DELAY=50"),
		"--data", ownData(t, environ), "--model", model(t))
	const (
		trace       = "0af7651916cd43dd8448eb211c80319c"
		changeTrace = "1bf7651916cd43dd8448eb211c80319c"
	)
	req := p.request(t, http.MethodGet, "/v1/search?q=red+mug&deadline_ms=30000&facets=brand", nil)
	req.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	var found struct {
		RequestID string `json:"request_id"`
	}
	if code := p.do(t, req, &found); code != http.StatusOK || found.RequestID != trace {
		t.Errorf("search: %d, request id %s", code, found.RequestID)
	}
	change := p.request(t, http.MethodDelete, "/v1/items/nothing", nil)
	change.Header.Set("Prefer", "wait=30")
	change.Header.Set("Traceparent", "00-"+changeTrace+"-b7ad6b7169203331-01")
	if code := p.do(t, change, nil); code != http.StatusOK {
		t.Errorf("delete: %d", code)
	}
	p.signal(t, os.Interrupt)
	p.client.CloseIdleConnections()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("searchd: %v\n%s", err, p.log)
	}
	if !strings.Contains(p.log.String(), "trace_id="+trace) {
		t.Errorf("the log has no trace:\n%s", p.log)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	const searched = "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c"
	stages := r.names[searched]
	for _, name := range []string{"GET /v1/search", "encode text", "search", "facets", "rerank", "match"} {
		if !stages[name] {
			t.Errorf("no span %q; there are %v", name, slices.Sorted(maps.Keys(stages)))
		}
	}
	changed := "\x1b" + searched[1:]
	if !r.names[changed]["send changes"] {
		t.Errorf("no span of queueing; there are %v", r.names)
	}
	linked := false
	for trace, names := range r.names {
		linked = linked || names["process changes"] && r.links[trace][changed]
	}
	if !linked {
		t.Errorf("no span of the change with a link to its request in %v", r.names)
	}
}

// TestTracesUnreachable: a receiver that is away is no failure.
func TestTracesUnreachable(t *testing.T) {
	environ := clitest.Environ(t)
	r := newReceiver(t)
	address := r.URL
	r.Close()
	p := startProcess(t, append(slices.Clone(environ), "OTEL_EXPORTER_OTLP_ENDPOINT="+address, "OTEL_BSP_SCHEDULE_DELAY=50", "OTEL_EXPORTER_OTLP_TIMEOUT=500"),
		"--data", ownData(t, environ), "--model", model(t))
	if code := p.get(t, "/v1/search?q=red+mug&deadline_ms=30000", nil); code != http.StatusOK {
		t.Errorf("search: %d", code)
	}
	p.signal(t, os.Interrupt)
	p.client.CloseIdleConnections()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("searchd: %v\n%s", err, p.log)
	}
	if !strings.Contains(p.log.String(), "msg=traces") {
		t.Errorf("the log does not tell of it:\n%s", p.log)
	}
}
