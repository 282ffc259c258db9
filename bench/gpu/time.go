//go:build cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"sightline/encoder"
)

// record is one measured line. A run takes Batch units; with several Callers,
// each calls again as soon as it is answered.
type record struct {
	What      string  `json:"pass"`
	Length    int     `json:"length,omitempty"` // tokens
	Batch     int     `json:"batch"`
	Callers   int     `json:"callers"`
	Runs      int     `json:"runs"`
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	PerSecond float64 `json:"per_second"` // units, over all callers
}

// meter measures passes of one model.
type meter struct {
	model   *encoder.Model
	quick   bool
	short   bool
	records []record
	err     error
}

// measure runs pass from that many callers for half a second, at least 10 times
// each, after three runs that are not counted.
func (m *meter) measure(r record, pass func() error) {
	if m.err != nil {
		return
	}
	budget, least := 500*time.Millisecond, 10
	if m.quick {
		budget, least = 0, 2
	}
	for range 3 {
		if m.err = pass(); m.err != nil {
			return
		}
	}
	times := make([][]time.Duration, r.Callers)
	problems := make([]error, r.Callers)
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range r.Callers {
		wg.Go(func() {
			for len(times[i]) < least || time.Since(begin) < budget {
				at := time.Now()
				if problems[i] = pass(); problems[i] != nil {
					return
				}
				times[i] = append(times[i], time.Since(at))
			}
		})
	}
	wg.Wait()
	m.err = errors.Join(problems...)
	m.records = append(m.records, r.with(slices.Concat(times...), time.Since(begin)))
}

func (r record) with(times []time.Duration, all time.Duration) record {
	slices.Sort(times)
	if r.Runs = len(times); r.Runs == 0 {
		return r
	}
	ms := func(share float64) float64 {
		return float64(times[int(share*float64(len(times)-1))]) / float64(time.Millisecond)
	}
	r.P50, r.P95 = ms(0.5), ms(0.95)
	r.PerSecond = float64(r.Runs*r.Batch) / all.Seconds()
	return r
}

// timings measures all passes with s.parallel runs at a time.
func timings(ctx context.Context, s settings) (any, error) {
	o, err := open(ctx, s)
	if err != nil {
		return nil, err
	}
	m := &meter{model: o.Model, quick: s.quick, short: s.short}
	callers := []int{1}
	if s.parallel > 1 {
		callers = append(callers, 2*s.parallel)
	}
	states, err := drawStates(ctx, o.Model)
	if err != nil {
		return nil, errors.Join(err, o.close())
	}
	if !s.short {
		m.text(ctx)
		m.others(ctx, states)
		m.vision(ctx)
	}
	for _, n := range lengths {
		for _, batch := range m.batches() {
			for _, c := range callers {
				m.match(ctx, record{Length: n, Batch: batch, Callers: c}, states[:batch*c])
			}
		}
	}
	load := m.sessions(ctx, o.runtime, s.model, states)
	return map[string]any{
		"load_match_seconds": load.Seconds(),
		"model":              s.model, "precision": o.Manifest().Precision, "device": o.Device(), "library": o.runtime.LibraryVersion(),
		"parallel": s.parallel, "pageable": s.pageable, "options": s.options, "records": m.records,
	}, errors.Join(m.err, o.close())
}

func (m *meter) batches() []int {
	if m.quick {
		return []int{4}
	}
	if m.short {
		return []int{32, 128}
	}
	return []int{32, 64, 128}
}

// stateSets is how many different pictures the match reads: with the callers of
// one measurement, none twice in a run, and more than the CPU's caches hold.
const stateSets = 1024

// drawStates makes int8 states of one real picture and of noise around it.
func drawStates(ctx context.Context, m *encoder.Model) ([]encoder.States, error) {
	f, err := m.Images(ctx, []encoder.Pixels{noise(m, 1)})
	if err != nil {
		return nil, err
	}
	first := f[0].States.Quantize()
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // not for secrets
	all := []encoder.States{first}
	for len(all) < stateSets {
		s := first
		s.Int8 = make([]int8, len(first.Int8))
		shift := random.IntN(len(s.Int8))
		copy(s.Int8, first.Int8[shift:])
		copy(s.Int8[len(s.Int8)-shift:], first.Int8)
		all = append(all, s)
	}
	return all, nil
}

func noise(m *encoder.Model, seed uint64) encoder.Pixels {
	side := m.Manifest().Vision.Image
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // not for secrets
	px := make(encoder.Pixels, 3*side*side)
	for i := range px {
		px[i] = float32(random.NormFloat64())
	}
	return px
}

func query(n int) encoder.Query {
	q := encoder.Query{IDs: make([]int64, n)}
	for i := range q.IDs {
		q.IDs[i] = int64(5 + 7*i)
	}
	return q
}

func (m *meter) vision(ctx context.Context) {
	for _, batch := range []int{1, 8, 32} {
		if m.quick && batch > 1 {
			return
		}
		pixels := make([]encoder.Pixels, batch)
		for i := range pixels {
			pixels[i] = noise(m.model, uint64(i))
		}
		m.measure(record{What: "vision", Batch: batch, Callers: 1}, func() error {
			_, err := m.model.Images(ctx, pixels)
			return err
		})
	}
}

func (m *meter) text(ctx context.Context) {
	for _, n := range []int{8, 16} {
		for _, batch := range []int{1, 32} {
			queries := slices.Repeat([]encoder.Query{query(n)}, batch)
			m.measure(record{What: "text", Length: n, Batch: batch, Callers: 1}, func() error {
				_, err := m.model.Texts(ctx, queries)
				return err
			})
		}
	}
}

// match gives each call the next pictures of states.
func (m *meter) match(ctx context.Context, r record, states []encoder.States) {
	r.What = "match"
	turn := make(chan int, r.Callers)
	for i := range r.Callers {
		turn <- i
	}
	m.measure(r, func() error {
		i := <-turn
		defer func() { turn <- i }()
		_, err := m.model.Match(ctx, query(r.Length), states[i*r.Batch:(i+1)*r.Batch])
		return err
	})
}

// others are the match over float32 states, one picture with many texts, and
// 128 candidates as four calls at a time.
func (m *meter) others(ctx context.Context, states []encoder.States) {
	batch := m.batches()[len(m.batches())-1]
	exact := make([]encoder.States, batch)
	for i := range exact {
		exact[i] = states[i].Dequantize()
	}
	for _, n := range []int{8, 16} {
		m.measure(record{What: "match over fp32 states", Length: n, Batch: batch, Callers: 1}, func() error {
			_, err := m.model.Match(ctx, query(n), exact)
			return err
		})
		queries := slices.Repeat([]encoder.Query{query(n)}, batch)
		m.measure(record{What: "match texts", Length: n, Batch: batch, Callers: 1}, func() error {
			_, err := m.model.MatchTexts(ctx, exact[0], queries)
			return err
		})
	}
	for _, n := range lengths {
		m.measure(record{What: "match in four parts", Length: n, Batch: batch, Callers: 1}, func() error {
			return m.inParts(ctx, n, states[:batch])
		})
	}
}

func (m *meter) inParts(ctx context.Context, n int, states []encoder.States) error {
	problems := make([]error, 4)
	part := len(states) / len(problems)
	var wg sync.WaitGroup
	for i := range problems {
		wg.Go(func() {
			_, problems[i] = m.model.Match(ctx, query(n), states[i*part:(i+1)*part])
		})
	}
	wg.Wait()
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("match in parts: %w", err)
	}
	return nil
}
