package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"sightline/indexer/queue"
)

// Names and attributes of OpenTelemetry's conventions for messaging: the span of
// whoever queues is a producer's, that of an attempt a consumer's.
const (
	destination = "changes"
	sendSpan    = "send " + destination
	processSpan = "process " + destination
)

// The headers of W3C's trace context, as propagation.TraceContext names them.
// Jobs carry no others: baggage, which callers may fill with anything, is not
// kept in a queue.
const (
	traceParent = "traceparent"
	traceState  = "tracestate"
)

// Queue makes a span of each call that queues jobs and gives its context to those
// that have none; q itself where there is no tracing.
func (t *Tracing) Queue(q queue.Queue) queue.Queue {
	if t == nil {
		return q
	}
	return sender{q, t}
}

type sender struct {
	queue.Queue
	t *Tracing
}

// Enqueue queues in a span.
func (s sender) Enqueue(ctx context.Context, jobs ...queue.Job) ([]queue.Enqueued, error) {
	ctx, span := s.t.tracer.Start(ctx, sendSpan, trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(messaging("send", attribute.Int("messaging.batch.message_count", len(jobs)))...))
	defer span.End()
	parent, state := carried(ctx)
	sent := make([]queue.Job, len(jobs))
	for i, j := range jobs {
		if j.TraceParent == "" {
			j.TraceParent, j.TraceState = parent, state
		}
		sent[i] = j
	}
	done, err := s.Queue.Enqueue(ctx, sent...)
	note(span, err)
	return done, err
}

// carried is the context of a span in the words of its headers. A tracestate
// that is longer than a job holds is left out: the trace is found without it.
func carried(ctx context.Context) (parent, state string) {
	headers := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, headers)
	if state = headers[traceState]; len(state) > queue.MaxTrace {
		state = ""
	}
	return headers[traceParent], state
}

// Job makes a trace of each attempt at a change, with a link to what queued it.
// It is not below that: a change may wait for hours and be tried ten times, long
// after the request's trace has been looked at or sampled away, and the time of
// a request should not seem to last until then.
func (t *Tracing) Job(next queue.Handler) queue.Handler {
	if t == nil {
		return next
	}
	return func(ctx context.Context, j queue.Job) (string, error) {
		attrs := messaging("process", attribute.String("messaging.message.id", j.ID),
			attribute.String("sightline.kind", j.Kind), attribute.Int("sightline.attempt", j.Attempt))
		ctx, span := t.tracer.Start(ctx, processSpan, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithNewRoot(),
			trace.WithAttributes(attrs...), trace.WithLinks(origin(ctx, j)...))
		defer span.End()
		outcome, err := next(ctx, j)
		span.SetAttributes(attribute.String("sightline.outcome", outcome))
		note(span, err)
		return outcome, err
	}
}

// origin is the link to what queued a job; none where that is not known.
func origin(ctx context.Context, j queue.Job) []trace.Link {
	headers := propagation.MapCarrier{traceParent: j.TraceParent, traceState: j.TraceState}
	from := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(trace.ContextWithSpanContext(ctx, trace.SpanContext{}), headers))
	if !from.IsValid() {
		return nil
	}
	return []trace.Link{{SpanContext: from}}
}

func messaging(operation string, more ...attribute.KeyValue) []attribute.KeyValue {
	return append([]attribute.KeyValue{
		attribute.String("messaging.system", "sightline"), attribute.String("messaging.operation.name", operation),
		attribute.String("messaging.operation.type", operation), attribute.String("messaging.destination.name", destination),
	}, more...)
}
