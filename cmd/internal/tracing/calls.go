package tracing

import (
	"context"
	"errors"
	"net"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/stats"
)

// GRPC makes spans of calls to Milvus and hands the trace on to it; nil where
// there is no tracing.
func (t *Tracing) GRPC() stats.Handler {
	if t == nil {
		return nil
	}
	return otelgrpc.NewClientHandler(otelgrpc.WithTracerProvider(t.provider), otelgrpc.WithPropagators(t.carrier))
}

// Redis makes spans of commands that belong to a traced request; nil where there
// is no tracing. The queue's look for work, twice a second, belongs to none, which
// redisotel would make traces of. Keys and values are left out.
func (t *Tracing) Redis() redis.Hook {
	if t == nil {
		return nil
	}
	return hook{t}
}

type hook struct{ t *Tracing }

// DialHook implements redis.Hook.
func (hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return next(ctx, network, address)
	}
}

// ProcessHook implements redis.Hook.
func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return h.within(ctx, cmd.Name(), 1, func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

// ProcessPipelineHook implements redis.Hook.
func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return h.within(ctx, "pipeline", len(cmds), func(ctx context.Context) error { return next(ctx, cmds) })
	}
}

func (h hook) within(ctx context.Context, name string, commands int, do func(context.Context) error) error {
	if !traced(ctx) {
		return do(ctx)
	}
	ctx, span := h.t.tracer.Start(ctx, "redis "+name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system.name", "redis"), attribute.Int("db.operation.batch.size", commands)))
	defer span.End()
	err := do(ctx)
	if !errors.Is(err, redis.Nil) { // which says that there is no such key
		note(span, err)
	}
	return err
}
