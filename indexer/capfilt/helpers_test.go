package capfilt_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"slices"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/encoder/decode"
	"sightline/encoder/picture"
	"sightline/indexer/capfilt"
	"sightline/store"
	"sightline/store/features"
	"sightline/store/filter"
)

const unknownToken = 1

// world is a catalogue and two models that know it: a text is true of a picture
// when all its words are among those that the picture shows.
type world struct {
	entries  map[string]store.Entry
	pictures map[string][]byte
	shows    map[string]string // words, by picture
	says     map[string][]string
	byNumber []string // pictures; patch states have their number
	words    []string // by token, from 10
	captions int      // written
	onImages func()
}

func newWorld() *world {
	return &world{entries: map[string]store.Entry{}, pictures: map[string][]byte{}, shows: map[string]string{}, says: map[string][]string{}}
}

// add makes an item whose picture shows words and of which the captioner says says.
func (w *world) add(id, title, shows string, says ...string) string {
	key := w.draw(shows, false)
	w.says[key] = says
	w.entries[id] = store.Entry{Item: store.Item{ID: id, Title: title, Version: 7}, Picture: key, Embedding: w.embedding(key)}
	return key
}

// draw stores a picture of words: same words, same picture.
func (w *world) draw(shows string, flat bool) string {
	sum := sha256.Sum256([]byte(shows))
	img := image.NewRGBA(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		c := color.RGBA{sum[0], sum[1], sum[2], 255}
		if !flat {
			c = color.RGBA{sum[i%32], sum[(i+5)%32], sum[(i+11)%32], 255}
		}
		img.Set(i%8, i/8, c)
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return w.keep(b.Bytes(), shows)
}

func (w *world) keep(data []byte, shows string) string {
	sum := sha256.Sum256(data)
	key := hex.EncodeToString(sum[:])
	if _, ok := w.pictures[key]; !ok {
		w.byNumber = append(w.byNumber, key)
	}
	w.pictures[key], w.shows[key] = data, shows
	return key
}

func (w *world) embedding(key string) []float32 {
	e := make([]float32, 64)
	e[slices.Index(w.byNumber, key)%64] = 1
	return e
}

func (w *world) parts() capfilt.Parts {
	return capfilt.Parts{Captioner: captioner{w}, Filter: judges{w}, Unk: unknownToken, Index: w, Features: w, Pictures: stored{w}}
}

func (w *world) Stats(context.Context) (store.Stats, error) {
	return store.Stats{Items: len(w.entries), Dim: 64}, nil
}

func (w *world) Scan(_ context.Context, after string, limit int, _ filter.Expr) (out []store.Entry, _ error) {
	for _, id := range slices.Sorted(maps.Keys(w.entries)) {
		if id > after && len(out) < limit {
			out = append(out, w.entries[id])
		}
	}
	return out, nil
}

func (w *world) Search(_ context.Context, q store.Query) (out []store.Hit, _ error) {
	for _, id := range slices.Sorted(maps.Keys(w.entries)) {
		e := w.entries[id]
		cosine := 0.0
		for i, v := range e.Embedding {
			cosine += float64(v) * float64(q.Embedding[i])
		}
		if cosine > 0 && len(out) < q.K {
			out = append(out, store.Hit{Item: e.Item, ITC: cosine})
		}
	}
	return out, nil
}

func (w *world) Upsert(_ context.Context, entries []store.Entry) error {
	for _, e := range entries {
		w.entries[e.Item.ID] = e
	}
	return nil
}

func (w *world) Get(_ context.Context, picture string) (features.Record, bool, error) {
	return features.Record{}, false, nil
}

// catalogue is the world's other Get.
type catalogue struct{ *world }

func (c catalogue) Get(_ context.Context, ids []string) (out []store.Entry, _ error) {
	for _, id := range ids {
		if e, ok := c.entries[id]; ok {
			out = append(out, e)
		}
	}
	return out, nil
}

type stored struct{ w *world }

func (s stored) Get(_ context.Context, key string) ([]byte, error) {
	data, ok := s.w.pictures[key]
	if !ok {
		return nil, errors.New("there is no such picture")
	}
	return data, nil
}

// pixels and images are the same for both models: the states name the picture.
func (w *world) pixels(data []byte) (encoder.Pixels, error) {
	img, err := picture.Decode(data, picture.DefaultLimits())
	if err != nil {
		return nil, err
	}
	px := picture.Normalize(picture.Resize(img, 8), [3]float32{}, [3]float32{1, 1, 1})
	sum := sha256.Sum256(data)
	return append(px, float32(slices.Index(w.byNumber, hex.EncodeToString(sum[:])))), nil
}

func (w *world) images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error) {
	if w.onImages != nil && len(batch) > 0 {
		w.onImages()
	}
	out := make([]encoder.Features, len(batch))
	for i, p := range batch {
		out[i].States = encoder.States{Tokens: 1, Width: 1, Float: []float32{p[len(p)-1]}}
	}
	return out, ctx.Err()
}

