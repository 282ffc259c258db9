package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"sightline/encoder"
)

// fake knows pictures and texts by number: the file of picture 3 holds "3",
// text 3 is "3". It counts how often each pair is read.
type fake struct {
	pictures, texts [][]float32 // embeddings
	logits          [][]float32 // by text and picture
	batch           int         // no run may have more
	read            map[[2]int]int
	kinds           map[bool]bool // of the states read: exact
	broken          fakeFault
}

// fakeFault is what a run is to go wrong by.
type fakeFault struct {
	err                   error
	images, texts, logits bool // one answer is missing
	nan                   bool
}

// newFake makes pictures, and texts that are nearer to their own than to most
// others; owner names the picture of each text.
func newFake(pictures int, owner []int) *fake {
	f := &fake{read: map[[2]int]int{}, kinds: map[bool]bool{}, batch: 7}
	r := rand.New(rand.NewPCG(1, 2))
	point := func(near []float32) []float32 {
		e, norm := make([]float32, 6), 0.0
		for i := range e {
			e[i] = float32(r.NormFloat64())
			if near != nil {
				e[i] += 1.2 * near[i]
			}
			norm += float64(e[i]) * float64(e[i])
		}
		for i := range e {
			e[i] /= float32(math.Sqrt(norm))
		}
		return e
	}
	for range pictures {
		f.pictures = append(f.pictures, point(nil))
	}
	for _, own := range owner {
		f.texts = append(f.texts, point(f.pictures[own]))
		row := make([]float32, pictures)
		for i := range row {
			row[i] = float32(r.NormFloat64())
		}
		row[own] += 1.5
		f.logits = append(f.logits, row)
	}
	return f
}

func (f *fake) Fingerprint() string { return "fake" }

func (f *fake) Tokenize(text string) encoder.Query {
	var n int64
	if _, err := fmt.Sscan(text, &n); err != nil {
		panic(err)
	}
	return encoder.Query{IDs: []int64{n}}
}

func (f *fake) Texts(ctx context.Context, queries []encoder.Query) ([][]float32, error) {
	var out [][]float32
	for _, q := range queries {
		out = append(out, f.texts[q.IDs[0]])
	}
	if f.broken.texts {
		return out[1:], nil
	}
	return out, f.check(ctx, len(queries))
}

func (f *fake) Pixels(data []byte) (encoder.Pixels, error) {
	var n float32
	if _, err := fmt.Sscan(string(data), &n); err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	return encoder.Pixels{n}, nil
}

func (f *fake) Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error) {
	var out []encoder.Features
	for _, px := range batch {
		out = append(out, encoder.Features{
			Embedding: f.pictures[int(px[0])],
			States:    encoder.States{Tokens: 1, Width: 1, Float: []float32{px[0]}},
		})
	}
	if f.broken.images {
		return out[1:], nil
	}
	return out, f.check(ctx, len(batch))
}

func (f *fake) Match(ctx context.Context, q encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	var out []encoder.Logits
	for _, s := range states {
		text, picture := int(q.IDs[0]), int(s.Dequantize().Float[0])
		f.read[[2]int{text, picture}]++
		f.kinds[s.Float != nil] = true
		l := encoder.Logits{9, f.logits[text][picture]}
		if f.broken.nan {
			l[1] = float32(math.NaN())
		}
		out = append(out, l)
	}
	if f.broken.logits {
		return out[1:], nil
	}
	return out, f.check(ctx, len(states))
}

func (f *fake) check(ctx context.Context, n int) error {
	if n > f.batch {
		return fmt.Errorf("%d in a batch, want %d at most", n, f.batch)
	}
	return errors.Join(ctx.Err(), f.broken.err)
}

// dataset is pictures with 1, 2 and 3 texts in turn, and their files.
func dataset(t *testing.T, pictures int) (d Dataset, owner []int, dir string) {
	t.Helper()
	d, dir = Dataset{Name: "flickr30k", Split: "test"}, t.TempDir()
	for i := range pictures {
		img := Captioned{File: fmt.Sprintf("some/%d.jpg", i)}
		for range i%3 + 1 {
			img.Captions = append(img.Captions, fmt.Sprint(len(owner)))
			owner = append(owner, i)
		}
		d.Images = append(d.Images, img)
		path := filepath.Join(dir, img.File)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, fmt.Append(nil, i), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return d, owner, dir
}
