//go:build cgo

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

// operator is what one kind of operator took in one run of a graph.
type operator struct {
	Name     string  `json:"operator"`
	Provider string  `json:"provider"`
	Count    int     `json:"count"`
	Micros   float64 `json:"micros"` // with CUDA_LAUNCH_BLOCKING=1 that of the kernels, else of their launch
}

// profile says for each graph which operators ran where. The graphs are those
// of a search: the towers at batch 1, match over int8 states at 128 pairs of 16.
func profile(ctx context.Context, s settings) (any, error) {
	found := map[bundle.Graph][]operator{}
	for _, g := range []bundle.Graph{bundle.GraphVision, bundle.GraphText, bundle.GraphMatchInt8, bundle.GraphMatchTexts, bundle.GraphImageKV} {
		ops, err := profileGraph(ctx, s, g)
		if err != nil {
			return nil, fmt.Errorf("graph %s: %w", g, err)
		}
		found[g] = ops
	}
	return found, nil
}

func profileGraph(ctx context.Context, s settings, g bundle.Graph) (_ []operator, err error) {
	dir, err := os.MkdirTemp("", "profile")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	rt, err := openRuntime(s, filepath.Join(dir, "run"))
	if err != nil {
		return nil, err
	}
	session, err := rt.Load(ctx, filepath.Join(s.model, g.File()))
	if err != nil {
		return nil, errors.Join(err, rt.Close())
	}
	m, err := bundle.Read(s.model)
	inputs := graphInputs(m, g)
	for range profiled {
		if err == nil {
			_, err = session.Run(ctx, inputs...)
		}
	}
	if err := errors.Join(err, session.Close(), rt.Close()); err != nil {
		return nil, err
	}
	return readProfile(dir)
}

// profiled is the number of runs; the first ones choose algorithms, so the
// fastest time of each operator is taken.
const profiled = 5

// graphInputs are values of the right shape; nothing depends on them.
func graphInputs(m bundle.Manifest, g bundle.Graph) []encoder.Tensor {
	const pairs, length = 128, 16
	side, n, dv := int64(m.Vision.Image), int64(m.Vision.Tokens()), int64(m.Vision.Width)
	layers, heads := int64(m.Text.Layers), int64(m.Text.Heads)
	batch := int64(1)
	if g == bundle.GraphMatchInt8 {
		return matchInputs(m, pairs, length)
	}
	if g == bundle.GraphMatchTexts {
		batch = pairs
	}
	states := floats("states", 1, n, dv)
	ids := encoder.Tensor{Name: "ids", Shape: []int64{batch, length}, Data: slices.Repeat(query(length).IDs, int(batch))}
	return []encoder.Tensor{
		floats("pixels", 1, 3, side, side), states, ids,
		{Name: "lengths", Shape: []int64{batch}, Data: slices.Repeat([]int64{length}, int(batch))},
		floats("keys", layers, heads, 64, n), floats("values", layers, heads, n, 64),
	}
}

func matchInputs(m bundle.Manifest, pairs, length int64) []encoder.Tensor {
	n, dv := int64(m.Vision.Tokens()), int64(m.Vision.Width)
	states := make([]int8, pairs*n*dv)
	for i := range states {
		states[i] = int8(i*31%255 - 127)
	}
	return []encoder.Tensor{
		{Name: "ids", Shape: []int64{1, length}, Data: query(int(length)).IDs},
		{Name: "states", Shape: []int64{pairs, n, dv}, Data: states},
		floats("scale", pairs, n), floats("mean", pairs, dv),
	}
}

func floats(name string, shape ...int64) encoder.Tensor {
	t := encoder.Tensor{Name: name, Shape: shape}
	v := make([]float32, t.Len())
	for i := range v {
		v[i] = float32(i%17) / 17
	}
	t.Data = v
	return t
}

// readProfile sums the file that the session left in dir by operator.
func readProfile(dir string) ([]operator, error) {
	files, err := filepath.Glob(filepath.Join(dir, "run*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("the session left no profile (%w)", err)
	}
	var events []event
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, &events); err != nil {
			return nil, fmt.Errorf("profile: %w", err)
		}
		if ops := sum(events); len(ops) > 0 { // the probe's file has none
			return ops, nil
		}
	}
	return nil, errors.New("no operator in the profile")
}

type event struct {
	Cat  string
	Name string
	Dur  float64
	Args struct {
		Op       string `json:"op_name"`
		Provider string
	}
}

func sum(events []event) []operator {
	fastest := map[string]event{}
	for _, e := range events {
		if e.Cat != "Node" || e.Args.Provider == "" {
			continue
		}
		if f, ok := fastest[e.Name]; !ok || e.Dur < f.Dur {
			fastest[e.Name] = e
		}
	}
	byKind := map[string]operator{}
	for _, e := range fastest {
		o := byKind[e.Args.Provider+e.Args.Op]
		o.Name, o.Provider, o.Count, o.Micros = e.Args.Op, e.Args.Provider, o.Count+1, o.Micros+e.Dur
		byKind[e.Args.Provider+e.Args.Op] = o
	}
	var ops []operator
	for _, o := range byKind {
		ops = append(ops, o)
	}
	slices.SortFunc(ops, func(a, b operator) int { return int(b.Micros - a.Micros) })
	return ops
}