func (w *world) of(s encoder.States) string { return w.byNumber[int(s.Float[0])] }

type captioner struct{ w *world }

func (c captioner) Fingerprint() string                        { return "captioner" }
func (c captioner) Pixels(data []byte) (encoder.Pixels, error) { return c.w.pixels(data) }
func (c captioner) Writing() (prompt string, o decode.Options) {
	return "a picture of", decode.Defaults()
}

func (c captioner) Images(ctx context.Context, b []encoder.Pixels) ([]encoder.Features, error) {
	return c.w.images(ctx, b)
}

// Caption says what the world has it say, turned by the seed.
func (c captioner) Caption(ctx context.Context, states []encoder.States, prompt string, o decode.Options) ([]encoder.Generated, error) {
	c.w.captions++
	if prompt != "a picture of" || !o.Sample || o.Beams != 1 || o.TopP != 0.9 || o.Seed == 0 || len(states) != 1 {
		return nil, fmt.Errorf("asked for %q %+v", prompt, o)
	}
	says := c.w.says[c.w.of(states[0])]
	all := make([]encoder.Generated, o.Returns)
	for i := range all {
		if len(says) > 0 {
			all[i].Text = says[i%len(says)]
		}
	}
	all[0].Others = all[1:]
	return all[:1], ctx.Err()
}

type judges struct{ w *world }

func (j judges) Fingerprint() string                        { return "filter" }
func (j judges) Pixels(data []byte) (encoder.Pixels, error) { return j.w.pixels(data) }
func (j judges) Images(ctx context.Context, b []encoder.Pixels) ([]encoder.Features, error) {
	return j.w.images(ctx, b)
}
func (j judges) Probability(l encoder.Logits) float64 { return l.Probability() }

// Tokenize knows all words that do not begin with x.
func (j judges) Tokenize(text string) encoder.Query {
	q := encoder.Query{IDs: []int64{2}}
	for _, word := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz<>&'\"", r) }) {
		if strings.HasPrefix(word, "x") {
			q.IDs = append(q.IDs, unknownToken)
			continue
		}
		i := slices.Index(j.w.words, word)
		if i < 0 {
			i = len(j.w.words)
			j.w.words = append(j.w.words, word)
		}
		q.IDs = append(q.IDs, int64(10+i))
	}
	q.IDs = append(q.IDs, 3)
	return q
}

// MatchTexts gives a margin of 4 and a tenth for each word that is shown, and takes 8
// for each that is not.
func (j judges) MatchTexts(ctx context.Context, image encoder.States, texts []encoder.Query) ([]encoder.Logits, error) {
	shown := strings.Fields(j.w.shows[j.w.of(image)])
	out := make([]encoder.Logits, len(texts))
	for i, q := range texts {
		margin := float32(4)
		for _, id := range q.IDs[1 : len(q.IDs)-1] {
			if id == unknownToken || !slices.Contains(shown, j.w.words[id-10]) {
				margin -= 8
			} else {
				margin++
			}
		}
		out[i] = encoder.Logits{0, margin}
	}
	return out, ctx.Err()
}

func made(o capfilt.Options) capfilt.Made {
	return capfilt.Made{Captioner: "captioner", Filter: "filter", Options: o}
}

func open(t *testing.T, dir string) *capfilt.Report {
	t.Helper()
	r, err := capfilt.OpenReport(dir, made(capfilt.Defaults()), false, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// judged runs over the world into a folder.
func (w *world) judged(t *testing.T, dir string) (*capfilt.Report, capfilt.Summary) {
	t.Helper()
	r := open(t, dir)
	sum, err := capfilt.Run(t.Context(), w.parts(), capfilt.Defaults(), r, func(capfilt.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	if sum, err = r.Count(sum); err != nil {
		t.Fatal(err)
	}
	return r, sum
}

func rowsOf(t *testing.T, r *capfilt.Report) map[string]capfilt.Row {
	t.Helper()
	rows := map[string]capfilt.Row{}
	if err := r.Rows(func(row capfilt.Row) error { rows[row.ID] = row; return nil }); err != nil {
		t.Fatal(err)
	}
	return rows
}
