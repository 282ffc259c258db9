package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"sightline/demo/catalogue"
	"sightline/encoder"
	"sightline/encoder/decode"
	"sightline/encoder/ort"
)

func open(ctx context.Context, dir string) (m *encoder.Model, closeAll func() error, err error) {
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		return nil, nil, err
	}
	rt, err := ort.New(ort.Options{Library: library, Threads: runtime.GOMAXPROCS(0)})
	if err != nil {
		return nil, nil, err
	}
	if m, err = encoder.Open(ctx, dir, rt); err != nil {
		return nil, nil, errors.Join(err, rt.Close())
	}
	return m, func() error { return errors.Join(m.Close(), rt.Close()) }, nil
}

const (
	batch      = 16
	references = 5
)

// shown are the pictures, as the model and as the catalogue have them.
type shown struct {
	records    []catalogue.Record
	references [][]string
	states     []encoder.States
}

// see draws the pictures and runs the vision tower.
func see(ctx context.Context, m *encoder.Model, o options) (s shown, err error) {
	world := catalogue.NewWorld()
	side := m.Manifest().Vision.Image
	renderer, err := catalogue.NewRenderer(side)
	if err != nil {
		return s, err
	}
	for some := range slices.Chunk(world.Plan(o.split, o.n, o.seed), batch) {
		var pixels []encoder.Pixels
		for _, p := range some {
			px, err := drawn(m, renderer.Draw(p.Record, p.Seed), side)
			if err != nil {
				return s, err
			}
			pixels, s.records = append(pixels, px), append(s.records, p.Record)
			var texts []string
			for _, c := range world.Captions(o.split, p, references, 0) {
				texts = append(texts, c.Text.Text)
			}
			s.references = append(s.references, texts)
		}
		features, err := m.Images(ctx, pixels)
		if err != nil {
			return s, err
		}
		for _, f := range features {
			s.states = append(s.states, f.States)
		}
	}
	return s, nil
}

// drawn takes a drawing through the bytes of a file, as an import would.
func drawn(m *encoder.Model, rgb []uint8, side int) (encoder.Pixels, error) {
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		copy(img.Pix[4*i:], rgb[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		return nil, fmt.Errorf("encode drawing: %w", err)
	}
	return m.Pixels(file.Bytes())
}

// way is one way of searching.
type way struct {
	name string
	edit func(*decode.Options)
}

func ways() []way {
	return []way{
		{"greedy", func(*decode.Options) {}},
		{"beam 3", func(o *decode.Options) { o.Beams = 3 }},
		{"nucleus, p 0.9", func(o *decode.Options) { o.Sample, o.TopP, o.Seed = true, 0.9, 1 }},
	}
}

const heading = "| | read | types | + colours | + patterns | exact | + numbers, places | looks named | CIDEr | ms a picture |\n" +
	"|---|---|---|---|---|---|---|---|---|---|\n"

// rate captions all pictures in one way and returns its line of the table.
func (s shown) rate(ctx context.Context, m *encoder.Model, w way, show int, out io.Writer) (string, error) {
	o := decode.Defaults()
	o.MaxLength = min(32, m.Manifest().Text.Positions)
	w.edit(&o)
	parser, t := catalogue.NewParser(), tally{}
	var texts []string
	var took time.Duration
	for i := 0; i < len(s.states); i += batch {
		begin := time.Now()
		o.Seed += uint64(i) // pictures of one seed share their draws, which would be too few for all
		some, err := m.Caption(ctx, s.states[i:min(i+batch, len(s.states))], "", o)
		if err != nil {
			return "", err
		}
		took += time.Since(begin)
		for _, g := range some {
			texts = append(texts, g.Text)
		}
	}
	for i, text := range texts {
		t.add(parser, text, s.records[i])
		if i < show {
			fmt.Fprintf(out, "%s: %s (one of its references: %s)\n", w.name, text, s.references[i][0])
		}
	}
	return t.line(w.name, mean(cider(texts, s.references)), took), nil
}

func (t tally) line(name string, score float64, took time.Duration) string {
	share := func(n int) string { return fmt.Sprintf("%.3f", float64(n)/float64(t.all)) }
	return fmt.Sprintf("| %s | %s | %s | %s | %s | **%s** | %s | %.2f | %.2f | %.1f |\n", name, share(t.read), share(t.types), share(t.colours),
		share(t.patterns), share(t.exact), share(t.whole), float64(t.said)/float64(max(1, t.read)), score, took.Seconds()*1e3/float64(t.all))
}

func mean(all []float64) (sum float64) {
	for _, v := range all {
		sum += v / float64(len(all))
	}
	return sum
}
