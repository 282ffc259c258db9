package encoder_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"sightline/encoder"
	"sightline/encoder/bundle"
)

// TestRefusedBeforeRunning: what does not fit the model never reaches a graph.
func TestRefusedBeforeRunning(t *testing.T) {
	m, r := tinyModel(t, nil)
	ok := m.Tokenize("red")
	tooLong := encoder.Query{IDs: make([]int64, 9)}
	good, broken, other := tinyStates(0), tinyStates(0), encoder.States{Tokens: 5, Width: 1, Float: make([]float32, 5)}
	broken.Float = broken.Float[1:]
	px := make(encoder.Pixels, 3*32*32)
	tests := map[string]struct {
		run  func(ctx context.Context) error
		want []string
	}{
		"text too long": {func(ctx context.Context) error { _, err := m.Texts(ctx, []encoder.Query{ok, tooLong}); return err }, []string{"text 1", "9 tokens", "1 to 8"}},
		"text empty":    {func(ctx context.Context) error { _, err := m.Texts(ctx, []encoder.Query{{}}); return err }, []string{"text 0", "0 tokens"}},
		"match too long": {
			func(ctx context.Context) error { _, err := m.Match(ctx, tooLong, []encoder.States{good}); return err },
			[]string{"match", "9 tokens"},
		},
		"states broken": {
			func(ctx context.Context) error {
				_, err := m.Match(ctx, ok, []encoder.States{good.Quantize(), broken})
				return err
			},
			[]string{"picture 1", "319 float32", "[5,64]"},
		},
		"states of another model": {
			func(ctx context.Context) error { _, err := m.Match(ctx, ok, []encoder.States{other}); return err },
			[]string{"picture 0", "[5,1]", "[5,64]", "another model"},
		},
		"texts of another model's picture": {
			func(ctx context.Context) error { _, err := m.MatchTexts(ctx, other, []encoder.Query{ok}); return err },
			[]string{"match texts", "another model"},
		},
		"texts too long": {
			func(ctx context.Context) error {
				_, err := m.MatchTexts(ctx, good, []encoder.Query{tooLong})
				return err
			},
			[]string{"match texts", "text 0"},
		},
		"pixels short": {
			func(ctx context.Context) error { _, err := m.Images(ctx, []encoder.Pixels{px, px[1:]}); return err },
			[]string{"picture 1", "3071 values", "3072"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.run(t.Context())
			for _, part := range test.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error %v, want %q in it", err, part)
				}
			}
		})
	}
	if len(r.runs) != 0 {
		t.Errorf("ran %v", r.runs)
	}
}

// TestBrokenAnswers: whatever a graph answers, each pass returns an error that
// names itself and nothing panics.
func TestBrokenAnswers(t *testing.T) {
	passes := map[string]func(ctx context.Context, m *encoder.Model) error{
		"embed texts": func(ctx context.Context, m *encoder.Model) error {
			_, err := m.Texts(ctx, []encoder.Query{m.Tokenize("red")})
			return err
		},
		"embed pictures": func(ctx context.Context, m *encoder.Model) error {
			_, err := m.Images(ctx, []encoder.Pixels{make(encoder.Pixels, 3*32*32)})
			return err
		},
		"match": func(ctx context.Context, m *encoder.Model) error {
			_, err := m.Match(ctx, m.Tokenize("red"), []encoder.States{tinyStates(0)})
			return err
		},
		"match texts": func(ctx context.Context, m *encoder.Model) error {
			_, err := m.MatchTexts(ctx, tinyStates(0), []encoder.Query{m.Tokenize("red")})
			return err
		},
	}
	failed := errors.New("device lost")
	answers := map[string]struct {
		out []encoder.Tensor
		err error
	}{
		"error":         {nil, failed},
		"nothing":       {nil, nil},
		"no shape":      {[]encoder.Tensor{{Name: "x", Data: []float32{1, 2, 3}}, {Name: "y"}}, nil},
		"no data":       {[]encoder.Tensor{{Name: "x", Shape: []int64{1, 2}}, {Name: "y", Shape: []int64{1, 5, 64}}}, nil},
		"another type":  {[]encoder.Tensor{{Name: "x", Shape: []int64{1, 2}, Data: []int64{1, 2}}, zeros("y", 1, 5, 64)}, nil},
		"lying shape":   {[]encoder.Tensor{{Name: "x", Shape: []int64{1, 2}, Data: []float32{1}}, zeros("y", 1, 5, 64)}, nil},
		"negative":      {[]encoder.Tensor{{Name: "x", Shape: []int64{-1, -2}, Data: []float32{}}, zeros("y", 1, 5, 64)}, nil},
		"other numbers": {[]encoder.Tensor{zeros("x", 1, 3), zeros("y", 1, 5, 64)}, nil},
	}
	for name, answer := range answers {
		for pass, run := range passes {
			t.Run(name+"/"+pass, func(t *testing.T) {
				m, _ := tinyModel(t, func(bundle.Graph, map[string]encoder.Tensor) ([]encoder.Tensor, error) { return answer.out, answer.err })
				err := run(t.Context(), m)
				if err == nil || !strings.HasPrefix(err.Error(), pass+": ") {
					t.Errorf("error %v, want one that begins with %q", err, pass)
				}
				if answer.err != nil && !errors.Is(err, answer.err) {
					t.Errorf("error %v does not wrap the session's", err)
				}
			})
		}
	}
	m, _ := tinyModel(t, func(bundle.Graph, map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		return []encoder.Tensor{zeros("embedding", 1, 2), zeros("states", 1, 5, 32)}, nil
	})
	if err := passes["embed pictures"](t.Context(), m); err == nil || !strings.Contains(err.Error(), "tensor states") {
		t.Errorf("states of half the width: %v", err)
	}
}

