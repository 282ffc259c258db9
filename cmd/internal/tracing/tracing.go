// Package tracing sends OpenTelemetry spans of what a program does, as the
// standard OTEL_* variables say, and only if they do. It wraps the parts that
// programs join; the parts themselves know nothing of it.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracing makes spans. A nil one makes none: its methods hand back what they
// are given, so that a program without tracing runs nothing of this package.
// It is safe for concurrent use.
type Tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	carrier  propagation.TextMapPropagator
}

const scope = "sightline"

// closeTimeout bounds sending the last spans when a program ends.
const closeTimeout = 5 * time.Second

// Open makes a Tracing that sends to an OTLP receiver, or nil where the
// variables do not ask for one: OTEL_EXPORTER_OTLP_ENDPOINT or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, or OTEL_TRACES_EXPORTER=otlp for the
// receiver at its usual place. OTEL_SDK_DISABLED=true and
// OTEL_TRACES_EXPORTER=none switch it off. The exporter reads the rest
// (protocol, headers, certificates, timeouts, sampler, batches) itself, from
// the process's own environment. A receiver that is away is no error: spans are
// dropped, and the log says so.
func Open(ctx context.Context, program string, environ []string, log *slog.Logger) (*Tracing, error) {
	get := lookup(environ)
	on, err := wanted(get)
	if err != nil || !on {
		return nil, err
	}
	exporter, err := newExporter(ctx, get)
	if err != nil {
		return nil, fmt.Errorf("OTEL_* variables: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.WarnContext(ctx, "traces", "error", err) }))
	return New(ctx, program, sdktrace.WithBatcher(exporter))
}

// New makes a Tracing with a span processor of its own; tests use it.
func New(ctx context.Context, program string, o sdktrace.TracerProviderOption) (*Tracing, error) {
	what, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", program)), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	p := sdktrace.NewTracerProvider(o, sdktrace.WithResource(what))
	return &Tracing{provider: p, tracer: p.Tracer(scope), carrier: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})}, nil
}

// Close sends what waits, for five seconds at most.
func (t *Tracing) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

func wanted(get func(string) string) (bool, error) {
	exporter := get("OTEL_TRACES_EXPORTER")
	switch {
	case strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") || exporter == "none":
		return false, nil
	case exporter != "" && exporter != "otlp":
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER=%s: use otlp or none", exporter)
	}
	return exporter == "otlp" || get("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "", nil
}

func newExporter(ctx context.Context, get func(string) string) (sdktrace.SpanExporter, error) {
	protocol := get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = get("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch protocol {
	case "", "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	}
	return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%s: use http/protobuf or grpc", protocol)
}

func lookup(environ []string) func(string) string {
	return func(name string) string {
		at := slices.IndexFunc(environ, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		if at < 0 {
			return ""
		}
		return environ[at][len(name)+1:]
	}
}

// Logger adds the ids of trace and span to lines that are written for a traced
// request.
func (t *Tracing) Logger(log *slog.Logger) *slog.Logger {
	if t == nil {
		return log
	}
	return slog.New(logged{log.Handler()})
}

type logged struct{ slog.Handler }

// Handle implements slog.Handler.
func (h logged) Handle(ctx context.Context, r slog.Record) error {
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		r.AddAttrs(slog.String("trace_id", s.TraceID().String()), slog.String("span_id", s.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h logged) WithAttrs(attrs []slog.Attr) slog.Handler { return logged{h.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (h logged) WithGroup(name string) slog.Handler { return logged{h.Handler.WithGroup(name)} }

// within runs do in a span.
func (t *Tracing) within(ctx context.Context, name string, do func(context.Context) error, attrs ...attribute.KeyValue) error {
	ctx, span := t.tracer.Start(ctx, name, trace.WithAttributes(attrs...))
	defer span.End()
	err := do(ctx)
	note(span, err)
	return err
}

// spanOf is within for what has a result.
func spanOf[T any](ctx context.Context, t *Tracing, name string, do func(context.Context) (T, error), attrs ...attribute.KeyValue) (out T, err error) {
	err = t.within(ctx, name, func(ctx context.Context) error {
		out, err = do(ctx)
		return err
	}, attrs...)
	return out, err
}

// note marks a span that ended with an error. A caller who has left is none.
func note(span trace.Span, err error) {
	switch {
	case err == nil:
	case errors.Is(err, context.Canceled):
		span.SetAttributes(attribute.Bool("sightline.cancelled", true))
	default:
		span.SetStatus(codes.Error, err.Error())
	}
}

// traced tells whether a span of this context is being recorded.
func traced(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }
