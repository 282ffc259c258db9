//go:build cgo && !windows

package ort

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	onnx "github.com/yalue/onnxruntime_go"

	"sightline/encoder/encodertest"
)

// TestOptionsPointer notices an update of the Go binding that keeps its session
// options in another form: graphs would still run, without our operators.
func TestOptionsPointer(t *testing.T) {
	library, err := FindLibrary(os.Getenv)
	if err != nil {
		encodertest.Missing(t, "onnxruntime", err)
	}
	if err := initialise(library); err != nil {
		t.Fatal(err)
	}
	so, err := onnx.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	if p, err := optionsPointer(so); err != nil || p == nil {
		t.Errorf("pointer %v, error %v", p, err)
	}
	if err := so.Destroy(); err != nil {
		t.Fatal(err)
	}
	if _, err := optionsPointer(so); err == nil {
		t.Error("options that were freed have a pointer")
	}
	if _, err := openOperators(library+".other", 1); err == nil || !strings.Contains(err.Error(), "not the library in use") {
		t.Errorf("operators of another library: error %v", err)
	}
}

// TestOrtAPI compiles ortapi.h beside the header that the Go binding comes with.
func TestOrtAPI(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Skipf("the module's folder: %v", err)
	}
	cc, err := exec.CommandContext(t.Context(), "go", "env", "CC").Output()
	if err != nil {
		t.Fatal(err)
	}
	compiler := strings.Fields(string(cc))
	compiler = append(compiler, "-fsyntax-only", "-I"+strings.TrimSpace(string(dir)), "testdata/ortapi.c")
	out, err := exec.CommandContext(t.Context(), compiler[0], compiler[1:]...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no C compiler: %v", err)
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
