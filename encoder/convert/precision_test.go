package convert_test

import (
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder/bundle"
	"sightline/encoder/convert"
	"sightline/encoder/convert/checkpoint"
)

// TestHalfBundle: a float16 bundle is another model to an index, holds the same
// tensors in half the bytes, and each rounded by no more than float16 does.
func TestHalfBundle(t *testing.T) {
	full, exact := converted(t, sample, convert.Options{})
	dir, half := converted(t, sample, convert.Options{Precision: bundle.FP16})
	if half.Precision != bundle.FP16 || half.Fingerprint == exact.Fingerprint {
		t.Errorf("precision %s, fingerprint %s, that of fp32 %s", half.Precision, half.Fingerprint, exact.Fingerprint)
	}
	if err := bundle.Verify(t.Context(), dir, half); err != nil {
		t.Error(err)
	}
	a, b := openWeights(t, full), openWeights(t, dir)
	for _, name := range a.Names() {
		x, y := floatsOf(t, a, name), floatsOf(t, b, name)
		for i := range x {
			if off := x[i] - y[i]; off > 0x1p-11*max(x[i], -x[i])+0x1p-25 || -off > 0x1p-11*max(x[i], -x[i])+0x1p-25 {
				t.Fatalf("%s: value %d is %g, in fp32 %g", name, i, y[i], x[i])
			}
		}
	}
	if n := half.Files[bundle.WeightsFile].Bytes; n > exact.Files[bundle.WeightsFile].Bytes*51/100 {
		t.Errorf("weights of %d bytes, in fp32 %d", n, exact.Files[bundle.WeightsFile].Bytes)
	}
}

func openWeights(t *testing.T, dir string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.Open(filepath.Join(dir, bundle.WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func floatsOf(t *testing.T, c *checkpoint.Checkpoint, name string) []float32 {
	t.Helper()
	tensor, ok := c.Tensor(name)
	if !ok {
		t.Fatalf("no tensor %s", name)
	}
	v, err := tensor.Float32s()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestFormForCUDA: an fp32 bundle has a form of the int8 match for CUDA beside
// it; all graphs of an fp16 one are for CUDA.
func TestFormForCUDA(t *testing.T) {
	for precision, want := range map[string]bool{bundle.FP32: true, bundle.FP16: false} {
		_, m := converted(t, sample, convert.Options{Precision: precision})
		for name := range m.Files {
			if strings.HasSuffix(name, bundle.CUDASuffix) != (name == "match_int8.cuda.onnx") {
				t.Errorf("%s: file %s", precision, name)
			}
		}
		if _, ok := m.Files["match_int8.cuda.onnx"]; ok != want {
			t.Errorf("%s: form for CUDA is there: %v", precision, ok)
		}
	}
}

// TestFormForKernels: what runs on a CPU has a form of the int8 match for our own
// operators beside it, and an int8 bundle one of the vision tower and of one picture with texts.
func TestFormForKernels(t *testing.T) {
	for precision, want := range map[string]bool{bundle.FP32: true, bundle.INT8: true, bundle.FP16: false} {
		_, m := converted(t, sample, convert.Options{Precision: precision})
		if _, ok := m.Files["match_int8"+bundle.KernelSuffix]; ok != want {
			t.Errorf("%s: the form is there: %v", precision, ok)
		}
		for _, name := range []bundle.Graph{bundle.GraphVision, bundle.GraphMatchTexts} {
			if _, ok := m.Files[string(name)+bundle.KernelSuffix]; ok != (precision == bundle.INT8) {
				t.Errorf("%s: the form of %s is there: %v", precision, name, ok)
			}
		}
	}
}

// TestInt8Bundle: an int8 bundle is another model to an index, the same one each
// time, and stores less than half.
func TestInt8Bundle(t *testing.T) {
	_, exact := converted(t, sample, convert.Options{})
	dir, m := converted(t, sample, convert.Options{Precision: bundle.INT8})
	if m.Precision != bundle.INT8 || m.Fingerprint == exact.Fingerprint {
		t.Errorf("precision %s, fingerprint %s, that of fp32 %s", m.Precision, m.Fingerprint, exact.Fingerprint)
	}
	if err := bundle.Verify(t.Context(), dir, m); err != nil {
		t.Error(err)
	}
	if _, ok := m.Files["match_int8.cuda.onnx"]; ok {
		t.Error("a form for CUDA, which cannot run the other graphs")
	}
	if n := m.Files[bundle.WeightsFile].Bytes; n > exact.Files[bundle.WeightsFile].Bytes/2 {
		t.Errorf("weights of %d bytes, in fp32 %d", n, exact.Files[bundle.WeightsFile].Bytes)
	}
	_, again := converted(t, sample, convert.Options{Precision: bundle.INT8})
	if again.Fingerprint != m.Fingerprint {
		t.Errorf("a second conversion gives fingerprint %s, the first %s", again.Fingerprint, m.Fingerprint)
	}
}
