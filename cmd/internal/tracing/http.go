package tracing

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// requestID is read by the API: it becomes the id in answers and in the log.
const requestID = "X-Request-Id"

// Handler makes a span of each request, below that of the caller's traceparent
// if there is one. A request without an id gets that of its trace, so that the
// request_id of an answer leads to the trace. Probes and scrapes make no spans.
// It stands within a chi router, whose pattern names the span.
func (t *Tracing) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz", "/readyz", "/metrics":
			next.ServeHTTP(w, r)
			return
		}
		ctx := t.carrier.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
		defer span.End()
		r = r.WithContext(ctx)
		if r.Header.Get(requestID) == "" {
			r.Header = r.Header.Clone() // the original is the server's
			r.Header.Set(requestID, span.SpanContext().TraceID().String())
		}
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(ww, r)
		describe(span, r, ww)
	})
}

// describe leaves the query string and the path's ids out: they are users' business.
func describe(span trace.Span, r *http.Request, ww middleware.WrapResponseWriter) {
	route := "none"
	if c := chi.RouteContext(r.Context()); c != nil && c.RoutePattern() != "" {
		route = c.RoutePattern()
	}
	status := ww.Status()
	if status == 0 {
		status = http.StatusOK
	}
	span.SetName(r.Method + " " + route)
	span.SetAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("http.route", route),
		attribute.Int("http.response.status_code", status), attribute.Int("http.response.body.size", ww.BytesWritten()),
		attribute.String("sightline.request_id", ww.Header().Get(requestID)),
	)
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(status))
	}
}
