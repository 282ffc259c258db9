package tracing_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"sightline/cmd/internal/tracing"
	"sightline/encoder"
	"sightline/indexer"
	"sightline/indexer/queue"
	"sightline/indexer/queue/redis"
	"sightline/indexer/queue/sqlite"
	"sightline/indexer/worker"
	"sightline/store"
	"sightline/store/cache/redistest"
	"sightline/store/change"
	"sightline/store/features"
	"sightline/store/fetch"
	"sightline/store/filter"
	"sightline/store/pictures"

	goredis "github.com/redis/go-redis/v9"
)

// queues opens each kind of queue.
func queues() map[string]func(*testing.T) queue.Queue {
	return map[string]func(*testing.T) queue.Queue{
		"sqlite": func(t *testing.T) queue.Queue {
			q, err := sqlite.Open(t.Context(), sqlite.Options{Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			return q
		},
		"redis": func(t *testing.T) queue.Queue {
			client := redis.NewClient(goredis.Options{Addr: redistest.Start(t).Address()})
			t.Cleanup(func() { client.Close() })
			q, err := redis.Open(t.Context(), redis.Options{Client: client})
			if err != nil {
				t.Fatal(err)
			}
			return q
		},
	}
}

// shop is all that an import needs, its pictures at addresses.
type shop struct {
	mu      sync.Mutex
	entries map[string]store.Entry
}

func (*shop) Fingerprint() string { return "model" }

func (*shop) Pixels([]byte) (encoder.Pixels, error) { return encoder.Pixels{1}, nil }

func (*shop) Images(_ context.Context, batch []encoder.Pixels) ([]encoder.Features, error) {
	out := make([]encoder.Features, len(batch))
	for i := range out {
		out[i] = encoder.Features{Embedding: []float32{1}, States: encoder.States{Tokens: 1, Width: 1, Float: []float32{1}}}
	}
	return out, nil
}

func (s *shop) Get(_ context.Context, ids []string) (found []store.Entry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if e, ok := s.entries[id]; ok {
			found = append(found, e)
		}
	}
	return found, nil
}

func (s *shop) Upsert(_ context.Context, entries []store.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.entries[e.Item.ID] = e
	}
	return nil
}

func (*shop) Scan(context.Context, string, int, filter.Expr) ([]store.Entry, error) { return nil, nil }

func (*shop) Delete(context.Context, []string) (int, error) { return 0, nil }

func (*shop) DeleteWhere(context.Context, filter.Expr) (int, error) { return 0, nil }

// states drops patch states.
type states struct{}

func (states) Grid() features.Grid { return features.Full }

func (states) Has(string) bool { return false }

func (states) Put(context.Context, string, features.Record) error { return nil }

func (states) Sync() error { return nil }

type web struct{}

func (web) Get(_ context.Context, r fetch.Request) (fetch.Response, error) {
	return fetch.Response{Data: []byte(r.URL)}, nil
}

// work does what waits in the queue until so many jobs have ended.
func work(t *testing.T, tr *tracing.Tracing, q queue.Queue, jobs int) {
	t.Helper()
	files, err := pictures.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{entries: map[string]store.Entry{}}
	stream := indexer.New(tr.Stages(indexer.Parts{Encoder: s, Index: s, Features: states{}, Pictures: files, Fetcher: web{}}), indexer.Options{}).Stream(t.Context())
	w := worker.New(worker.Parts{Importer: tr.Importer(stream), Index: s}, worker.Options{})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var left sync.WaitGroup
	left.Add(jobs)
	handler := tr.Job(w.Handle)
	go func() { left.Wait(); stop() }()
	err = worker.Run(ctx, q, func(ctx context.Context, j queue.Job) (string, error) {
		defer left.Done()
		return handler(ctx, j)
	}, worker.RunOptions{RunOptions: queue.RunOptions{Workers: jobs}})
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		t.Error(err)
	}
}

func put(t *testing.T, id string) queue.Job {
	t.Helper()
	payload, err := change.Change{Op: change.Put, ID: id, Item: &store.Item{ID: id, Image: "https://shop.example/" + id}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return queue.Job{Kind: change.Kind, Key: change.Key(id), Payload: payload}
}

// TestThroughQueue: each attempt is a consumer's span of a trace of its own with
// a link to the producer's span of the request, and the stages are below it,
// those of batches below one of their items and linked with the others.
func TestThroughQueue(t *testing.T) {
	for name, open := range queues() {
		t.Run(name, func(t *testing.T) {
			exporter := tracetest.NewInMemoryExporter()
			tr, err := tracing.New(t.Context(), "test", sdktrace.WithSyncer(exporter))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tr.Close(t.Context()) }()
			bare := open(t)
			q := tr.Queue(bare)
			defer q.Close()
			request := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{
				"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "vendor=value",
			})
			if _, err := q.Enqueue(request, put(t, "a"), put(t, "b")); err != nil {
				t.Fatal(err)
			}
			// One of a program that knew no traces, and one whose context is damaged.
			damaged := put(t, "d")
			damaged.TraceParent = "00-zz"
			if _, err := bare.Enqueue(t.Context(), put(t, "c"), damaged); err != nil {
				t.Fatal(err)
			}
			work(t, tr, q, 4)
			checkSpans(t, exporter.GetSpans())
		})
	}
}

