package encoder_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

const tinyVocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nred\nblue\nmug\n##s\n"

// tinyManifest is a model of 5 patch tokens and one head, whose cross-attention
// is absorbed up to 5 text tokens.
func tinyManifest(t *testing.T, dir string) bundle.Manifest {
	t.Helper()
	vocabulary, err := bundle.Stamp(filepath.Join(dir, bundle.VocabularyFile))
	if err != nil {
		t.Fatal(err)
	}
	return bundle.Manifest{
		Format: bundle.Format, Family: "blip", Task: "retrieval", Precision: "fp32", Embedding: 2, FirstToken: "enc",
		Vision:    bundle.Vision{Image: 32, Patch: 16, Width: 64, Layers: 1, Heads: 1, MLP: 64, Eps: 1e-6},
		Text:      bundle.Text{Vocabulary: 10, Positions: 8, Width: 64, Layers: 1, Heads: 1, MLP: 64, Eps: 1e-12},
		Pixels:    bundle.Pixels{Std: [3]float32{1, 1, 1}},
		Tokenizer: bundle.Tokenizer{Lowercase: true, MaxTokens: 6, Unk: 1, Cls: 2, Sep: 3, Dec: 8, Enc: 9},
		Files:     map[string]bundle.File{bundle.WeightsFile: {SHA256: "w"}, bundle.VocabularyFile: vocabulary},
	}
}

// tinyBundle writes a model folder without weights, for runtimes that read none.
func tinyBundle(t *testing.T, edit func(*bundle.Manifest)) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, bundle.VocabularyFile), []byte(tinyVocabulary))
	m := tinyManifest(t, dir)
	edit(&m)
	var err error
	if m.Fingerprint, err = m.Identity(); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, bundle.ManifestFile), data)
	return dir
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// scripted is a runtime whose graphs answer by a function.
type scripted struct {
	answer     func(graph bundle.Graph, in map[string]encoder.Tensor) ([]encoder.Tensor, error)
	load       func(ctx context.Context, graph bundle.Graph) error // nil: at once
	closeError error

	mu    sync.Mutex
	runs  []bundle.Graph
	loads []bundle.Graph
	ended []bundle.Graph // sessions closed
}

func (r *scripted) Device() string { return "scripted" }
func (r *scripted) Close() error   { return errors.New("the model must not close its runtime") }

func (r *scripted) Load(ctx context.Context, path string) (encoder.Session, error) {
	graph := bundle.Graph(strings.TrimSuffix(filepath.Base(path), ".onnx"))
	r.mu.Lock()
	r.loads = append(r.loads, graph)
	r.mu.Unlock()
	if r.load != nil {
		if err := r.load(ctx, graph); err != nil {
			return nil, err
		}
	}
	return scriptedSession{r, graph}, nil
}

type scriptedSession struct {
	*scripted
	graph bundle.Graph
}

func (s scriptedSession) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, s.graph)
	return s.closeError
}

func (s scriptedSession) Run(_ context.Context, in ...encoder.Tensor) ([]encoder.Tensor, error) {
	s.mu.Lock()
	s.runs = append(s.runs, s.graph)
	s.mu.Unlock()
	named := map[string]encoder.Tensor{}
	for _, t := range in {
		t.Data = joined(t.Data)
		named[t.Name] = t
	}
	return s.answer(s.graph, named)
}

// joined is what a runtime makes of pieces.
func joined(data any) any {
	switch v := data.(type) {
	case [][]float32:
		return slices.Concat(v...)
	case [][]int8:
		return slices.Concat(v...)
	}
	return data
}

// tinyModel opens a tiny bundle on a runtime that answers by answer.
func tinyModel(t *testing.T, answer func(bundle.Graph, map[string]encoder.Tensor) ([]encoder.Tensor, error)) (*encoder.Model, *scripted) {
	t.Helper()
	r := &scripted{answer: answer}
	m, err := encoder.Open(t.Context(), tinyBundle(t, func(*bundle.Manifest) {}), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m, r
}

// floats is a tensor of the values 0, 1, 2, … plus first.
func floats(name string, first float32, shape ...int64) encoder.Tensor {
	t := zeros(name, shape...)
	for i := range t.Data.([]float32) {
		t.Data.([]float32)[i] = first + float32(i)
	}
	return t
}

func wantTensor(t *testing.T, got encoder.Tensor, want encoder.Tensor) {
	t.Helper()
	if got.Name != want.Name || !slices.Equal(got.Shape, want.Shape) {
		t.Errorf("tensor %s %v, want %s %v", got.Name, got.Shape, want.Name, want.Shape)
	}
	same := false
	switch w := want.Data.(type) {
	case []int64:
		g, _ := got.Data.([]int64)
		same = slices.Equal(g, w)
	case []int8:
		g, _ := got.Data.([]int8)
		same = slices.Equal(g, w)
	case []float32:
		g, _ := got.Data.([]float32)
		same = slices.Equal(g, w)
	}
	if !same {
		t.Errorf("tensor %s holds %v, want %v", want.Name, got.Data, want.Data)
	}
}

// tinyStates are fp32 states [5,64] of the values first, first+1, ….
func tinyStates(first float32) encoder.States {
	return encoder.States{Tokens: 5, Width: 64, Float: floats("", first, 5, 64).Data.([]float32)}
}
