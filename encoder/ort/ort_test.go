//go:build cgo

package ort_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/encoder/encodertest"
	"sightline/encoder/ort"
)

// openRuntime opens ONNX Runtime on the CPU, or ends the test for lack of it.
func openRuntime(t testing.TB) encoder.Runtime {
	t.Helper()
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		encodertest.Missing(t, "onnxruntime", err)
	}
	rt, err := ort.New(ort.Options{Library: library})
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

func TestRuntime(t *testing.T) {
	encodertest.RunRuntime(t, func(t *testing.T) encoder.Runtime { return openRuntime(t) })
}

func TestFindLibrary(t *testing.T) {
	cache := t.TempDir()
	mine := filepath.Join(t.TempDir(), "mine.so")
	fetched := filepath.Join(cache, "sightline", "onnxruntime-"+ort.Version, "libonnxruntime.so")
	for _, path := range []string{mine, fetched} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		env  map[string]string
		want string
		err  string // a part of the message
	}{
		"one's own":         {env: map[string]string{ort.LibraryVariable: mine}, want: mine},
		"one's own, absent": {env: map[string]string{ort.LibraryVariable: mine + "x", "XDG_CACHE_HOME": cache}, err: ort.LibraryVariable},
		"a folder":          {env: map[string]string{ort.LibraryVariable: cache}, err: "folder"},
		"fetched":           {env: map[string]string{"XDG_CACHE_HOME": cache}, want: fetched},
		"none":              {env: map[string]string{"XDG_CACHE_HOME": t.TempDir()}, err: "make runtime"},
		"no home":           {env: nil, err: ort.LibraryVariable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ort.FindLibrary(func(k string) string { return test.env[k] })
			if got != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want one with %q", err, test.err)
			}
		})
	}
}

// TestDevices has no CUDA library to load: asked for, it is an error that names
// the fix; as a wish, the CPU is taken.
func TestDevices(t *testing.T) {
	openRuntime(t)
	library, err := ort.FindLibrary(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if rt, err := ort.New(ort.Options{Library: library, Device: "auto"}); err != nil {
		t.Errorf("auto: %v", err)
	} else if d := rt.Device(); d != "cpu" && d != "cuda:0" {
		t.Errorf("auto took %s", d)
	}
	for _, device := range []string{"cuda:99", "gpu", "cuda:-1", "cpu:1"} {
		if _, err := ort.New(ort.Options{Library: library, Device: device}); err == nil {
			t.Errorf("device %q was accepted", device)
		} else if !strings.Contains(err.Error(), "cpu") {
			t.Errorf("device %q: %v: does not name a way out", device, err)
		}
	}
}
