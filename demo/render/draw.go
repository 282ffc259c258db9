package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"sightline/demo/catalogue"
)

// job is one picture to make; lines comes back when it is drawn.
type job struct {
	i     int
	lines chan lines
}

// lines are a picture's entries in records.jsonl and captions.jsonl.
type lines struct{ record, captions []byte }

// artist is one worker.
type artist struct {
	o        options
	world    *catalogue.World
	words    *catalogue.Tokenizer
	renderer *catalogue.Renderer
	packed   *os.File // shared; WriteAt keeps workers apart
}

// drawAll makes all pictures on several cores. Lines are written in the order
// of the plan, at most a window behind, whoever finishes first.
func drawAll(ctx context.Context, o options, world *catalogue.World, pictures []catalogue.Picture, tick func()) (err error) {
	var packed *os.File
	if o.packed {
		if packed, err = os.Create(filepath.Join(o.out, "pictures.u8")); err != nil {
			return fmt.Errorf("make pictures.u8: %w", err)
		}
		defer func() { err = errors.Join(err, packed.Close()) }()
	}
	g, ctx := errgroup.WithContext(ctx)
	todo, inOrder := make(chan job), make(chan job, 16*o.workers)
	g.Go(func() error { return deal(ctx, len(pictures), todo, inOrder) })
	words := catalogue.NewTokenizer()
	for range o.workers {
		renderer, err := catalogue.NewRenderer(o.size)
		if err != nil {
			return err
		}
		a := artist{o, world, words, renderer, packed}
		g.Go(func() error {
			for j := range todo {
				l, err := a.make(j.i, pictures[j.i])
				if err != nil {
					return err
				}
				j.lines <- l
			}
			return nil
		})
	}
	g.Go(func() error { return collect(ctx, o.out, inOrder, tick) })
	return g.Wait()
}

// deal hands out the pictures in order; both channels close at the end.
func deal(ctx context.Context, n int, todo, inOrder chan<- job) error {
	defer close(todo)
	defer close(inOrder)
	for i := range n {
		j := job{i, make(chan lines, 1)}
		for _, to := range []chan<- job{inOrder, todo} {
			select {
			case to <- j:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// collect writes records.jsonl and captions.jsonl.
func collect(ctx context.Context, dir string, inOrder <-chan job, tick func()) (err error) {
	var to [2]*bufio.Writer
	for i, name := range []string{"records.jsonl", "captions.jsonl"} {
		f, err2 := os.Create(filepath.Join(dir, name))
		if err2 != nil {
			return fmt.Errorf("make %s: %w", name, err2)
		}
		to[i] = bufio.NewWriterSize(f, 1<<20)
		defer func() { err = errors.Join(err, to[i].Flush(), f.Close()) }()
	}
	for j := range inOrder {
		select {
		case l := <-j.lines:
			if _, err := to[0].Write(l.record); err != nil {
				return fmt.Errorf("write records.jsonl: %w", err)
			}
			if _, err := to[1].Write(l.captions); err != nil {
				return fmt.Errorf("write captions.jsonl: %w", err)
			}
			tick()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// make draws one picture, stores it, and says it.
func (a *artist) make(i int, p catalogue.Picture) (lines, error) {
	pix := a.renderer.Draw(p.Record, p.Seed)
	if a.packed != nil {
		if _, err := a.packed.WriteAt(pix, int64(i)*int64(len(pix))); err != nil {
			return lines{}, fmt.Errorf("write pictures.u8: %w", err)
		}
	}
	if a.o.png {
		if err := writePNG(filepath.Join(a.o.out, "pictures", p.ID+".png"), pix, a.o.size); err != nil {
			return lines{}, err
		}
	}
	record, err := recordLine(p, a.renderer.Boxes())
	if err != nil {
		return lines{}, err
	}
	captions, err := a.captionLine(p)
	return lines{record, captions}, err
}

func recordLine(p catalogue.Picture, boxes []image.Rectangle) ([]byte, error) {
	corners := make([][4]int, len(boxes))
	for i, b := range boxes {
		corners[i] = [4]int{b.Min.X, b.Min.Y, b.Max.X, b.Max.Y}
	}
	line, err := json.Marshal(struct {
		ID      string           `json:"id"`
		Family  int              `json:"family"`
		Variant string           `json:"variant,omitempty"`
		Record  catalogue.Record `json:"record"`
		Boxes   [][4]int         `json:"boxes"` // left, top, right, bottom of each object, in pixels
	}{p.ID, p.Family, p.Variant, p.Record, corners})
	if err != nil {
		return nil, fmt.Errorf("write record of %s: %w", p.ID, err)
	}
	return append(line, '\n'), nil
}

// said is a text in captions.jsonl. Negatives of a negative do not exist.
type said struct {
	Kind      string         `json:"kind"`
	Text      string         `json:"text,omitempty"` // left out for train, where it would be half of the file
	IDs       []int          `json:"ids"`
	Spec      catalogue.Spec `json:"spec"`
	Negatives []said         `json:"neg,omitempty"`
}

func (a *artist) captionLine(p catalogue.Picture) ([]byte, error) {
	out := struct {
		ID       string `json:"id"`
		Captions []said `json:"captions"`
	}{ID: p.ID}
	for _, c := range a.world.Captions(a.o.split, p, a.o.captions, a.o.negatives) {
		s, err := a.say(c.Text)
		if err != nil {
			return nil, err
		}
		for _, n := range c.Negatives {
			false_, err := a.say(n)
			if err != nil {
				return nil, err
			}
			s.Negatives = append(s.Negatives, false_)
		}
		out.Captions = append(out.Captions, s)
	}
	line, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("write captions of %s: %w", p.ID, err)
	}
	return append(line, '\n'), nil
}

func (a *artist) say(t catalogue.Text) (said, error) {
	ids, err := a.words.Encode(t.Text)
	s := said{Kind: t.Kind, IDs: ids, Spec: t.Spec}
	if a.o.split != catalogue.Train {
		s.Text = t.Text
	}
	return s, err
}

func writePNG(path string, pix []byte, size int) error {
	img := image.NewNRGBA(image.Rect(0, 0, size, size))
	for i := 0; i*3 < len(pix); i++ {
		copy(img.Pix[4*i:], pix[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := e.Encode(&b, img); err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}
