package bundle_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder/bundle"
)

// base is a manifest of BLIP-base's shape whose fingerprint fits.
func base(t testing.TB) bundle.Manifest {
	t.Helper()
	m := bundle.Manifest{
		Format: bundle.Format, Family: "blip", Task: "retrieval", Precision: "fp32", Embedding: 256, FirstToken: "enc",
		Vision:    bundle.Vision{Image: 384, Patch: 16, Width: 768, Layers: 12, Heads: 12, MLP: 3072, Eps: 1e-5},
		Text:      bundle.Text{Vocabulary: 30524, Positions: 512, Width: 768, Layers: 12, Heads: 12, MLP: 3072, Eps: 1e-12},
		Pixels:    bundle.Pixels{Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.5, 0.5, 0.5}},
		Tokenizer: bundle.Tokenizer{MaxTokens: 35, Unk: 100, Cls: 101, Sep: 102, Dec: 30522, Enc: 30523},
		Files:     map[string]bundle.File{bundle.WeightsFile: {Bytes: 1, SHA256: "w"}, bundle.VocabularyFile: {Bytes: 1, SHA256: "v"}},
	}
	return sealed(t, m)
}

// sealed sets the fingerprint that fits.
func sealed(t testing.TB, m bundle.Manifest) bundle.Manifest {
	t.Helper()
	var err error
	if m.Fingerprint, err = m.Identity(); err != nil {
		t.Fatal(err)
	}
	return m
}

func encode(t testing.TB, m bundle.Manifest) []byte {
	t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParse(t *testing.T) {
	m, err := bundle.Parse(encode(t, base(t)))
	if err != nil {
		t.Fatal(err)
	}
	if m.Vision.Tokens() != 577 || m.Fingerprint != base(t).Fingerprint {
		t.Errorf("manifest %+v", m)
	}
	tests := map[string]struct {
		edit func(m *bundle.Manifest)
		seal bool // with a fingerprint that fits, so that only the edit is wrong
		want string
	}{
		"edited":        {func(m *bundle.Manifest) { m.Vision.Eps = 1e-6 }, false, "edited"},
		"format":        {func(m *bundle.Manifest) { m.Format = 2 }, true, "format 2"},
		"family":        {func(m *bundle.Manifest) { m.Family = "clip" }, true, "clip"},
		"precision":     {func(m *bundle.Manifest) { m.Precision = "int4" }, true, "int4"},
		"zero":          {func(m *bundle.Manifest) { m.Text.Layers = 0 }, true, "text.layers"},
		"negative":      {func(m *bundle.Manifest) { m.Vision.Width = -768 }, true, "vision.width"},
		"enormous":      {func(m *bundle.Manifest) { m.Vision.Image = 1 << 30 }, true, "vision.image"},
		"std":           {func(m *bundle.Manifest) { m.Pixels.Std[1] = 0 }, true, "pixels.std"},
		"too many":      {func(m *bundle.Manifest) { m.Tokenizer.MaxTokens = 513 }, true, "max_tokens"},
		"special token": {func(m *bundle.Manifest) { m.Tokenizer.Enc = 30524 }, true, "30524"},
		"first token":   {func(m *bundle.Manifest) { m.FirstToken = "dec" }, true, "first_token"},
		"file outside":  {func(m *bundle.Manifest) { m.Files["../x"] = bundle.File{} }, true, "../x"},
		"no weights":    {func(m *bundle.Manifest) { delete(m.Files, bundle.WeightsFile) }, false, bundle.WeightsFile},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := base(t)
			test.edit(&m)
			if test.seal {
				m = sealed(t, m)
			}
			_, err := bundle.Parse(encode(t, m))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	for _, text := range []string{"", "[]", `{"format":1}`, `{"format":1,"unknown":2}`, strings.Repeat(" ", 1<<20) + "{}"} {
		if _, err := bundle.Parse([]byte(text)); err == nil {
			t.Errorf("%.20q was accepted", text)
		}
	}
}

func TestReadMissing(t *testing.T) {
	dir := t.TempDir()
	_, err := bundle.Read(dir)
	if err == nil || !strings.Contains(err.Error(), "indexd model convert") || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want one that names the folder and the fix", err)
	}
}

// TestVerify names every file that is missing or differs.
func TestVerify(t *testing.T) {
	dir := t.TempDir()
	m := base(t)
	for _, name := range []string{"same", "changed", "shorter", "gone"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("bytes of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
		stamp, err := bundle.Stamp(path)
		if err != nil {
			t.Fatal(err)
		}
		m.Files[name] = stamp
	}
	delete(m.Files, bundle.WeightsFile)
	delete(m.Files, bundle.VocabularyFile)
	if err := bundle.Verify(t.Context(), dir, m); err != nil {
		t.Errorf("as written: %v", err)
	}
	for name, text := range map[string]string{"changed": "Bytes of changed", "shorter": "bytes"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "gone")); err != nil {
		t.Fatal(err)
	}
	err := bundle.Verify(t.Context(), dir, m)
	for _, name := range []string{"changed", "shorter", "gone"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "same") {
		t.Errorf("an unchanged file is named: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := bundle.Verify(ctx, dir, m); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

// TestAbsorbLimit holds the figures worked out for the published sizes.
func TestAbsorbLimit(t *testing.T) {
	large := base(t)
	large.Vision.Width = 1024
	tiny := base(t)
	tiny.Vision = bundle.Vision{Image: 64, Patch: 8, Width: 128}
	tiny.Text.Width, tiny.Text.Heads = 128, 2
	none := base(t)
	none.Text.Heads, none.Vision.Width, none.Text.Width = 1, 64, 1024
	for name, test := range map[string]struct {
		m    bundle.Manifest
		want int
	}{"base": {base(t), 62}, "large": {large, 61}, "tiny": {tiny, 43}, "never projected": {none, math.MaxInt}} {
		if got := test.m.AbsorbLimit(); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(f, base(f)))
	f.Add(encode(f, writer(f, bundle.Captioning)))
	f.Add([]byte(`{"format":1,"files":{"..":{}}}`))
	f.Add([]byte(`{"format":1,"vision":{"image":9223372036854775807,"patch":1}}`))
	f.Add([]byte(`{"format":1e99}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := bundle.Parse(data)
		if err != nil {
			return
		}
		if id, err := m.Identity(); err != nil || id != m.Fingerprint || m.AbsorbLimit() < 0 || m.Vision.Tokens() < 2 {
			t.Errorf("accepted %+v (%v)", m, err)
		}
	})
}
