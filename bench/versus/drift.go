package main

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// logits are those of all pictures with one text of each length.
func (b *bench) logits(ctx context.Context, e entrant) (all [][2]float32, err error) {
	for _, n := range lengths {
		r := b.request(cell{job: "logits", length: n, batch: pictures, texts: 1}, e)
		a, err := b.running[e.worker].ask(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("logits of %s: %w", e.name, err)
		}
		if len(a.Logits) != pictures {
			return nil, fmt.Errorf("logits of %s: %d, want %d", e.name, len(a.Logits), pictures)
		}
		all = append(all, a.Logits...)
	}
	return all, nil
}

// kernel drops the rows that tell what the fused kernel gains where there is none
// for this processor.
func (b *bench) kernel(_ context.Context, cells *[]cell) error {
	p := b.running[rounded]
	if p == nil || p.about["kernel"] != "" {
		return nil
	}
	b.missing("the fused kernel", "it is not used on this processor")
	var problems []error
	for _, level := range append([]string{plain}, ofKernels()...) {
		*cells = without(*cells, level)
		if p := b.running[level]; p != nil {
			delete(b.running, level)
			problems = append(problems, p.close())
		}
	}
	return errors.Join(problems...)
}

func ofKernels() (names []string) {
	for _, level := range kernels {
		names = append(names, ofKernel(level))
	}
	return names
}

// drift compares the logits of everybody in a phase with those of transformers in
// float32, which the first phase has, each from the same pixels.
func (b *bench) drift(ctx context.Context, cells *[]cell) (err error) {
	if b.want == nil && b.running[python] != nil {
		if b.want, err = b.logits(ctx, entrant{theirs, python, "", "fp32"}); err != nil {
			return err
		}
		d := &drift{Pairs: len(b.want), Lowest: b.want[0][0], Highest: b.want[0][0], Max: map[string]float64{}}
		for _, l := range b.want {
			d.Lowest, d.Highest = min(d.Lowest, l[0], l[1]), max(d.Highest, l[0], l[1])
		}
		b.r.Drift = d
	}
	if b.want == nil {
		return nil
	}
	for _, c := range *cells {
		for _, e := range c.entrants {
			name := e.name + suffixes()[c.table]
			if _, known := b.r.Drift.Max[name]; known || c.job != "match" || e.job != "" || name == theirs {
				continue
			}
			got, err := b.logits(ctx, e)
			if err != nil && (ctx.Err() != nil || !workers()[e.worker].python) {
				return errors.Join(ctx.Err(), err)
			}
			if err == nil {
				b.r.Drift.Max[name] = farthest(got, b.want)
			}
		}
	}
	return nil
}

// suffixes tell rows of the limited tables from those of the others.
func suffixes() map[string]string {
	return map[string]string{tableNoAMX: ", without AMX", tableAVX2: ", with AVX2"}
}

func farthest(got, want [][2]float32) (most float64) {
	for i := range want {
		for j := range want[i] {
			most = max(most, math.Abs(float64(got[i][j])-float64(want[i][j])))
		}
	}
	return most
}
