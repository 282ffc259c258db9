package encodertest

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sightline/encoder"
	"sightline/encoder/onnx"
)

// RunRuntime checks a Runtime against the contract in package encoder. open
// makes a fresh one; the suite closes it.
func RunRuntime(t *testing.T, open func(t *testing.T) encoder.Runtime) {
	rules := map[string]func(t *testing.T, s encoder.Session){
		"computes what the graph says":   checkComputes,
		"takes inputs in any order":      checkInputOrder,
		"names a missing input":          checkMissingInput,
		"refuses a wrong type":           checkWrongType,
		"refuses a wrong shape":          checkWrongShape,
		"answers a context that ended":   checkEndedContext,
		"stops a run when the ctx ends":  checkCancels,
		"runs from many goroutines":      checkConcurrent,
		"refuses to run after Close":     checkClosed,
		"leaves the caller's input data": checkInputsUntouched,
		"writes where the caller says":   checkPlaced,
		"refuses a place that is wrong":  checkWrongPlace,
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			rt := open(t)
			s, err := rt.Load(t.Context(), chainGraph(t, t.TempDir()))
			if err != nil {
				t.Fatal(err)
			}
			rule(t, s)
			if err := errors.Join(s.Close(), s.Close(), rt.Close()); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	t.Run("names a graph that is not one", func(t *testing.T) { checkBadGraph(t, open(t)) })
}

const side = 256 // of the square matrix in the test graph

// chainGraph writes y = x·W·W·…·W, 64 products, with W the identity as external
// data and x [B,side]; flag [1] is an unused second input.
func chainGraph(t *testing.T, dir string) string {
	t.Helper()
	weights := make([]byte, 4*side*side)
	for i := range side {
		binary.LittleEndian.PutUint32(weights[4*(i*side+i):], math.Float32bits(1))
	}
	m := onnx.Model{
		Name: "chain", Producer: "test",
		Initializers: []onnx.Tensor{{
			Name: "W", Type: onnx.Float, Dims: []int64{side, side},
			External: &onnx.External{Location: "weights.bin", Offset: 0, Length: int64(len(weights))},
		}},
		Inputs: []onnx.Value{
			{Name: "x", Type: onnx.Float, Dims: []int64{-1, side}, Free: []string{"B", ""}},
			{Name: "shift", Type: onnx.Float, Dims: []int64{1}, Free: []string{""}},
		},
		Outputs: []onnx.Value{{Name: "y", Type: onnx.Float, Dims: []int64{-1, side}, Free: []string{"B", ""}}},
	}
	from := "x"
	for i := range 64 {
		to := "x" + string(rune('A'+i))
		m.Nodes = append(m.Nodes, onnx.Node{Op: "MatMul", Name: to, Inputs: []string{from, "W"}, Outputs: []string{to}})
		from = to
	}
	m.Nodes = append(m.Nodes, onnx.Node{Op: "Add", Name: "y", Inputs: []string{from, "shift"}, Outputs: []string{"y"}})
	path := filepath.Join(dir, "chain.onnx")
	for name, data := range map[string][]byte{path: m.Marshal(), filepath.Join(dir, "weights.bin"): weights} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func chainInputs(batch int, shift float32) []encoder.Tensor {
	x := make([]float32, batch*side)
	for i := range x {
		x[i] = float32(i%97) / 8
	}
	return []encoder.Tensor{
		{Name: "x", Shape: []int64{int64(batch), side}, Data: x},
		{Name: "shift", Shape: []int64{1}, Data: []float32{shift}},
	}
}

// checkShifted fails unless out is the chain of in: x + shift.
func checkShifted(t *testing.T, in, out []encoder.Tensor) {
	t.Helper()
	if len(out) != 1 || out[0].Name != "y" {
		t.Fatalf("outputs %v, want one named y", out)
	}
	y, err := out[0].Float32s()
	if err != nil {
		t.Fatal(err)
	}
	x, shift := in[0].Data.([]float32), in[1].Data.([]float32)[0]
	if len(y) != len(x) {
		t.Fatalf("%d values, want %d", len(y), len(x))
	}
	for i := range x {
		if y[i] != x[i]+shift {
			t.Fatalf("value %d is %g, want %g", i, y[i], x[i]+shift)
		}
	}
}

func checkComputes(t *testing.T, s encoder.Session) {
	for _, batch := range []int{1, 7} {
		in := chainInputs(batch, 0.5)
		out, err := s.Run(t.Context(), in...)
		if err != nil {
			t.Fatal(err)
		}
		checkShifted(t, in, out)
	}
}

func checkInputOrder(t *testing.T, s encoder.Session) {
	in := chainInputs(2, 3)
	out, err := s.Run(t.Context(), in[1], in[0])
	if err != nil {
		t.Fatal(err)
	}
	checkShifted(t, in, out)
}

func checkMissingInput(t *testing.T, s encoder.Session) {
	if _, err := s.Run(t.Context(), chainInputs(1, 0)[0]); err == nil {
		t.Error("a missing input gave no error")
	}
}

func checkWrongType(t *testing.T, s encoder.Session) {
	in := chainInputs(1, 0)
	in[1].Data = []int64{1}
	if _, err := s.Run(t.Context(), in...); err == nil {
		t.Error("int64 for float32 gave no error")
	}
}

func checkWrongShape(t *testing.T, s encoder.Session) {
	in := chainInputs(2, 0)
	in[0].Shape = []int64{4, side / 2}
	if _, err := s.Run(t.Context(), in...); err == nil {
		t.Error("a wrong shape gave no error")
	}
}

func checkEndedContext(t *testing.T, s encoder.Session) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(ctx, chainInputs(1, 0)...); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// checkCancels runs a batch that takes seconds and ends its context early. The
// bound is generous: a run stops at the next of 64 products.
func checkCancels(t *testing.T, s encoder.Session) {
	in := chainInputs(200_000, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := s.Run(ctx, in...)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want context.DeadlineExceeded", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the run went on for %v after its deadline", took)
	}
}

func checkConcurrent(t *testing.T, s encoder.Session) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				in := chainInputs(1+i, float32(i))
				out, err := s.Run(t.Context(), in...)
				if err != nil {
					t.Error(err)
					return
				}
				checkShifted(t, in, out)
			}
		})
	}
	wg.Wait()
}

