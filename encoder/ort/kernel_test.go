//go:build cgo && !windows

package ort_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/encodertest"
	"sightline/encoder/ort"
)

// runtimeAt opens ONNX Runtime with our operators on the named instructions, or
// without for "".
func runtimeAt(t *testing.T, instructions string, threads int) *ort.Runtime {
	t.Helper()
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		encodertest.Missing(t, "onnxruntime", err)
	}
	o := ort.Options{Library: library, Threads: threads, Kernel: ort.KernelOff, Log: slog.New(slog.DiscardHandler)}
	var rt *ort.Runtime
	if instructions == "" {
		rt, err = ort.New(o)
	} else {
		rt, err = ort.NewAt(o, instructions)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	return rt
}

func modelAt(t *testing.T, dir, instructions string, threads int) *encoder.Model {
	t.Helper()
	m, err := encoder.Open(t.Context(), dir, runtimeAt(t, instructions, threads))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// TestKernelParity holds the graphs with our operators, on all instructions that
// this processor has, to transformers and to the same graphs without.
func TestKernelParity(t *testing.T) {
	limits := map[string]struct{ reference, plain float64 }{
		bundle.FP32: {reference: 0.1, plain: 0.02},
		bundle.INT8: {reference: int8Logit, plain: int8Logit / 2},
	}
	for layout := range layouts {
		for precision, limit := range limits {
			t.Run(layout+" "+precision, func(t *testing.T) {
				runtimeAt(t, "", 1) // skip before converting
				p := parity{fixture: readFixture(t, layout)}
				p.bundle, _ = convertAs(t, layout, precision)
				p.model = modelAt(t, p.bundle, "", 2)
				p.checkTokens(t)
				var err error
				if p.features, err = p.model.Images(t.Context(), p.pixels(t)); err != nil {
					t.Fatal(err)
				}
				plain := p.coarseLogits(t, p.model)
				levels := ort.Instructions()
				if layout != "hf-safetensors" { // one is enough for the slower ones
					levels = levels[len(levels)-1:]
				}
				for _, instructions := range levels {
					var reference, other drift
					for i, logits := range p.coarseLogits(t, modelAt(t, p.bundle, instructions, 2)) {
						for j, l := range logits {
							reference.add(l.Match(), p.Enc[i][j].Match())
							other.add(l.Match(), plain[i][j].Match())
						}
					}
					reference.check(t, instructions+", transformers", limit.reference/3, limit.reference)
					other.check(t, instructions+", plain graph", limit.plain/3, limit.plain)
				}
			})
		}
	}
}

// coarseLogits are those of all texts with all pictures' int8 states.
func (p *parity) coarseLogits(t *testing.T, m *encoder.Model) [][]encoder.Logits {
	t.Helper()
	states := p.states(func(f encoder.Features) encoder.States { return f.States.Quantize() })
	var all [][]encoder.Logits
	for _, q := range p.queries {
		all = append(all, match(t, m, q, states))
	}
	return all
}

// TestKernelAlone: a pair's logits do not depend on what is beside it, nor on the
// number of threads. Of an int8 bundle they have the same bits; of an fp32 one
// ONNX Runtime's own products sum up in another order where there are few rows,
// which may move a query by a step of its rounding.
func TestKernelAlone(t *testing.T) {
	for precision, tolerance := range map[string]float64{bundle.FP32: 0.01, bundle.INT8: 0} {
		t.Run(precision, func(t *testing.T) {
			runtimeAt(t, "", 1)
			dir, m := convertAs(t, "hf-safetensors", precision)
			all := ort.Instructions()
			models := []*encoder.Model{modelAt(t, dir, all[len(all)-1], 1), modelAt(t, dir, all[len(all)-1], 3)}
			states := randomStates(m, 33)
			for length := 2; length <= min(35, m.Text.Positions); length += 3 {
				q := encoder.Query{IDs: make([]int64, length)}
				for i := range q.IDs {
					q.IDs[i] = int64(5 + i)
				}
				alone := make([]encoder.Logits, len(states))
				for i := range states {
					alone[i] = match(t, models[0], q, states[i:i+1])[0]
				}
				for _, m := range models {
					for _, batch := range []int{1, 3, 32, 33} {
						nearLogits(t, fmt.Sprintf("%d tokens, batch of %d", length, batch), match(t, m, q, states[:batch]), alone[:batch], tolerance)
					}
				}
			}
		})
	}
}

func match(t *testing.T, m *encoder.Model, q encoder.Query, states []encoder.States) []encoder.Logits {
	t.Helper()
	l, err := m.Match(t.Context(), q, states)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func randomStates(m bundle.Manifest, n int) []encoder.States {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]encoder.States, n)
	for i := range all {
		s := encoder.States{Tokens: m.Vision.Tokens(), Width: m.Vision.Width}
		s.Float = make([]float32, s.Tokens*s.Width)
		for j := range s.Float {
			s.Float[j] = float32(r.NormFloat64())
		}
		all[i] = s.Quantize()
	}
	return all
}

// TestKernelChoice: which graph is taken, and that bundles without the form for
// our operators go on working.
func TestKernelChoice(t *testing.T) {
	with, without := runtimeAt(t, "portable", 1), runtimeAt(t, "", 1)
	if with.Kernel() == "" || without.Kernel() != "" {
		t.Errorf("kernels %q and %q", with.Kernel(), without.Kernel())
	}
	dir, m := convertAs(t, "hf-safetensors", bundle.INT8)
	form := filepath.Join(dir, string(bundle.GraphMatchInt8)+bundle.KernelSuffix)
	if _, ok := m.Files[filepath.Base(form)]; !ok {
		t.Fatalf("files %v", m.Files)
	}
	if err := os.WriteFile(form, []byte("not a graph"), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, bundle.GraphMatchInt8.File())
	if _, err := with.Load(t.Context(), plain); err == nil {
		t.Error("with operators, the form for them was not read")
	}
	s, err := without.Load(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := os.Remove(form); err != nil {
		t.Fatal(err)
	}
	if s, err = with.Load(t.Context(), plain); err != nil {
		t.Fatalf("an older bundle: %v", err)
	}
	s.Close()
	library, _ := ort.FindLibrary(os.Getenv)
	if _, err := ort.New(ort.Options{Library: library, Kernel: "no"}); err == nil || !strings.Contains(err.Error(), ort.KernelVariable) {
		t.Errorf("an unknown setting: error %v", err)
	}
}

// TestKernelSessions: sessions may outlive the runtime, and give back what they
// hold, loaded or not.
func TestKernelSessions(t *testing.T) {
	rt := runtimeAt(t, "portable", 2)
	dir, _ := convertAs(t, "hf-safetensors", bundle.INT8)
	path := filepath.Join(dir, bundle.GraphMatchInt8.File())
	for range 50 {
		s, err := rt.Load(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := rt.Load(t.Context(), filepath.Join(dir, bundle.WeightsFile)); err == nil {
		t.Error("weights are loaded as a graph")
	}
	if n := ort.OperatorUsers(rt); n != 1 {
		t.Errorf("%d users of the operators after all sessions are closed, want the runtime alone", n)
	}
	last, err := rt.Load(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	if n := ort.OperatorUsers(rt); n != 1 {
		t.Errorf("%d users after the runtime is closed, want the session", n)
	}
	if err := last.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := rt.Load(t.Context(), path); err == nil {
		t.Error("a closed runtime loads graphs with operators")
	}
}
