package labels_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"sightline/encoder"
	"sightline/indexer/labels"
	"sightline/store"
	"sightline/store/embedded"
	"sightline/store/features"
)

// world is a catalogue in the embedded store, and a model that knows what its pictures
// show: a text's margin is 4, less 8 for each word that is not shown.
type world struct {
	t      *testing.T
	index  store.Index
	shows  map[string][]string // words, by picture
	keys   []string            // pictures; patch states have their number
	states map[string]bool     // pictures whose patch states are stored
	gone   map[string]bool     // pictures that cannot be read
	words  []string

	fingerprint string
	projected   atomic.Int64 // pictures judged
	onProject   func() error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, shows: map[string][]string{}, states: map[string]bool{}, gone: map[string]bool{}, fingerprint: "model-1"}
	c, err := embedded.NewCollections(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if w.index, err = c.Open(t.Context(), w.fingerprint, 2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.index.Close() })
	return w
}

// add writes an item with a picture that shows words.
func (w *world) add(id string, words ...string) store.Entry {
	w.t.Helper()
	return w.put(store.Item{ID: id, Title: "Thing " + id, Version: 3}, words...)
}

func (w *world) put(it store.Item, words ...string) store.Entry {
	w.t.Helper()
	sum := sha256.Sum256([]byte(it.ID + strings.Join(words, " ")))
	key := hex.EncodeToString(sum[:])
	w.shows[key], w.states[key] = words, true
	w.keys = append(w.keys, key)
	e := store.Entry{Item: it, Picture: key, Embedding: []float32{1, 0}}
	var err error
	if e.ContentHash, err = it.ContentHash(w.fingerprint, key); err != nil {
		w.t.Fatal(err)
	}
	w.write(e)
	return e
}

func (w *world) write(e store.Entry) {
	w.t.Helper()
	if err := w.index.Upsert(w.t.Context(), []store.Entry{e}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) entry(id string) store.Entry {
	w.t.Helper()
	found, err := w.index.Get(w.t.Context(), []string{id})
	if err != nil || len(found) != 1 {
		w.t.Fatal(found, err)
	}
	return found[0]
}

func (w *world) parts(set labels.Set) labels.Parts {
	w.t.Helper()
	s, err := labels.NewScorer(set, w, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return labels.Parts{Scorer: s, Index: w.index, Features: stored{w}, Pictures: pictures{w}, Images: w}
}

// run gives labels and fails the test where that fails.
func (w *world) run(set labels.Set) labels.Summary {
	w.t.Helper()
	sum, err := labels.Run(w.t.Context(), w.parts(set), false, func(labels.Progress) {})
	if err != nil {
		w.t.Fatal(err)
	}
	return sum
}

func (w *world) labels(id string) string { return strings.Join(w.entry(id).Item.Labels(), ",") }

func (w *world) Fingerprint() string { return w.fingerprint }

// Tokenize knows all words that do not begin with x, and reads 6 at most.
func (w *world) Tokenize(text string) encoder.Query {
	words := strings.Fields(text)
	q := encoder.Query{IDs: []int64{2}, Cut: max(0, len(words)-6)}
	for _, word := range words[:len(words)-q.Cut] {
		i := slices.Index(w.words, word)
		switch {
		case strings.HasPrefix(word, "x"):
			i = 1 - 10
		case i < 0:
			i = len(w.words)
			w.words = append(w.words, word)
		}
		q.IDs = append(q.IDs, int64(10+i))
	}
	q.IDs = append(q.IDs, 3)
	return q
}

func (w *world) Project(ctx context.Context, image encoder.States) (encoder.Projected, error) {
	if w.onProject != nil {
		if err := w.onProject(); err != nil {
			return encoder.Projected{}, err
		}
	}
	w.projected.Add(1)
	return encoder.Projected{Keys: encoder.Tensor{Name: w.keys[int(image.Float[0])]}}, ctx.Err()
}

func (w *world) MatchProjected(ctx context.Context, image encoder.Projected, queries []encoder.Query) ([]encoder.Logits, error) {
	if len(queries) > 32 {
		return nil, fmt.Errorf("%d texts at once", len(queries))
	}
	out := make([]encoder.Logits, len(queries))
	for i, q := range queries {
		margin := float32(4)
		for _, id := range q.IDs[1 : len(q.IDs)-1] {
			if id == 1 || !slices.Contains(w.shows[image.Keys.Name], w.words[id-10]) {
				margin -= 8
			}
		}
		out[i] = encoder.Logits{0, margin}
	}
	return out, ctx.Err()
}

func (w *world) Pixels(data []byte) (encoder.Pixels, error) {
	if string(data) == "broken" {
		return nil, fmt.Errorf("not a picture")
	}
	return encoder.Pixels{float32(slices.Index(w.keys, string(data)))}, nil
}

func (w *world) Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error) {
	out := make([]encoder.Features, len(batch))
	for i, p := range batch {
		out[i].States = encoder.States{Tokens: 1, Width: 1, Float: p}
	}
	return out, ctx.Err()
}

type stored struct{ w *world }

func (s stored) Get(_ context.Context, key string) (features.Record, bool, error) {
	return features.Record{Tokens: 1, Width: 1, Float: []float32{float32(slices.Index(s.w.keys, key))}}, s.w.states[key], nil
}

type pictures struct{ w *world }

func (p pictures) Get(_ context.Context, key string) ([]byte, error) {
	if p.w.gone[key] {
		return nil, fmt.Errorf("no such file")
	}
	return []byte(key), nil
}
