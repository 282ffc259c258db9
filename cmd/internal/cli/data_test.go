package cli_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/encoder/bundle"
	"sightline/encoder/ort"
	"sightline/store"
	"sightline/store/features"
)

var testModel = bundle.Manifest{Fingerprint: "aaaa", Embedding: 4}

func inFolder(dir string, log *slog.Logger) cli.Env {
	return cli.Env{Settings: cli.Settings{Data: dir}, Log: log}
}

func openData(t *testing.T, dir string, log *slog.Logger) *cli.Data {
	t.Helper()
	d, err := cli.OpenData(t.Context(), inFolder(dir, log), testModel, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func closeData(t *testing.T, d *cli.Data) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenDataMakesTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there")
	closeData(t, openData(t, dir, slog.New(slog.DiscardHandler)))
	for _, name := range []string{"current", "models/aaaa/catalogue.db", "models/aaaa/features", "pictures"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestOpenDataErrors: every refusal names the folder and a way out, and leaves
// nothing locked behind.
func TestOpenDataErrors(t *testing.T) {
	silent := slog.New(slog.DiscardHandler)
	other := testModel
	other.Fingerprint = "bbbb"
	cases := map[string]struct {
		spoil func(t *testing.T, dir string)
		model bundle.Manifest
		is    error
		want  string
	}{
		"another model": {model: other, is: store.ErrFingerprint, want: "indexd collection build"},
		"patch states of another model": {model: testModel, is: store.ErrFingerprint, want: "new --data folder", spoil: func(t *testing.T, dir string) {
			writeFile(t, filepath.Join(dir, "models", "aaaa", "features", "meta.json"), `{"format":1,"fingerprint":"cccc"}`)
		}},
		"pictures is a file": {model: testModel, want: "pictures", spoil: func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "pictures")); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(dir, "pictures"), "")
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "shop")
			closeData(t, openData(t, dir, silent))
			if c.spoil != nil {
				c.spoil(t, dir)
			}
			for range 2 {
				_, err := cli.OpenData(t.Context(), inFolder(dir, silent), c.model, nil)
				if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("error %v, want %s and %q in it", err, dir, c.want)
				}
				if c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("error %v does not wrap %v", err, c.is)
				}
			}
		})
	}
}

func TestOpenDataOnceAtATime(t *testing.T) {
	dir := t.TempDir()
	silent := slog.New(slog.DiscardHandler)
	first := openData(t, dir, silent)
	_, err := cli.OpenData(t.Context(), inFolder(dir, silent), testModel, nil)
	if err == nil || !strings.Contains(err.Error(), "another Sightline program") {
		t.Errorf("second open: %v", err)
	}
	closeData(t, first)
	closeData(t, openData(t, dir, silent))
}

func TestOpenDataInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := cli.OpenData(ctx, inFolder(t.TempDir(), slog.New(slog.DiscardHandler)), testModel, nil)
	if code := cli.ExitCode(err); code != cli.ExitInterrupted {
		t.Errorf("exit code %d for %v", code, err)
	}
}

// TestOpenDataSaysWhatWasRepaired cuts the last patch states in half, as a
// power cut does.
func TestOpenDataSaysWhatWasRepaired(t *testing.T) {
	dir := t.TempDir()
	d := openData(t, dir, slog.New(slog.DiscardHandler))
	key := strings.Repeat("ab", 32)
	record := features.Record{Tokens: 2, Width: 3, Float: []float32{1, 2, 3, 4, 5, 6}}
	if err := d.Features.Put(t.Context(), key, record); err != nil {
		t.Fatal(err)
	}
	closeData(t, d)
	segments, err := filepath.Glob(filepath.Join(dir, "models", "aaaa", "features", "*.seg*"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("no segments: %v", err)
	}
	info, err := os.Stat(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(segments[0], info.Size()-3); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	closeData(t, openData(t, dir, slog.New(slog.NewTextHandler(&log, nil))))
	if s := log.String(); !strings.Contains(s, "indexd repair") || !strings.Contains(s, "cut_bytes=") {
		t.Errorf("log %q", s)
	}
}

func TestOpenModelWithoutLibrary(t *testing.T) {
	_, _, err := cli.OpenModel(t.Context(), cli.Settings{}, []string{"SIGHTLINE_CACHE_DIR=" + t.TempDir()}, slog.New(slog.DiscardHandler))
	if !errors.Is(err, ort.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	if s := err.Error(); !strings.Contains(s, "make runtime") || strings.Contains(s, "\n") {
		t.Errorf("%q does not name the fix on one line", s)
	}
}
