package worker_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"strings"
	"sync"
	"testing"
	"time"

	"sightline/encoder"
	"sightline/indexer"
	"sightline/indexer/worker"
	"sightline/store"
	"sightline/store/change"
	"sightline/store/features"
	"sightline/store/fetch"
	"sightline/store/filter"
	"sightline/store/pictures"
)

// real is the importer that programs have, around a model, an index and a web
// that are in memory.
type real struct {
	*shop
	pictures *pictures.Store
	stream   *indexer.Stream

	mu      sync.Mutex
	encoded int
	states  map[string]bool
	web     map[string][]byte
	broken  error // of the model
}

func newReal(t *testing.T) *real {
	t.Helper()
	stored, err := pictures.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &real{shop: newShop(), pictures: stored, states: map[string]bool{}, web: map[string][]byte{}}
	r.stream = indexer.New(indexer.Parts{
		Encoder: (*model1)(r), Index: sink{r.shop}, Features: (*states)(r), Pictures: stored, Fetcher: (*web)(r),
	}, indexer.Options{}).Stream(t.Context())
	t.Cleanup(func() {
		if err := r.stream.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *real) worker() *worker.Worker {
	return worker.New(worker.Parts{Importer: r.stream, Index: r.shop}, worker.Options{Patience: time.Nanosecond})
}

// sink is shop as an indexer.Sink.
type sink struct{ *shop }

func (s sink) Upsert(ctx context.Context, entries []store.Entry) error {
	for _, e := range entries {
		if err := e.Validate(2); err != nil {
			return err
		}
	}
	for _, e := range entries {
		s.upsert(e)
	}
	return ctx.Err()
}

func (s sink) Scan(context.Context, string, int, filter.Expr) ([]store.Entry, error) {
	return nil, errors.New("a stream deletes nothing")
}

type model1 real

func (m *model1) Fingerprint() string { return "model" }

func (m *model1) Pixels(data []byte) (encoder.Pixels, error) {
	if _, err := png.Decode(bytes.NewReader(data)); err != nil {
		return nil, err
	}
	return encoder.Pixels{1}, nil
}

func (m *model1) Images(_ context.Context, batch []encoder.Pixels) ([]encoder.Features, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]encoder.Features, len(batch))
	for i := range out {
		out[i] = encoder.Features{Embedding: []float32{1, 0}, States: encoder.States{Tokens: 1, Width: 2, Float: []float32{1, 2}}}
	}
	if m.broken == nil {
		m.encoded += len(batch)
	}
	return out, m.broken
}

type states real

func (s *states) Grid() features.Grid { return features.Full }

func (s *states) Has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states[key]
}

func (s *states) Put(_ context.Context, key string, _ features.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states[key] = true
	return nil
}

func (s *states) Sync() error { return nil }

type web real

func (w *web) Get(_ context.Context, r fetch.Request) (fetch.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if data, ok := w.web[r.URL]; ok {
		return fetch.Response{Data: data}, nil
	}
	kind := fetch.KindNotFound
	if strings.Contains(r.URL, "busy") {
		kind = fetch.KindServer
	}
	return fetch.Response{}, &fetch.Error{Kind: kind, URL: r.URL, Err: errors.New(kind.String())}
}

func pngOf(t *testing.T, grey uint8) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 4, 4))
	img.SetGray(1, 1, color.Gray{grey})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestStream does changes through the importer of package indexer.
func TestStream(t *testing.T) {
	r := newReal(t)
	w := r.worker()
	key, err := r.pictures.Put(t.Context(), pngOf(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	r.web["https://x/back.png"] = pngOf(t, 2)
	upload := put(store.Item{ID: "mug", Title: "Mug", Price: new(float64(9))})
	upload.Images = []string{change.Stored(key), "https://x/back.png"}
	lost := put(store.Item{ID: "cup"})
	lost.Images = []string{change.Stored(keyOf("lost"))}
	for _, step := range []struct {
		change  change.Change
		outcome string
		problem []string
		encoded int
	}{
		{upload, "created", nil, 2},
		{upload, "unchanged", nil, 0},
		{patch("mug", `{"price":8,"material":"clay"}`), "written", nil, 0},
		{patch("mug", `{"price":8,"material":"clay"}`), "unchanged", nil, 0},
		{patch("mug", `{"images":["https://x/gone.png"]}`), "written: without picture 2 (fetch https://x/gone.png: not_found)", nil, 0},
		{patch("mug", `{"images":["https://x/gone.png"]}`), "unchanged: without picture 2 (fetch https://x/gone.png: not_found)", nil, 0},
		{patch("mug", `{"image":"https://x/gone.png"}`), "", []string{"dead fetch: "}, 0},
		{patch("mug", `{"image":"https://x/busy.png"}`), "", []string{"again fetch: "}, 0},
		{patch("mug", `{"image":"https://x/back.png"}`), "written", nil, 1},
		{lost, "", []string{"dead fetch: ", "no picture is stored"}, 0},
		{put(store.Item{ID: "cup", Image: "data:image/png;base64,AAAA"}), "", []string{"dead decode: "}, 0},
		{put(store.Item{ID: "cup"}), "", []string{"dead fetch: ", "no picture"}, 0},
		{remove("mug"), "deleted", nil, 0},
	} {
		before := r.encoded
		want(t, w, job(t, step.change), step.outcome, step.problem...)
		if got := r.encoded - before; got != step.encoded {
			t.Errorf("%s %s%v: %d pictures encoded, want %d", step.change.Op, step.change.Patch, step.change.Images, got, step.encoded)
		}
	}
	r.broken = errors.New("out of memory")
	want(t, w, job(t, upload), "", "again dependency: ")
	r.broken = nil
	want(t, w, job(t, upload), "created")
	want(t, w, delivery(product(t, 1, func(string) []string { return []string{"https://x/back.png"} }, "a", "b")), "written")
}
