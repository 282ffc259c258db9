//go:build cgo

package ort

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sightline/encoder"
)

// ordinary gives a staging area of memory that is not pinned: what is copied
// where does not depend on that.
func ordinary(limit int) *staging {
	return &staging{limit: limit, memory: make([]byte, limit)}
}

func numbers(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i)
	}
	return v
}

// TestStaging: large inputs are moved, each to a place of its own; small ones,
// and those that no longer fit, stay where they are.
func TestStaging(t *testing.T) {
	const large = stageFrom/4 + 3
	inputs := []encoder.Tensor{
		{Name: "a", Data: numbers(large)},
		{Name: "small", Data: []int64{1, 2}},
		{Name: "b", Data: slices.Repeat([]int8{5, -7}, stageFrom)},
		{Name: "too much", Data: numbers(8 * large)},
		{Name: "unknown", Data: "text"},
		{Name: "pieces", Data: [][]int8{slices.Repeat([]int8{1}, stageFrom/2), slices.Repeat([]int8{2, 3}, stageFrom/3)}},
	}
	s := ordinary(6 * stageFrom)
	moved := s.take(inputs)
	a, b := moved[0].Data.([]float32), moved[2].Data.([]int8)
	if !slices.Equal(a, inputs[0].Data.([]float32)) || !slices.Equal(b, inputs[2].Data.([]int8)) {
		t.Error("moved values differ")
	}
	if &a[0] == &inputs[0].Data.([]float32)[0] || &b[0] == &inputs[2].Data.([]int8)[0] {
		t.Error("a large input was not moved")
	}
	if &moved[3].Data.([]float32)[0] != &inputs[3].Data.([]float32)[0] || moved[4].Data != "text" {
		t.Error("an input that does not fit was moved")
	}
	if n := moved[1].Data.([]int64); &n[0] != &inputs[1].Data.([]int64)[0] {
		t.Error("a small input was moved")
	}
	if got := moved[5].Data.([]int8); !slices.Equal(got, slices.Concat(inputs[5].Data.([][]int8)...)) {
		t.Errorf("pieces joined to %d values", len(got))
	}
	inputs[0].Data.([]float32)[0] = 9
	if a[0] != 0 {
		t.Error("the moved input shares the caller's memory")
	}
}

// TestStagingNone: on the CPU, and where no pinned memory can be had, inputs
// stay as they are.
func TestStagingNone(t *testing.T) {
	inputs := []encoder.Tensor{{Name: "a", Data: numbers(stageFrom)}}
	pieces := encoder.Tensor{Name: "b", Data: [][]float32{numbers(3), nil, numbers(stageFrom)}}
	for name, s := range map[string]*staging{"cpu": {}, "no CUDA library": {limit: 1 << 20}} {
		joined := s.take([]encoder.Tensor{pieces})[0].Data.([]float32)
		if want := append(numbers(3), numbers(stageFrom)...); !slices.Equal(joined, want) {
			t.Errorf("%s: pieces joined to %d values", name, len(joined))
		}
		got := s.take(inputs)[0].Data.([]float32)
		if &got[0] != &inputs[0].Data.([]float32)[0] {
			t.Errorf("%s: input was moved", name)
		}
		s.free()
	}
}

// TestCopyWide: every byte arrives, whatever way the length and the pieces are
// cut.
func TestCopyWide(t *testing.T) {
	for _, n := range []int{1, 4 << 20, 4<<20 + 1, 17<<20 + 5} {
		from := make([]byte, n)
		for i := range from {
			from[i] = byte(i*7 + i>>8)
		}
		for _, piece := range []int{n, n/2 + 1, n/37 + 1, 4 << 20} {
			to := make([]byte, n)
			copyWide(to, slices.Collect(slices.Chunk(from, piece)))
			if !slices.Equal(from, to) {
				t.Errorf("%d bytes in pieces of %d: copy differs", n, piece)
			}
		}
	}
}

// TestLost: after the device is lost nothing reaches it any more, and the first
// cause is kept.
func TestLost(t *testing.T) {
	cause := errors.New("CUDA failure 700: an illegal memory access was encountered")
	rt := &Runtime{slots: make(chan *staging, 1), cuda: &cuda{}}
	rt.slots <- &staging{}
	rt.cuda.lose(cause)
	rt.cuda.lose(errors.New("another"))
	s := &session{runtime: rt} // without a graph: a run that went on would panic
	_, run := s.Run(t.Context(), encoder.Tensor{})
	_, load := rt.Load(t.Context(), "none")
	for what, err := range map[string]error{"run": run, "load": load, "health": rt.Health(t.Context())} {
		if !errors.Is(err, ErrDeviceLost) || !errors.Is(err, cause) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := errors.Join(s.Close(), s.Close(), rt.Close()); err != nil {
		t.Error(err)
	}
}

// TestExplain: on the CPU an error stays what it is, and of a device's memory it
// is told apart from others without a look at the device.
func TestExplain(t *testing.T) {
	err := errors.New("CUDA failure 2: out of memory ; GPU=0")
	if got := (&Runtime{}).explain(err); !errors.Is(got, err) || errors.Is(got, ErrDeviceMemory) {
		t.Errorf("on the CPU: %v", got)
	}
	rt := &Runtime{cuda: &cuda{}}
	if got := rt.explain(err); !errors.Is(got, ErrDeviceMemory) || !errors.Is(got, err) || rt.lost() != nil {
		t.Errorf("out of memory: %v, lost: %v", got, rt.lost())
	}
}

// TestProvider: what is asked for stands over the defaults.
func TestProvider(t *testing.T) {
	rt := &Runtime{device: device{cuda: true, index: 3}}
	rt.options.CUDA = CUDA{MemoryLimit: 5 << 30, Provider: map[string]string{"use_tf32": "1"}}
	got := rt.provider()
	for key, want := range map[string]string{"device_id": "3", "gpu_mem_limit": "5368709120", "use_tf32": "1", "arena_extend_strategy": "kSameAsRequested"} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
	rt.options.CUDA = CUDA{}
	if got := rt.provider(); got["gpu_mem_limit"] != "" || got["use_tf32"] != "0" {
		t.Errorf("defaults %v", got)
	}
}

// TestForm: on a CUDA device the form for CUDA is loaded where there is one, on
// the CPU never.
func TestForm(t *testing.T) {
	dir := t.TempDir()
	both, one := filepath.Join(dir, "both.onnx"), filepath.Join(dir, "one.onnx")
	forCUDA := filepath.Join(dir, "both.cuda.onnx")
	if err := os.WriteFile(forCUDA, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cpu, gpu := &Runtime{}, &Runtime{cuda: &cuda{}}
	if cpu.form(both) != both || gpu.form(both) != forCUDA || gpu.form(one) != one {
		t.Errorf("CPU %s, CUDA %s and %s", cpu.form(both), gpu.form(both), gpu.form(one))
	}
}
