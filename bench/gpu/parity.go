//go:build cgo

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"sightline/encoder"
)

// pictures is how many baseline.py draws.
const pictures = 8

// lengths of the texts, [CLS] and [SEP] included: a short query, a long one, and
// the longest that BLIP's retrieval reads.
var lengths = []int{8, 16, 35} //nolint:gochecknoglobals // a constant

// difference of values from transformers in float32 on the same device.
type difference struct {
	What string `json:"what"`
	// Relative is |got - want| / |want| over all values.
	Relative float64 `json:"relative"`
	Worst    float64 `json:"worst"` // of one value
	Spread   float64 `json:"spread"`
	Values   int     `json:"values"`
}

func compare(what string, got, want []float32) (difference, error) {
	if len(got) != len(want) || len(got) == 0 {
		return difference{}, fmt.Errorf("%s: %d values, the reference has %d", what, len(got), len(want))
	}
	d := difference{What: what, Values: len(got)}
	var off, size, sum, low, high float64
	low, high = math.Inf(1), math.Inf(-1)
	for i := range got {
		w := float64(want[i])
		e := math.Abs(float64(got[i]) - w)
		if math.IsNaN(e) {
			return d, fmt.Errorf("%s: value %d is not a number", what, i)
		}
		off, size, sum = off+e*e, size+w*w, sum+w
		d.Worst, low, high = max(d.Worst, e), min(low, w), max(high, w)
	}
	d.Relative, d.Spread = math.Sqrt(off/size), high-low
	return d, nil
}

// parity compares every pass with the reference.
func parity(ctx context.Context, s settings) (any, error) {
	m, err := open(ctx, s)
	if err != nil {
		return nil, err
	}
	c := &checker{ctx: ctx, model: m.Model, dir: s.reference}
	c.vision()
	for _, n := range lengths {
		c.text(n)
		c.match(n)
	}
	return c.found, errors.Join(c.err, m.close())
}

// checker keeps the first error; after it, nothing more is computed.
type checker struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of parity
	model  *encoder.Model
	dir    string
	states []encoder.States
	found  []difference
	err    error
}

func (c *checker) add(what string, got []float32, file string) {
	if c.err != nil {
		return
	}
	want, err := readFloats(filepath.Join(c.dir, file))
	if err != nil {
		c.err = err
		return
	}
	d, err := compare(what, got, want)
	c.found, c.err = append(c.found, d), err
}

func (c *checker) vision() {
	flat, err := readFloats(filepath.Join(c.dir, "pixels.f32"))
	if err != nil {
		c.err = err
		return
	}
	n := len(flat) / pictures
	batch := make([]encoder.Pixels, pictures)
	for i := range batch {
		batch[i] = flat[i*n : (i+1)*n]
	}
	features, err := c.model.Images(c.ctx, batch)
	if err != nil {
		c.err = err
		return
	}
	var embeddings, states []float32
	for _, f := range features {
		embeddings, states = append(embeddings, f.Embedding...), append(states, f.States.Float...)
		c.states = append(c.states, f.States)
	}
	c.add("picture embedding", embeddings, "embedding.f32")
	c.add("patch states", states, "states.f32")
}

func (c *checker) text(n int) {
	q, err := c.query(n)
	if err != nil || c.err != nil {
		c.err = errors.Join(c.err, err)
		return
	}
	e, err := c.model.Texts(c.ctx, []encoder.Query{q})
	if err != nil {
		c.err = err
		return
	}
	c.add(fmt.Sprintf("text embedding L=%d", n), e[0], fmt.Sprintf("text_%d.f32", n))
}

func (c *checker) query(n int) (encoder.Query, error) {
	raw, err := os.ReadFile(filepath.Join(c.dir, fmt.Sprintf("ids_%d.i64", n)))
	if err != nil {
		return encoder.Query{}, err
	}
	q := encoder.Query{IDs: make([]int64, len(raw)/8)}
	for i := range q.IDs {
		q.IDs[i] = int64(binary.LittleEndian.Uint64(raw[8*i:]))
	}
	return q, nil
}

// match compares the logits of one text with all pictures: over the states as
// they come from the tower, and over the int8 ones that an index keeps.
func (c *checker) match(n int) {
	q, err := c.query(n)
	if err != nil || c.err != nil {
		c.err = errors.Join(c.err, err)
		return
	}
	int8s := make([]encoder.States, len(c.states))
	for i, s := range c.states {
		int8s[i] = s.Quantize()
	}
	for name, states := range map[string][]encoder.States{"fp32": c.states, "int8": int8s} {
		got, err := c.model.Match(c.ctx, q, states)
		c.err = errors.Join(c.err, err)
		c.add(fmt.Sprintf("match logits L=%d, %s states", n, name), flatten(got), fmt.Sprintf("logits_%d.f32", n))
	}
	for i, s := range c.states {
		got, err := c.model.MatchTexts(c.ctx, s, []encoder.Query{q})
		c.err = errors.Join(c.err, err)
		if i == 0 {
			c.add(fmt.Sprintf("match texts L=%d, picture 0", n), flatten(got), fmt.Sprintf("logits_%d_0.f32", n))
		}
	}
}

func flatten(pairs []encoder.Logits) []float32 {
	var flat []float32
	for _, p := range pairs {
		flat = append(flat, p[:]...)
	}
	return flat
}

func readFloats(path string) ([]float32, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	v := make([]float32, len(raw)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return v, nil
}
