package encoder_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"sightline/encoder"
	"sightline/encoder/bundle"
	"sightline/encoder/convert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeRuntime answers every graph with outputs of the right shape, made of
// numbers that say what came in, and remembers the inputs.
type fakeRuntime struct {
	loads   atomic.Int32
	fail    error         // of the next load
	gate    chan struct{} // where set, loads of vision wait for it
	corrupt func(graph string, out []encoder.Tensor) []encoder.Tensor
	last    sync.Map // graph -> []encoder.Tensor
	closed  atomic.Int32
}

func (r *fakeRuntime) Device() string { return "fake" }
func (r *fakeRuntime) Close() error   { return nil }

func (r *fakeRuntime) Load(ctx context.Context, path string) (encoder.Session, error) {
	r.loads.Add(1)
	if err := r.fail; err != nil {
		r.fail = nil
		return nil, err
	}
	graph := strings.TrimSuffix(filepath.Base(path), ".onnx")
	if r.gate != nil && graph == string(bundle.GraphVision) {
		select {
		case <-r.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &fakeSession{runtime: r, graph: graph}, nil
}

type fakeSession struct {
	runtime *fakeRuntime
	graph   string
}

func (s *fakeSession) Close() error { s.runtime.closed.Add(1); return nil }

// The small model of the samples: 65 tokens of 128, embedding 64.
const (
	tokens    = 65
	width     = 128
	embedding = 64
)

func (s *fakeSession) Run(ctx context.Context, in ...encoder.Tensor) ([]encoder.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.runtime.last.Store(s.graph, in)
	b := in[0].Shape[0]
	var out []encoder.Tensor
	switch bundle.Graph(s.graph) {
	case bundle.GraphVision:
		out = []encoder.Tensor{zeros("embedding", b, embedding), zeros("states", b, tokens, width)}
	case bundle.GraphText:
		out = []encoder.Tensor{zeros("embedding", b, embedding)}
	case bundle.GraphImageKV:
		out = []encoder.Tensor{zeros("keys", 3, 2, 64, tokens), zeros("values", 3, 2, tokens, 64)}
	default:
		rows := b
		if bundle.Graph(s.graph) == bundle.GraphMatchTexts {
			rows = in[slices.IndexFunc(in, func(t encoder.Tensor) bool { return t.Name == "ids" })].Shape[0]
		}
		out = []encoder.Tensor{zeros("logits", rows, 2)}
		for i := range out[0].Data.([]float32) {
			out[0].Data.([]float32)[i] = float32(i)
		}
	}
	if s.runtime.corrupt != nil {
		out = s.runtime.corrupt(s.graph, out)
	}
	return out, nil
}

func zeros(name string, shape ...int64) encoder.Tensor {
	t := encoder.Tensor{Name: name, Shape: shape}
	t.Data = make([]float32, t.Len())
	return t
}

// input is what the graph was last given under that name.
func (r *fakeRuntime) input(t *testing.T, g bundle.Graph, name string) encoder.Tensor {
	t.Helper()
	in, ok := r.last.Load(string(g))
	if !ok {
		t.Fatalf("graph %s was not run", g)
	}
	for _, v := range in.([]encoder.Tensor) {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("graph %s has no input %s", g, name)
	return encoder.Tensor{}
}

func openFake(t *testing.T, r *fakeRuntime) *encoder.Model {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "m")
	if _, err := convert.Convert(t.Context(), "../demo/samples/model", dir, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	m, err := encoder.Open(t.Context(), dir, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func int8States(n int) []encoder.States {
	s := make([]encoder.States, n)
	for i := range s {
		s[i] = encoder.States{Tokens: tokens, Width: width, Float: make([]float32, tokens*width)}.Quantize()
	}
	return s
}

func floatStates(n int) []encoder.States {
	s := int8States(n)
	for i := range s {
		s[i] = s[i].Dequantize()
	}
	return s
}

// TestPadding: short texts are filled with [PAD], lengths say how much counts,
// and the callers' ids stay as they were.
func TestPadding(t *testing.T) {
	r := &fakeRuntime{}
	m := openFake(t, r)
	queries := []encoder.Query{m.Tokenize("red mug"), m.Tokenize("a blue mug with a white handle"), m.Tokenize("")}
	before := slices.Clone(queries[0].IDs)
	if _, err := m.Texts(t.Context(), queries); err != nil {
		t.Fatal(err)
	}
	ids, lengths := r.input(t, bundle.GraphText, "ids"), r.input(t, bundle.GraphText, "lengths")
	if !slices.Equal(ids.Shape, []int64{3, 9}) || !slices.Equal(lengths.Data.([]int64), []int64{4, 9, 2}) {
		t.Errorf("ids %v, lengths %v", ids.Shape, lengths.Data)
	}
	k := m.Manifest().Tokenizer
	row := ids.Data.([]int64)[:9]
	if row[0] != k.Cls || row[3] != k.Sep || row[4] != k.Pad || row[8] != k.Pad {
		t.Errorf("row %v", row)
	}
	if _, err := m.Match(t.Context(), queries[0], int8States(2)); err != nil {
		t.Fatal(err)
	}
	if got := r.input(t, bundle.GraphMatchInt8, "ids").Data.([]int64)[0]; got != k.Enc {
		t.Errorf("first token of the match pass is %d, want [ENC] %d", got, k.Enc)
	}
	if _, err := m.MatchFirst(t.Context(), encoder.FirstCls, queries[0], floatStates(1)); err != nil {
		t.Fatal(err)
	}
	if got := r.input(t, bundle.GraphMatch, "ids").Data.([]int64)[0]; got != k.Cls {
		t.Errorf("first token is %d, want [CLS] %d", got, k.Cls)
	}
	if !slices.Equal(queries[0].IDs, before) {
		t.Errorf("the caller's ids became %v", queries[0].IDs)
	}
}

func TestMatch(t *testing.T) {
	r := &fakeRuntime{}
	m := openFake(t, r)
	got, err := m.Match(t.Context(), m.Tokenize("red mug"), int8States(3))
	if err != nil || !slices.Equal(got, []encoder.Logits{{0, 1}, {2, 3}, {4, 5}}) {
		t.Errorf("%v %v", got, err)
	}
	if s := r.input(t, bundle.GraphMatchInt8, "mean").Shape; !slices.Equal(s, []int64{3, width}) {
		t.Errorf("mean %v", s)
	}
	got, err = m.MatchTexts(t.Context(), int8States(1)[0], []encoder.Query{m.Tokenize("a"), m.Tokenize("red mug")})
	if err != nil || len(got) != 2 {
		t.Errorf("%v %v", got, err)
	}
	if _, err := m.Match(t.Context(), m.Tokenize("red mug"), append(int8States(2), floatStates(1)...)); err != nil {
		t.Errorf("int8 and fp32 states together: %v", err)
	}
	if s := r.input(t, bundle.GraphMatch, "states").Shape; !slices.Equal(s, []int64{3, tokens, width}) {
		t.Errorf("mixed states %v", s)
	}
	for name, none := range map[string]func() (int, error){
		"texts":    func() (int, error) { v, err := m.Texts(t.Context(), nil); return len(v), err },
		"pictures": func() (int, error) { v, err := m.Images(t.Context(), nil); return len(v), err },
		"match":    func() (int, error) { v, err := m.Match(t.Context(), m.Tokenize("a"), nil); return len(v), err },
	} {
		if n, err := none(); n != 0 || err != nil {
			t.Errorf("%s of nothing: %d, %v", name, n, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	r := &fakeRuntime{}
	m := openFake(t, r)
	q := m.Tokenize("red mug")
	wrong := encoder.States{Tokens: 2, Width: 2, Float: make([]float32, 4)}
	tests := map[string]struct {
		run  func() error
		want string
	}{
		"wrong states":  {func() error { _, err := m.Match(t.Context(), q, []encoder.States{wrong}); return err }, "another model"},
		"empty states":  {func() error { _, err := m.Match(t.Context(), q, make([]encoder.States, 1)); return err }, "0 tokens"},
		"wrong pixels":  {func() error { _, err := m.Images(t.Context(), []encoder.Pixels{make(encoder.Pixels, 5)}); return err }, "5 values"},
		"long text":     {func() error { _, err := m.Texts(t.Context(), []encoder.Query{{IDs: make([]int64, 17)}}); return err }, "17 tokens"},
		"no tokens":     {func() error { _, err := m.Match(t.Context(), encoder.Query{}, int8States(1)); return err }, "0 tokens"},
		"not a picture": {func() error { _, err := m.Pixels([]byte("GIF89a")); return err }, "GIF"},
	}
	for name, test := range tests {
		if err := test.run(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
}

// TestWrongOutputs: a graph that answers in another shape is an error.
func TestWrongOutputs(t *testing.T) {
	for name, corrupt := range map[string]func(string, []encoder.Tensor) []encoder.Tensor{
		"none":  func(string, []encoder.Tensor) []encoder.Tensor { return nil },
		"short": func(_ string, out []encoder.Tensor) []encoder.Tensor { return []encoder.Tensor{zeros("x", 1)} },
		"int64": func(_ string, out []encoder.Tensor) []encoder.Tensor {
			for i := range out {
				out[i].Data = make([]int64, out[i].Len())
			}
			return out
		},
	} {
		m := openFake(t, &fakeRuntime{corrupt: corrupt})
		q := m.Tokenize("red")
		_, e1 := m.Texts(t.Context(), []encoder.Query{q})
		_, e2 := m.Images(t.Context(), []encoder.Pixels{make(encoder.Pixels, 3*64*64)})
		_, e3 := m.Match(t.Context(), q, int8States(1))
		if e1 == nil || e2 == nil || e3 == nil {
			t.Errorf("%s: errors %v, %v, %v", name, e1, e2, e3)
		}
	}
}

func TestLoad(t *testing.T) {
	r := &fakeRuntime{}
	m := openFake(t, r)
	q := []encoder.Query{m.Tokenize("red")}
	broken := errors.New("no memory")
	r.fail = broken
	if _, err := m.Texts(t.Context(), q); !errors.Is(err, broken) {
		t.Errorf("error %v, want the load's", err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := m.Texts(t.Context(), q); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := r.loads.Load(); n != 2 {
		t.Errorf("%d loads, want the failed one and one more", n)
	}
	if err := errors.Join(m.Close(), m.Close()); err != nil || r.closed.Load() != 1 {
		t.Errorf("closed %d sessions (%v)", r.closed.Load(), err)
	}
	if _, err := m.Texts(t.Context(), q); !errors.Is(err, encoder.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestSlowLoad: while one graph loads, graphs that are there answer, and a
// caller that waits for the load can leave.
func TestSlowLoad(t *testing.T) {
	r := &fakeRuntime{gate: make(chan struct{})}
	m := openFake(t, r)
	q := []encoder.Query{m.Tokenize("red")}
	if _, err := m.Texts(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := m.Images(t.Context(), []encoder.Pixels{make(encoder.Pixels, 3*64*64)})
		done <- err
	}()
	for r.loads.Load() < 2 {
	}
	if _, err := m.Texts(t.Context(), q); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Match(ctx, q[0], int8States(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	close(r.gate)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWarm(t *testing.T) {
	r := &fakeRuntime{}
	m := openFake(t, r)
	if err := m.Warm(t.Context(), false); err != nil || r.loads.Load() != 3 {
		t.Errorf("%d loads (%v), want text, vision and match", r.loads.Load(), err)
	}
	r.input(t, bundle.GraphMatchInt8, "scale")
	if err := m.Warm(t.Context(), true); err != nil || r.loads.Load() != 4 {
		t.Errorf("%d loads (%v), want the fp32 match too", r.loads.Load(), err)
	}
	if m.Device() != "fake" || len(m.Fingerprint()) != 32 {
		t.Errorf("device %s, fingerprint %s", m.Device(), m.Fingerprint())
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := encoder.Open(t.Context(), t.TempDir(), &fakeRuntime{}); err == nil || !strings.Contains(err.Error(), "model convert") {
		t.Errorf("an empty folder: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "m")
	if _, err := convert.Convert(t.Context(), "../demo/samples/model", dir, convert.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, bundle.VocabularyFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := encoder.Open(t.Context(), dir, &fakeRuntime{}); err == nil || !strings.Contains(err.Error(), "vocabulary") {
		t.Errorf("no vocabulary: %v", err)
	}
}

func TestProbability(t *testing.T) {
	for l, want := range map[encoder.Logits]float64{
		{0, 0}: 0.5, {-1, 1}: 1 / (1 + math.Exp(-2)), {1e4, -1e4}: 0, {-1e4, 1e4}: 1, {3e38, -3e38}: 0,
	} {
		if got := l.Probability(); math.Abs(got-want) > 1e-12 || l.Match() != l[1] {
			t.Errorf("%v: %g, want %g", l, got, want)
		}
	}
}
