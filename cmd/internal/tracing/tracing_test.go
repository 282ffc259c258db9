package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"sightline/api"
	"sightline/cmd/internal/tracing"
	"sightline/encoder"
	"sightline/indexer"
	"sightline/indexer/queue"
	"sightline/rerank"
	"sightline/store"
	"sightline/store/features"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func record(t *testing.T) (*tracing.Tracing, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	tr, err := tracing.New(t.Context(), "test", sdktrace.WithSpanProcessor(spans))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return tr, spans
}

// TestOff: without the variables there is nothing, and what is wrapped stays as it is.
func TestOff(t *testing.T) {
	for _, environ := range [][]string{
		nil,
		{"OTEL_TRACES_EXPORTER=none", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"},
		{"OTEL_SDK_DISABLED=true", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"},
		{"OTEL_SERVICE_NAME=a"},
	} {
		tr, err := tracing.Open(t.Context(), "test", environ, slog.New(slog.DiscardHandler))
		if tr != nil || err != nil {
			t.Errorf("%v: %v, %v", environ, tr, err)
		}
	}
	var off *tracing.Tracing
	e := api.Engine{Texts: model{}}
	if got := off.Engine(e); got.Texts != e.Texts || got.Observe != nil {
		t.Error("the engine is another")
	}
	log := slog.New(slog.DiscardHandler)
	if off.Logger(log) != log || off.GRPC() != nil || off.Redis() != nil || off.Close(t.Context()) != nil {
		t.Error("something is on")
	}
	if p := off.Stages(indexer.Parts{}); p.Encoder != nil || p.Fetcher != nil {
		t.Error("stages are wrapped")
	}
}

func TestRefusedVariables(t *testing.T) {
	for _, environ := range [][]string{
		{"OTEL_TRACES_EXPORTER=jaeger"},
		{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"},
	} {
		if _, err := tracing.Open(t.Context(), "test", environ, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "use ") {
			t.Errorf("%v: %v", environ, err)
		}
	}
}

// model is all parts of an engine and of an import.
type model struct{ err error }

func (model) Tokenize(string) encoder.Query { return encoder.Query{IDs: []int64{1, 2, 3}} }

func (m model) Texts(context.Context, []encoder.Query) ([][]float32, error) {
	return [][]float32{{1}}, m.err
}

func (m model) Search(context.Context, store.Query) ([]store.Hit, error) {
	return []store.Hit{{Item: store.Item{ID: "a"}, Picture: "p"}}, m.err
}

func (model) Get(context.Context, []string) ([]store.Entry, error) { return nil, nil }

func (model) Stats(context.Context) (store.Stats, error) { return store.Stats{}, nil }

func (model) Match(_ context.Context, _ encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	return make([]encoder.Logits, len(states)), nil
}

func (model) Project(context.Context, encoder.States) (encoder.Projected, error) {
	return encoder.Projected{}, nil
}

func (model) MatchProjected(context.Context, encoder.Projected, []encoder.Query) ([]encoder.Logits, error) {
	return nil, nil
}

// atHand has patch states of every picture.
type atHand struct{}

func (atHand) Get(context.Context, string) (features.Record, bool, error) {
	return features.Record(encoder.States{Tokens: 1, Width: 1, Float: []float32{1}}), true, nil
}

// TestSearch goes through a request with all its stages.
func TestSearch(t *testing.T) {
	tr, spans := record(t)
	var log bytes.Buffer
	reranker := rerank.New(tr.Matcher(model{}), tr.States(atHand{}), rerank.Options{})
	defer reranker.Close()
	engine := tr.Engine(api.Engine{Texts: model{}, Index: index{model{}}, Reranker: reranker})
	life := &api.Readiness{}
	life.Set("")
	h := api.NewRouter(api.Options{
		Engine: &engine, Readiness: life, Around: []func(http.Handler) http.Handler{tr.Handler},
		Log: tr.Logger(slog.New(slog.NewJSONHandler(&log, nil))),
	})
	r := httptest.NewRequest("GET", "/v1/search?q=secret+words", nil)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"request_id":"`+trace+`"`) || !strings.Contains(w.Body.String(), `"scored":1`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), `"trace_id":"`+trace+`"`) || !strings.Contains(log.String(), `"span_id"`) {
		t.Errorf("log %s", log.String())
	}
	parents := map[string]string{}
	ids := map[string]string{"b7ad6b7169203331": "caller"}
	for _, s := range spans.Ended() {
		ids[s.SpanContext().SpanID().String()] = s.Name()
		if got := s.SpanContext().TraceID().String(); got != trace {
			t.Errorf("%s is of the trace %s", s.Name(), got)
		}
	}
	for _, s := range spans.Ended() {
		parents[s.Name()] = ids[s.Parent().SpanID().String()]
		for _, a := range s.Attributes() {
			if strings.Contains(a.Value.String(), "secret") {
				t.Errorf("%s tells the query: %s", s.Name(), a.Value.String())
			}
		}
	}
	for name, parent := range map[string]string{
		"GET /v1/search": "caller", "encode text": "GET /v1/search", "search": "GET /v1/search", "rerank": "GET /v1/search", "match": "rerank",
	} {
		if got, ok := parents[name]; !ok || got != parent {
			t.Errorf("%s is below %q, want %q", name, got, parent)
		}
	}
}

type index struct{ model }

// TestProbesAndErrors: probes make no spans, failures are marked, and a request
// with an id keeps it.
func TestProbesAndErrors(t *testing.T) {
	tr, spans := record(t)
	r := chi.NewRouter()
	r.Use(tr.Handler)
	r.Get("/healthz", func(http.ResponseWriter, *http.Request) {})
	r.Get("/v1/{id}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", r.Header.Get("X-Request-Id"))
		w.WriteHeader(503)
	})
	for _, path := range []string{"/healthz", "/v1/one"} {
		req := httptest.NewRequest("GET", path, nil)
		req.Header.Set("X-Request-Id", "mine")
		r.ServeHTTP(httptest.NewRecorder(), req)
	}
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Name() != "GET /v1/{id}" || ended[0].Status().Code.String() != "Error" {
		t.Fatalf("%v", ended)
	}
	found := false
	for _, a := range ended[0].Attributes() {
		found = found || a.Key == "sightline.request_id" && a.Value.AsString() == "mine"
	}
	if !found {
		t.Errorf("attributes %v", ended[0].Attributes())
	}
}

func TestJobs(t *testing.T) {
	tr, spans := record(t)
	h := tr.Job(func(_ context.Context, j queue.Job) (string, error) {
		if j.ID == "bad" {
			return "", errors.New("broken")
		}
		return "written", nil
	})
	for _, id := range []string{"good", "bad"} {
		if outcome, err := h(t.Context(), queue.Job{ID: id, Kind: "change"}); (err != nil) != (id == "bad") || err == nil && outcome != "written" {
			t.Errorf("%s: %q, %v", id, outcome, err)
		}
	}
	if ended := spans.Ended(); len(ended) != 2 || ended[0].Name() != "process changes" || ended[1].Status().Description != "broken" {
		t.Errorf("%v", ended)
	}
}