func checkClosed(t *testing.T, s encoder.Session) {
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context(), chainInputs(1, 0)...); !errors.Is(err, encoder.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}

func checkInputsUntouched(t *testing.T, s encoder.Session) {
	in, same := chainInputs(3, 1), chainInputs(3, 1)
	if _, err := s.Run(t.Context(), in...); err != nil {
		t.Fatal(err)
	}
	for i, v := range in[0].Data.([]float32) {
		if v != same[0].Data.([]float32)[i] {
			t.Fatalf("input value %d became %g", i, v)
		}
	}
}

// checkPlaced runs twice into the same memory.
func checkPlaced(t *testing.T, s encoder.Session) {
	place := encoder.Tensor{Name: "y", Shape: []int64{3, side}, Data: make([]float32, 3*side)}
	for _, shift := range []float32{1, 2} {
		in := chainInputs(3, shift)
		out, err := s.Run(t.Context(), place, in[0], in[1])
		if err != nil {
			t.Fatal(err)
		}
		checkShifted(t, in, out)
		if &out[0].Data.([]float32)[0] != &place.Data.([]float32)[0] {
			t.Error("the output lies elsewhere")
		}
	}
}

func checkWrongPlace(t *testing.T, s encoder.Session) {
	for name, place := range map[string]encoder.Tensor{
		"another shape": {Name: "y", Shape: []int64{2, side}, Data: make([]float32, 2*side)},
		"too short":     {Name: "y", Shape: []int64{3, side}, Data: make([]float32, side)},
		"another type":  {Name: "y", Shape: []int64{3, side}, Data: make([]int64, 3*side)},
	} {
		if _, err := s.Run(t.Context(), append(chainInputs(3, 1), place)...); err == nil {
			t.Errorf("%s gave no error", name)
		}
	}
}

func checkBadGraph(t *testing.T, rt encoder.Runtime) {
	path := filepath.Join(t.TempDir(), "broken.onnx")
	if err := os.WriteFile(path, []byte("not a graph"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, filepath.Join(t.TempDir(), "none.onnx")} {
		if s, err := rt.Load(t.Context(), p); err == nil {
			t.Errorf("%s loaded", filepath.Base(p))
			_ = s.Close()
		}
	}
	if err := rt.Close(); err != nil {
		t.Error(err)
	}
}
