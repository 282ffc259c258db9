package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/ort"
)

// graphCommand makes this program load one graph, in a process of its own.
const graphCommand = "graph"

// use is how searchd uses a graph: at first with the least input, then with what
// a search has.
type use struct {
	graph bundle.Graph
	shape string
	run   func(ctx context.Context, m *encoder.Model, many bool) error
}

// tokens of the texts in uses: [CLS], six words and [SEP].
const tokens = 8

func uses() []use {
	return []use{
		{bundle.GraphText, "1 text of 8 tokens", func(ctx context.Context, m *encoder.Model, many bool) error {
			_, err := m.Texts(ctx, texts(1, many))
			return err
		}},
		{bundle.GraphVision, "1 picture", see},
		{bundle.GraphMatch, "1 text of 8 tokens, 16 pictures", func(ctx context.Context, m *encoder.Model, many bool) error {
			return match(ctx, m, many, blank(m))
		}},
		{bundle.GraphMatchInt8, "1 text of 8 tokens, 16 pictures", func(ctx context.Context, m *encoder.Model, many bool) error {
			return match(ctx, m, many, blank(m).Quantize())
		}},
		{bundle.GraphImageKV, "1 picture", func(ctx context.Context, m *encoder.Model, _ bool) error {
			_, err := m.Project(ctx, blank(m))
			return err
		}},
		{bundle.GraphMatchTexts, "1 picture, 16 texts of 8 tokens", matchTexts},
		{bundle.GraphMatchExplain, "1 text of 8 tokens, 1 picture", func(ctx context.Context, m *encoder.Model, many bool) error {
			_, err := m.Explain(ctx, texts(1, many)[0], blank(m), encoder.ExplainOptions{})
			return err
		}},
	}
}

func see(ctx context.Context, m *encoder.Model, _ bool) error {
	side := m.Manifest().Vision.Image
	_, err := m.Images(ctx, []encoder.Pixels{make(encoder.Pixels, 3*side*side)})
	return err
}

func matchTexts(ctx context.Context, m *encoder.Model, many bool) error {
	v, t := m.Manifest().Vision, m.Manifest().Text
	layers, heads, patches := int64(t.Layers), int64(t.Heads), int64(v.Tokens())
	data := make([]float32, layers*heads*64*patches)
	_, err := m.MatchProjected(ctx, encoder.Projected{
		Keys:   encoder.Tensor{Name: "keys", Shape: []int64{layers, heads, 64, patches}, Data: data},
		Values: encoder.Tensor{Name: "values", Shape: []int64{layers, heads, patches, 64}, Data: data},
	}, texts(16, many))
	return err
}

// texts are the least that the model reads, or as many as a run has.
func texts(n int, many bool) []encoder.Query {
	if !many {
		return []encoder.Query{{IDs: []int64{101, 102}}}
	}
	return slices.Repeat([]encoder.Query{{IDs: make([]int64, tokens)}}, n)
}

func match(ctx context.Context, m *encoder.Model, many bool, s encoder.States) error {
	states := []encoder.States{s}
	if many {
		states = slices.Repeat(states, 16)
	}
	_, err := m.Match(ctx, texts(1, many)[0], states)
	return err
}

func blank(m *encoder.Model) encoder.States {
	v := m.Manifest().Vision
	return encoder.States{Tokens: v.Tokens(), Width: v.Width, Float: make([]float32, v.Tokens()*v.Width)}
}

// graph prints what one graph costs.
func graph(ctx context.Context, args []string, out io.Writer) (err error) {
	f := flag.NewFlagSet(graphCommand, flag.ContinueOnError)
	dir, name := f.String("model", "", ""), f.String("graph", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	i := slices.IndexFunc(uses(), func(u use) bool { return string(u.graph) == *name })
	if i < 0 {
		return fmt.Errorf("-graph %q: there is no such graph", *name)
	}
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		return err
	}
	rt, err := ort.New(ort.Options{Library: library, Threads: runtime.GOMAXPROCS(0)}) // as searchd's defaults
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rt.Close()) }()
	m, err := encoder.Open(ctx, *dir, rt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	cost, err := measure(ctx, m, uses()[i])
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(cost)
}

// later is how often a run of one shape is repeated.
const later = 5

func measure(ctx context.Context, m *encoder.Model, u use) (graphCost, error) {
	c := graphCost{Graph: string(u.graph), Shape: u.shape}
	before, err := memoryOf(os.Getpid())
	if err != nil {
		return c, err
	}
	timed := func(many bool) float64 {
		begin := time.Now()
		err = errors.Join(err, u.run(ctx, m, many))
		return ms(time.Since(begin))
	}
	c.Load, c.First = timed(false), timed(true)
	c.Later = timed(true)
	for range later {
		c.Later = min(c.Later, timed(true))
	}
	if err != nil {
		return c, err
	}
	after, err := memoryOf(os.Getpid())
	c.Anon, c.File = after.anon-before.anon, after.file-before.file
	return c, err
}

// graphs measures each in a process of its own.
func (b *bench) graphs(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, u := range uses() {
		var c graphCost
		if err := do(ctx, &c, self, graphCommand, "-model", b.model, "-graph", string(u.graph)); err != nil {
			b.missing("graph "+string(u.graph), err.Error())
			continue
		}
		b.r.Graphs = append(b.r.Graphs, c)
		fmt.Fprintf(b.log, "  %s: loaded in %.0f ms, runs %.1f ms after %.1f, %d + %d MB\n", c.Graph, c.Load, c.Later, c.First, c.Anon>>20, c.File>>20)
	}
	return ctx.Err()
}
