package encoder_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/picture"
)

func TestOpenRefusals(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		ctx    context.Context
		edit   func(*bundle.Manifest)
		damage func(t *testing.T, dir string)
		want   string
	}{
		"ended ctx":          {ctx: cancelled, want: context.Canceled.Error()},
		"edited manifest":    {damage: func(t *testing.T, dir string) { replace(t, dir, bundle.ManifestFile, `"enc"`, `"cls"`) }, want: "edited"},
		"changed vocabulary": {damage: func(t *testing.T, dir string) { replace(t, dir, bundle.VocabularyFile, "red", "bed") }, want: "not the one"},
		"longer vocabulary":  {damage: func(t *testing.T, dir string) { replace(t, dir, bundle.VocabularyFile, "mug\n", "mug\njug\n") }, want: "not the one"},
		"no vocabulary": {damage: func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, bundle.VocabularyFile)); err != nil {
				t.Fatal(err)
			}
		}, want: "open vocabulary"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir, ctx := tinyBundle(t, func(*bundle.Manifest) {}), t.Context()
			if test.ctx != nil {
				ctx = test.ctx
			}
			if test.damage != nil {
				test.damage(t, dir)
			}
			_, err := encoder.Open(ctx, dir, &scripted{})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "open model") {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func replace(t *testing.T, dir, name, from, to string) {
	t.Helper()
	path := filepath.Join(dir, name)
	data, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(data), from) {
		t.Fatalf("%s has no %q (%v)", name, from, err)
	}
	writeFile(t, path, []byte(strings.Replace(string(data), from, to, 1)))
}

// TestTokenizerOfManifest: what the manifest says of texts is what happens.
func TestTokenizerOfManifest(t *testing.T) {
	dir := tinyBundle(t, func(m *bundle.Manifest) { m.Tokenizer.Lowercase, m.Tokenizer.MaxTokens, m.FirstToken = false, 4, "cls" })
	m, err := encoder.Open(t.Context(), dir, &scripted{})
	if err != nil {
		t.Fatal(err)
	}
	if q := m.Tokenize("Red red mug"); !slices.Equal(q.IDs, []int64{2, 1, 4, 3}) || q.Cut != 1 {
		t.Errorf("%+v, want an unknown word and one cut", q)
	}
	if m.FirstID(encoder.FirstCls) != 2 || m.FirstID(encoder.FirstEnc) != 9 {
		t.Errorf("first ids %d and %d", m.FirstID(encoder.FirstCls), m.FirstID(encoder.FirstEnc))
	}
}

func TestPixels(t *testing.T) {
	m, _ := tinyModel(t, nil)
	data, err := os.ReadFile("testdata/parity/pictures/rgb.png")
	if err != nil {
		t.Fatal(err)
	}
	px, err := m.Pixels(data)
	if err != nil || len(px) != 3*32*32 {
		t.Fatalf("%d values (%v)", len(px), err)
	}
	for i, v := range px { // mean 0, std 1: the picture itself
		if !(v >= 0 && v <= 1) {
			t.Fatalf("value %d is %g", i, v)
		}
	}
	var refused *picture.Error
	if _, err := m.Pixels(data[:len(data)/2]); !errors.As(err, &refused) {
		t.Errorf("error %v of half a picture is not a *picture.Error", err)
	}
}

func TestTensor(t *testing.T) {
	if n := (encoder.Tensor{}).Len(); n != 1 {
		t.Errorf("a scalar has %d elements", n)
	}
	if _, err := (encoder.Tensor{Name: "x", Shape: []int64{2}, Data: []float32{1}}).Float32s(); err == nil || !strings.Contains(err.Error(), "tensor x") {
		t.Errorf("error %v, want one with the tensor's name", err)
	}
	if v, err := floats("x", 0, 2, 3).Float32s(); err != nil || len(v) != 6 {
		t.Errorf("%v, %v", v, err)
	}
}

// onDevice is a runtime of that name.
type onDevice struct {
	scripted
	name string
}

func (r *onDevice) Device() string { return r.name }

// TestOpenInt8: an int8 bundle is refused on CUDA with what to do about it.
func TestOpenInt8(t *testing.T) {
	dir := tinyBundle(t, func(m *bundle.Manifest) { m.Precision = bundle.INT8 })
	_, err := encoder.Open(t.Context(), dir, &onDevice{name: "cuda:0"})
	if err == nil || !strings.Contains(err.Error(), "int8") || !strings.Contains(err.Error(), "--device cpu") {
		t.Errorf("on cuda:0: error %v, want one that names int8 and --device cpu", err)
	}
	if _, err := encoder.Open(t.Context(), dir, &onDevice{name: "cpu"}); err != nil {
		t.Errorf("on cpu: %v", err)
	}
}
