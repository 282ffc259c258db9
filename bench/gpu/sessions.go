//go:build cgo

package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/ort"
)

// sessions measures the match below the model, over the same states, and
// returns how long its graph took to load.
//
// "match, pieces" hands each picture's states to the runtime where they lie; the
// model copies them into one tensor first. "match, no upload" sends one
// picture's states, which the graph spreads over the batch: all other work is
// the same, so that it is what a copy of the states on the device could gain.
func (m *meter) sessions(ctx context.Context, rt *ort.Runtime, dir string, states []encoder.States) time.Duration {
	begin := time.Now()
	session, err := rt.Load(ctx, filepath.Join(dir, bundle.GraphMatchInt8.File()))
	if err != nil {
		m.err = errors.Join(m.err, err)
		return 0
	}
	took := time.Since(begin)
	for _, n := range lengths {
		for _, batch := range m.batches() {
			inputs := pieces(query(n), states[:batch])
			run := func() error {
				_, err := session.Run(ctx, inputs...)
				return err
			}
			m.measure(record{What: "match, pieces", Length: n, Batch: batch, Callers: 1}, run)
			m.measure(record{What: "match, pieces", Length: n, Batch: batch, Callers: 4}, run)
			if rt.Device() == "cpu" {
				continue // the CPU's int8 graph takes its batch from the states
			}
			one := states[0]
			inputs[1].Shape, inputs[1].Data = []int64{1, int64(one.Tokens), int64(one.Width)}, one.Int8
			m.measure(record{What: "match, no upload", Length: n, Batch: batch, Callers: 1}, run)
		}
	}
	m.err = errors.Join(m.err, session.Close())
	return took
}

// pieces are the inputs of the match over int8 states.
func pieces(q encoder.Query, states []encoder.States) []encoder.Tensor {
	b, n, dv := int64(len(states)), int64(states[0].Tokens), int64(states[0].Width)
	var values [][]int8
	var scales, means [][]float32
	for _, s := range states {
		values, scales, means = append(values, s.Int8), append(scales, s.Scale), append(means, s.Mean)
	}
	return []encoder.Tensor{
		{Name: "ids", Shape: []int64{1, int64(len(q.IDs))}, Data: q.IDs},
		{Name: "states", Shape: []int64{b, n, dv}, Data: values},
		{Name: "scale", Shape: []int64{b, n}, Data: scales},
		{Name: "mean", Shape: []int64{b, dv}, Data: means},
	}
}