// TestNaNPasses: a NaN is the store's and the re-ranker's to refuse; here it
// must neither vanish nor become a number.
func TestNaNPasses(t *testing.T) {
	nan := float32(math.NaN())
	m, _ := tinyModel(t, func(g bundle.Graph, _ map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		return []encoder.Tensor{{Name: "x", Shape: []int64{1, 2}, Data: []float32{nan, nan}}}, nil
	})
	e, err := m.Texts(t.Context(), []encoder.Query{m.Tokenize("red")})
	if err != nil || e[0][0] == e[0][0] {
		t.Errorf("embedding %v (%v), want NaN", e, err)
	}
	l, err := m.Match(t.Context(), m.Tokenize("red"), []encoder.States{tinyStates(0)})
	if err != nil || l[0].Match() == l[0].Match() || !math.IsNaN(l[0].Probability()) {
		t.Errorf("logits %v (%v), want NaN", l, err)
	}
	s := tinyStates(0)
	s.Float[70] = nan
	if q := s.Quantize(); q.Scale[1] == q.Scale[1] {
		t.Error("a NaN state was quantised to a number")
	}
}

func TestWarmNamesStage(t *testing.T) {
	for graph, want := range map[bundle.Graph]string{
		bundle.GraphText: "warm up text", bundle.GraphVision: "warm up vision", bundle.GraphMatchInt8: "warm up match",
	} {
		m, _ := tinyModel(t, func(g bundle.Graph, _ map[string]encoder.Tensor) ([]encoder.Tensor, error) {
			if g == graph {
				return nil, errors.New("no memory")
			}
			return []encoder.Tensor{zeros("embedding", 1, 2), zeros("states", 1, 5, 64)}, nil
		})
		if err := m.Warm(t.Context(), false); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), string(graph)) {
			t.Errorf("error %v, want one with %q and %s", err, want, graph)
		}
	}
}

func TestCloseNamesGraph(t *testing.T) {
	m, r := tinyModel(t, func(bundle.Graph, map[string]encoder.Tensor) ([]encoder.Tensor, error) {
		return []encoder.Tensor{zeros("embedding", 1, 2)}, nil
	})
	if _, err := m.Texts(t.Context(), []encoder.Query{m.Tokenize("red")}); err != nil {
		t.Fatal(err)
	}
	r.closeError = errors.New("busy")
	if err := m.Close(); !errors.Is(err, r.closeError) || !strings.Contains(err.Error(), "close graph text") {
		t.Errorf("error %v, want the session's with the graph's name", err)
	}
	for name, run := range map[string]func() error{
		"texts": func() error { _, err := m.Texts(t.Context(), []encoder.Query{m.Tokenize("red")}); return err },
		"images": func() error {
			_, err := m.Images(t.Context(), []encoder.Pixels{make(encoder.Pixels, 3072)})
			return err
		},
		"match": func() error {
			_, err := m.Match(t.Context(), m.Tokenize("red"), []encoder.States{tinyStates(0)})
			return err
		},
	} {
		if err := run(); !errors.Is(err, encoder.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}
