package indexer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"sightline/encoder"
	"sightline/encoder/picture"
	"sightline/indexer"
	"sightline/indexer/feed"
	"sightline/store"
	"sightline/store/features"
	"sightline/store/filter"
	"sightline/store/pictures"
	"sightline/store/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is everything that an import writes to, in memory. It fails the test
// when an entry arrives before its picture and its synced patch states.
type world struct {
	t testing.TB

	mu       sync.Mutex
	entries  map[string]store.Entry
	pictures map[string][]byte
	states   map[string]features.Record
	synced   map[string]bool
	upserts  int
	images   int // pictures encoded
	largest  int // largest batch encoded

	damaged string // key of a picture that cannot be read
	fetcher indexer.Fetcher
	sources *sources.Store

	// Hooks, called when not nil before the work.
	onImages func(ctx context.Context, n int) error
	onPixels func(data []byte)
	onGet    func() error
	onUpsert func([]store.Entry) error
	onPut    func() error // pictures
	onRead   func()       // pictures
	onStates func() error
	grid     features.Grid
	onSync   func() error
}

func newWorld(t testing.TB) *world {
	return &world{
		t: t, entries: map[string]store.Entry{}, pictures: map[string][]byte{},
		states: map[string]features.Record{}, synced: map[string]bool{},
	}
}

func (w *world) parts() indexer.Parts {
	p := indexer.Parts{Encoder: (*fakeEncoder)(w), Index: (*fakeIndex)(w), Features: (*fakeFeatures)(w), Pictures: (*fakePictures)(w), Fetcher: w.fetcher}
	if w.sources != nil {
		p.Sources = w.sources
	}
	return p
}

// run imports a feed and returns all outcomes.
func (w *world) run(ctx context.Context, feed indexer.Feed, o indexer.Options) (indexer.Summary, []indexer.Outcome, error) {
	var outcomes []indexer.Outcome
	o.Observe = func(out indexer.Outcome, _ indexer.Progress) { outcomes = append(outcomes, out) }
	sum, err := indexer.New(w.parts(), o).Run(ctx, feed)
	return sum, outcomes, err
}

func (w *world) ids() []string { return slices.Sorted(maps.Keys(w.entries)) }

type fakeEncoder world

func (e *fakeEncoder) Fingerprint() string { return "model-1" }

func (e *fakeEncoder) Pixels(data []byte) (encoder.Pixels, error) {
	if e.onPixels != nil {
		e.onPixels(data)
	}
	img, err := picture.Decode(data, picture.DefaultLimits())
	if err != nil {
		return nil, err
	}
	return picture.Normalize(picture.Resize(img, 4), [3]float32{}, [3]float32{1, 1, 1}), nil
}

func (e *fakeEncoder) Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error) {
	if e.onImages != nil {
		if err := e.onImages(ctx, len(batch)); err != nil {
			return nil, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images += len(batch)
	e.largest = max(e.largest, len(batch))
	out := make([]encoder.Features, len(batch))
	for i, p := range batch {
		out[i] = encoder.Features{
			Embedding: vectorOf(p),
			States:    encoder.States{Tokens: 2, Width: 3, Float: []float32{p[0], p[16], p[32], 1, 2, 3}},
		}
	}
	return out, nil
}

func vectorOf(p encoder.Pixels) []float32 { return unit(p[0]+0.1, p[16], p[32]) }

func keyOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func unit(v ...float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x * x)
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

type fakeIndex world

func (x *fakeIndex) Get(_ context.Context, ids []string) ([]store.Entry, error) {
	if x.onGet != nil {
		if err := x.onGet(); err != nil {
			return nil, err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []store.Entry
	for _, id := range ids {
		if e, ok := x.entries[id]; ok {
			out = append(out, e)
		}
	}
	return out, nil
}

func (x *fakeIndex) Upsert(ctx context.Context, entries []store.Entry) error {
	if x.onUpsert != nil {
		if err := x.onUpsert(entries); err != nil {
			return err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.upserts++
	for _, e := range entries {
		if err := e.Validate(3); err != nil {
			return err
		}
		for _, key := range keysOf(e) {
			if _, ok := x.pictures[key]; !ok || !x.synced[key] {
				x.t.Errorf("entry %q written: picture %s stored %v, patch states synced %v", e.Item.ID, key, ok, x.synced[key])
			}
		}
	}
	for _, e := range entries {
		x.entries[e.Item.ID] = e
	}
	return ctx.Err()
}

// keysOf are an entry's pictures, the main one first.
func keysOf(e store.Entry) []string {
	keys := []string{e.Picture}
	for _, v := range e.Views {
		keys = append(keys, v.Picture)
	}
	return keys
}

func (x *fakeIndex) Scan(_ context.Context, after string, limit int, _ filter.Expr) ([]store.Entry, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []store.Entry
	for _, id := range slices.Sorted(maps.Keys(x.entries)) {
		if id > after && len(out) < limit {
			out = append(out, x.entries[id])
		}
	}
	return out, nil
}

func (x *fakeIndex) Delete(_ context.Context, ids []string) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for _, id := range ids {
		if _, ok := x.entries[id]; ok {
			delete(x.entries, id)
			n++
		}
	}
	return n, nil
}

type fakeFeatures world

func (f *fakeFeatures) Grid() features.Grid { return f.grid }

func (f *fakeFeatures) Has(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.states[key]
	return ok
}

func (f *fakeFeatures) Put(_ context.Context, key string, r features.Record) error {
	if f.onStates != nil {
		if err := f.onStates(); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.states[key] = r
	return nil
}

func (f *fakeFeatures) Sync() error {
	if f.onSync != nil {
		if err := f.onSync(); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.states {
		f.synced[key] = true
	}
	return nil
}

type fakePictures world

func (p *fakePictures) Put(_ context.Context, data []byte) (string, error) {
	if p.onPut != nil {
		if err := p.onPut(); err != nil {
			return "", err
		}
	}
	key := keyOf(data)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pictures[key] = bytes.Clone(data)
	return key, nil
}

func (p *fakePictures) Get(_ context.Context, key string) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	data, ok := p.pictures[key]
	switch {
	case !ok:
		return nil, pictures.ErrNotFound
	case key == p.damaged:
		return nil, errors.New("is damaged")
	case p.onRead != nil:
		p.onRead()
	}
	return data, nil
}

func (p *fakePictures) Has(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.pictures[key]
	return ok
}

// pngOf is a picture whose colour follows from its name.
func pngOf(name string) []byte {
	h := fnv.New32a()
	h.Write([]byte(name))
	s := h.Sum32()
	img := image.NewNRGBA(image.Rect(0, 0, 6, 5))
	for i := range 30 {
		img.Set(i%6, i/6, color.NRGBA{uint8(s), uint8(s >> 8), uint8(s >> 16), 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func dataURL(data []byte) string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(data)
}

// generated is a feed of n items with pictures of their own.
func generated(n int) indexer.Feed {
	return func(yield func(indexer.Record, error) bool) {
		for i := range n {
			id := fmt.Sprintf("sku-%05d", i)
			record := indexer.Record{
				Row: i + 1, At: int64(i + 1), Of: int64(n), Image: dataURL(pngOf(id)),
				Item: store.Item{ID: id, Title: "item " + id},
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}

// open is Open for tests.
func open(t *testing.T, path string) indexer.Feed {
	t.Helper()
	f, err := feed.Open(t.Context(), path, feed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}