func checkSpans(t *testing.T, spans tracetest.SpanStubs) {
	t.Helper()
	tree := treeOf(spans)
	sent := tree.named("send changes")
	if len(sent) != 1 || sent[0].SpanKind != trace.SpanKindProducer || sent[0].Parent.SpanID().String() != "b7ad6b7169203331" || value(sent[0], "messaging.batch.message_count") != "2" {
		t.Fatalf("sent %+v", sent)
	}
	linked := 0
	for _, p := range tree.named("process changes") {
		if p.SpanKind != trace.SpanKindConsumer || p.Parent.IsValid() || value(p, "sightline.outcome") != "created" || value(p, "messaging.message.id") == "" {
			t.Errorf("processed %+v", p)
		}
		for _, l := range p.Links {
			linked++
			if l.SpanContext.SpanID() != sent[0].SpanContext.SpanID() || l.SpanContext.TraceState().String() != "vendor=value" || !l.SpanContext.IsRemote() {
				t.Errorf("linked to %+v, not %+v", l.SpanContext, sent[0].SpanContext)
			}
		}
	}
	if processed := tree.named("process changes"); len(processed) != 4 || linked != 2 {
		t.Errorf("%d attempts, %d links; want 4 and 2", len(processed), linked)
	}
	for stage, want := range map[string]int{"fetch": 4, "decode": 4, "encode batch": 4, "write batch": 4} {
		if got := tree.itemsOf(stage); len(got) != want {
			t.Errorf("%s: of the items of %d attempts, want %d", stage, len(got), want)
		}
	}
}

// tree finds spans by name and id.
type tree struct {
	spans tracetest.SpanStubs
	byID  map[trace.SpanID]tracetest.SpanStub
}

func treeOf(spans tracetest.SpanStubs) tree {
	x := tree{spans, map[trace.SpanID]tracetest.SpanStub{}}
	for _, s := range spans {
		x.byID[s.SpanContext.SpanID()] = s
	}
	return x
}

func (x tree) named(name string) (found []tracetest.SpanStub) {
	for _, s := range x.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// itemsOf are the attempts that the spans of a stage are below or linked with.
func (x tree) itemsOf(stage string) []string {
	found := map[string]bool{}
	for _, s := range x.named(stage) {
		items := []trace.SpanID{s.Parent.SpanID()}
		for _, l := range s.Links {
			items = append(items, l.SpanContext.SpanID())
		}
		for _, id := range items {
			item := x.byID[id]
			if attempt := x.byID[item.Parent.SpanID()]; item.Name == "import item" && attempt.Name == "process changes" {
				found[value(attempt, "messaging.message.id")] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func value(s tracetest.SpanStub, key attribute.Key) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.String()
		}
	}
	return ""
}

// TestLongTraceState: a tracestate that a job cannot hold is left out, a context
// that a job has already stays.
func TestLongTraceState(t *testing.T) {
	tr, _ := record(t)
	kept := &keeper{}
	members := make([]string, 20)
	for i := range members {
		members[i] = fmt.Sprintf("vendor%d=%s", i, strings.Repeat("x", 40))
	}
	ctx := propagation.TraceContext{}.Extract(t.Context(), propagation.MapCarrier{
		"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": strings.Join(members, ","),
	})
	own := queue.Job{Kind: "k", TraceParent: "own", TraceState: "state"}
	jobs := []queue.Job{{Kind: "k"}, own}
	if _, err := tr.Queue(kept).Enqueue(ctx, jobs...); err != nil {
		t.Fatal(err)
	}
	if j := kept.jobs[0]; !strings.HasPrefix(j.TraceParent, "00-0af7651916cd43dd8448eb211c80319c-") || j.TraceState != "" {
		t.Errorf("%+v", j)
	}
	if j := kept.jobs[1]; j.TraceParent != own.TraceParent || j.TraceState != own.TraceState {
		t.Errorf("%+v", j)
	}
	if jobs[0].TraceParent != "" {
		t.Error("the caller's jobs were changed")
	}
}

// keeper is a queue that takes everything.
type keeper struct {
	queue.Queue
	jobs []queue.Job
}

func (k *keeper) Enqueue(_ context.Context, jobs ...queue.Job) ([]queue.Enqueued, error) {
	k.jobs = append(k.jobs, jobs...)
	return make([]queue.Enqueued, len(jobs)), nil
}
