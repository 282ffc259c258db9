// Package ort runs graphs on ONNX Runtime, on the CPU or on a CUDA device. It
// is the only package that imports onnxruntime_go and the only one that needs
// cgo; built without cgo it compiles and New returns ErrNoCgo.
package ort

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Version is the release of ONNX Runtime that scripts/get-onnxruntime.sh
// fetches and that the measurements in docs/ were made with. Minimum is the
// oldest one whose C API the Go binding accepts.
const (
	Version = "1.30.0"
	Minimum = "1.24"
)

// ErrNotFound is wrapped by FindLibrary when there is no library.
var ErrNotFound = errors.New("ONNX Runtime not found")

// LibraryVariable is the environment variable that points at one's own library.
const LibraryVariable = "SIGHTLINE_ORT_LIB"

// FindLibrary returns the path of the ONNX Runtime library: the file that
// SIGHTLINE_ORT_LIB names, else the one in the cache folder that
// 'make runtime' fills. getenv is os.Getenv or a test's own.
func FindLibrary(getenv func(string) string) (string, error) {
	if path := getenv(LibraryVariable); path != "" {
		if err := isFile(path); err != nil {
			return "", fmt.Errorf("%w: %s=%s: %w", ErrNotFound, LibraryVariable, path, err)
		}
		return path, nil
	}
	dir, err := CacheDir(getenv)
	if err != nil {
		return "", fmt.Errorf("%w: no cache folder (%w): set %s to the path of %s, %s or newer", ErrNotFound, err, LibraryVariable, libraryFile(), Minimum)
	}
	// 1.24.4 is what the script takes where only the upstream release can be had.
	for _, version := range []string{Version, "1.24.4"} {
		path := filepath.Join(dir, "onnxruntime-"+version, libraryFile())
		if isFile(path) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w in %s: run 'make runtime', or set %s to the path of %s, %s or newer", ErrNotFound, dir, LibraryVariable, libraryFile(), Minimum)
}

func isFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return pe.Err
		}
		return err
	}
	if info.IsDir() {
		return errors.New("is a folder; name the library file in it")
	}
	return nil
}

// CacheDir is the folder of what the scripts and programs download; an error where
// the environment names none.
func CacheDir(getenv func(string) string) (string, error) {
	if dir := getenv("SIGHTLINE_CACHE_DIR"); dir != "" {
		return dir, nil
	}
	if dir := getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "sightline"), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", errors.New("HOME is not set")
	}
	return filepath.Join(home, ".cache", "sightline"), nil
}

func libraryFile() string {
	switch runtime.GOOS {
	case "darwin":
		return "libonnxruntime.dylib"
	case "windows":
		return "onnxruntime.dll"
	}
	return "libonnxruntime.so"
}
