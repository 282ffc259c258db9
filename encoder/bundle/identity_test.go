package bundle_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder/bundle"
)

// TestIdentity: whatever changes an embedding, a patch state or a logit changes
// the fingerprint, and nothing else does.
func TestIdentity(t *testing.T) {
	file := func(name, sum string) func(*bundle.Manifest) {
		return func(m *bundle.Manifest) { m.Files[name] = bundle.File{Bytes: 1, SHA256: sum} }
	}
	changes := map[string]func(m *bundle.Manifest){
		"nothing":     func(*bundle.Manifest) {},
		"weights":     file(bundle.WeightsFile, "w2"),
		"vocabulary":  file(bundle.VocabularyFile, "v2"),
		"family":      func(m *bundle.Manifest) { m.Family = "blip2" },
		"precision":   func(m *bundle.Manifest) { m.Precision = "fp16" },
		"first token": func(m *bundle.Manifest) { m.FirstToken = "cls" },
		"image":       func(m *bundle.Manifest) { m.Vision.Image = 224 },
		"vision eps":  func(m *bundle.Manifest) { m.Vision.Eps = 1e-6 },
		"text eps":    func(m *bundle.Manifest) { m.Text.Eps = 1e-6 },
		"text heads":  func(m *bundle.Manifest) { m.Text.Heads = 8 },
		"mean":        func(m *bundle.Manifest) { m.Pixels.Mean[2] = 0.51 },
		"std":         func(m *bundle.Manifest) { m.Pixels.Std[0] = 0.51 },
		"clean":       func(m *bundle.Manifest) { m.Tokenizer.Clean = true },
		"lowercase":   func(m *bundle.Manifest) { m.Tokenizer.Lowercase = true },
		"max tokens":  func(m *bundle.Manifest) { m.Tokenizer.MaxTokens = 36 },
		"enc":         func(m *bundle.Manifest) { m.Tokenizer.Enc = 30522 },
	}
	seen := map[string]string{}
	for name, change := range changes {
		m := base(t)
		change(&m)
		id := sealed(t, m).Fingerprint
		if other, ok := seen[id]; ok {
			t.Errorf("%s and %s have one fingerprint", name, other)
		}
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
			t.Errorf("%s: fingerprint %q is not 32 hex digits", name, id)
		}
		seen[id] = name
	}
	same := base(t)
	same.Source = bundle.Source{Path: "x", Layout: "original", Weights: "y.pth", Licence: "mit", Notes: []string{"n"}}
	same.Graphs = []bundle.Graph{bundle.GraphText}
	file(bundle.GraphText.File(), "another way to compute it")(&same)
	if id := sealed(t, same).Fingerprint; seen[id] != "nothing" {
		t.Error("source or graphs change the fingerprint: an index would be lost for nothing")
	}
}

// TestParseRest goes on where TestParse ends.
func TestParseRest(t *testing.T) {
	numbers := map[string]func(m *bundle.Manifest){
		"embedding":       func(m *bundle.Manifest) { m.Embedding = 1 << 20 },
		"vision.patch":    func(m *bundle.Manifest) { m.Vision.Patch = 385 },
		"vision.image":    func(m *bundle.Manifest) { m.Vision.Image = 4097 },
		"vision.layers":   func(m *bundle.Manifest) { m.Vision.Layers = 257 },
		"vision.heads":    func(m *bundle.Manifest) { m.Vision.Heads = 0 },
		"text.width":      func(m *bundle.Manifest) { m.Text.Width = 1 << 62 },
		"text.heads":      func(m *bundle.Manifest) { m.Text.Heads = -12 },
		"text.positions":  func(m *bundle.Manifest) { m.Text.Positions = 1 << 40 },
		"text.vocabulary": func(m *bundle.Manifest) { m.Text.Vocabulary = -1 },
		"max_tokens":      func(m *bundle.Manifest) { m.Tokenizer.MaxTokens = 2 },
		"id -1":           func(m *bundle.Manifest) { m.Tokenizer.Pad = -1 },
		"captioning":      func(m *bundle.Manifest) { m.Task = "captioning" },
	}
	for name, edit := range numbers {
		m := base(t)
		edit(&m)
		if _, err := bundle.Parse(encode(t, sealed(t, m))); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v does not name it", name, err)
		}
	}
	for _, name := range []string{"", ".", "..", "../weights", "/etc/passwd", "a/b", "./x", "x/"} {
		m := base(t)
		m.Files[name] = bundle.File{}
		if _, err := bundle.Parse(encode(t, m)); err == nil || !strings.Contains(err.Error(), "leaves the folder") {
			t.Errorf("file %q: %v", name, err)
		}
	}
	good := encode(t, base(t))
	texts := map[string][]byte{
		"unknown field":     bytes.Replace(good, []byte(`"family"`), []byte(`"kind":1,"family"`), 1),
		"unknown in vision": bytes.Replace(good, []byte(`"patch"`), []byte(`"stride":1,"patch"`), 1),
		"a second value":    append(append([]byte{}, good...), '1'),
		"cut":               good[:len(good)-1],
		"a number as text":  bytes.Replace(good, []byte(`"image":384`), []byte(`"image":"384"`), 1),
		"infinite":          bytes.Replace(good, []byte(`"eps":`), []byte(`"eps":1e999,"eps":`), 1),
		"too large":         append(append([]byte{}, good...), bytes.Repeat([]byte(" "), 1<<20)...),
	}
	for name, text := range texts {
		if bytes.Equal(text, good) {
			t.Fatalf("%s: nothing was changed", name)
		}
		if m, err := bundle.Parse(text); err == nil || m.Fingerprint != "" {
			t.Errorf("%s was accepted (%v)", name, err)
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, bundle.ManifestFile)
	pretty, err := json.MarshalIndent(base(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pretty, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := bundle.Read(dir)
	if err != nil || m.Fingerprint != base(t).Fingerprint || m.Text != base(t).Text {
		t.Errorf("manifest %+v (%v)", m, err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte(" "), 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Read(dir); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a huge manifest: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Read(dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a folder as manifest: %v", err)
	}
}
