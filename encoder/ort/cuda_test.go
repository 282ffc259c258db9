//go:build cgo

package ort_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/encodertest"
	"sightline/encoder/ort"
)

// openCUDA opens the first CUDA device, or ends the test for lack of one. CI has
// none; docs/gpu.md says how to run these tests where there is.
func openCUDA(t *testing.T, o ort.CUDA) *ort.Runtime {
	t.Helper()
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		encodertest.Missing(t, "onnxruntime", err)
	}
	rt, err := ort.New(ort.Options{Library: library, Device: "cuda", Parallel: 2, CUDA: o})
	if err != nil {
		encodertest.Missing(t, "cuda", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(rt.Close(), rt.Close()); err != nil {
			t.Error(err)
		}
	})
	return rt
}

func TestCUDA(t *testing.T) {
	rt := openCUDA(t, ort.CUDA{})
	if rt.Device() != "cuda:0" {
		t.Errorf("device %s", rt.Device())
	}
	for layout := range layouts {
		t.Run("fp32 "+layout, func(t *testing.T) { checkExact(t, rt, layout) })
		t.Run("fp16 "+layout, func(t *testing.T) { checkHalf(t, rt, layout) })
	}
	if err := rt.Health(t.Context()); err != nil {
		t.Error(err)
	}
}

// checkExact holds the float32 bundle to transformers by the CPU's tolerances.
func checkExact(t *testing.T, rt encoder.Runtime, layout string) {
	p := parity{fixture: readFixture(t, layout)}
	p.bundle, _ = convertAs(t, layout, bundle.FP32)
	var err error
	if p.model, err = encoder.Open(t.Context(), p.bundle, rt); err != nil {
		t.Fatal(err)
	}
	defer p.model.Close()
	p.checkTokens(t)
	p.checkVision(t)
	p.checkText(t)
	p.checkMatch(t)
}

// TestCUDAStaging: what goes through pinned memory, whole, in part or not at
// all, comes out the same.
func TestCUDAStaging(t *testing.T) {
	dir, _ := convertAs(t, "hf-safetensors", bundle.FP16)
	var first [][]float32
	for _, limit := range []int64{-1, 0, 1 << 10, 300 << 10} {
		rt := openCUDA(t, ort.CUDA{Staging: limit})
		m, err := encoder.Open(t.Context(), dir, rt)
		if err != nil {
			t.Fatal(err)
		}
		f := readFixture(t, "hf-safetensors")
		px := readPixels(t, m, filepath.Join(f.dir, f.Pixels[0]))
		got, err := m.Images(t.Context(), slices.Repeat([]encoder.Pixels{px}, 8))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		first = append(first, got[7].Embedding)
		near(t, "embedding", got[7].Embedding, first[0], 1e-6)
	}
}

// TestCUDAMemory: a graph that the limit has no room for fails by name, and the
// device works on.
func TestCUDAMemory(t *testing.T) {
	dir, _ := convertAs(t, "hf-safetensors", bundle.FP32)
	rt := openCUDA(t, ort.CUDA{MemoryLimit: 1 << 20})
	m, err := encoder.Open(t.Context(), dir, rt)
	if err != nil {
		t.Fatal(err)
	}
	side := m.Manifest().Vision.Image
	_, err = m.Images(t.Context(), []encoder.Pixels{make(encoder.Pixels, 3*side*side)})
	t.Log(err)
	if !errors.Is(err, ort.ErrDeviceMemory) {
		t.Errorf("error %v, want ErrDeviceMemory", err)
	}
	if err := errors.Join(rt.Health(t.Context()), m.Close()); err != nil {
		t.Error(err)
	}
}

// TestCUDARuntime is the contract that every runtime keeps.
func TestCUDARuntime(t *testing.T) {
	openCUDA(t, ort.CUDA{}) // skip once, not for each rule
	encodertest.RunRuntime(t, func(t *testing.T) encoder.Runtime { return openCUDA(t, ort.CUDA{}) })
}
