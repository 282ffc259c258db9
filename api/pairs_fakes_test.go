package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"sightline/api"
	"sightline/encoder"
	"sightline/encoder/picture"
	"sightline/rerank"
	"sightline/store"
	"sightline/store/fetch"
)

// eyes is a model whose pictures differ: the digit behind "and so on" is the
// patch state and makes the embedding. Box pictures have the states -1.
type eyes struct {
	*fakeModel

	mu      sync.Mutex
	decoded int
	boxes   []picture.Box
}

// dial is the unit vector whose cosine with [1, 0] is v/10.
func dial(v float32) []float32 {
	return []float32{v / 10, float32(math.Sqrt(1 - float64(v*v/100)))}
}

func (m *eyes) Pixels(data []byte) (encoder.Pixels, error) {
	m.mu.Lock()
	m.decoded++
	m.mu.Unlock()
	if _, err := m.fakeModel.Pixels(data); err != nil {
		return nil, err
	}
	return encoder.Pixels{float32(data[len(data)-1] - '0')}, nil
}

func (m *eyes) PixelsWithin(data []byte, box picture.Box) (encoder.Pixels, error) {
	m.boxes = append(m.boxes, box)
	return encoder.Pixels{-1}, nil
}

func (m *eyes) Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error) {
	if m.images != nil {
		if err := m.images(ctx); err != nil {
			return nil, err
		}
	}
	var out []encoder.Features
	for _, p := range batch {
		out = append(out, encoder.Features{Embedding: dial(p[0]), States: encoder.States{Tokens: 1, Width: 1, Float: []float32{p[0]}}})
	}
	return out, nil
}

// matchStates gives a picture its state as match logit.
type matchStates struct {
	hook func(ctx context.Context) error
}

func (m *matchStates) Match(ctx context.Context, _ encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	if m.hook != nil {
		if err := m.hook(ctx); err != nil {
			return nil, err
		}
	}
	out := make([]encoder.Logits, len(states))
	for i, s := range states {
		v := s.Float
		if v == nil {
			v = []float32{s.Dequantize().Float[0]}
		}
		out[i] = encoder.Logits{-1, v[0]}
	}
	return out, nil
}

// web is what addresses have; "down" and "late" in a name fail.
type web struct {
	mu  sync.Mutex
	got []string
}

func (f *web) Get(ctx context.Context, req fetch.Request) (fetch.Response, error) {
	f.mu.Lock()
	f.got = append(f.got, req.URL)
	f.mu.Unlock()
	fails := func(kind fetch.Kind) (fetch.Response, error) {
		return fetch.Response{}, &fetch.Error{Kind: kind, URL: req.URL, Err: errors.New("because of " + kind.String())}
	}
	switch {
	case strings.Contains(req.URL, "gone"):
		return fails(fetch.KindNotFound)
	case strings.Contains(req.URL, "inside"):
		return fails(fetch.KindRefused)
	case strings.Contains(req.URL, "down"):
		return fails(fetch.KindHostDown)
	case strings.Contains(req.URL, "late"):
		<-ctx.Done()
		return fetch.Response{}, ctx.Err()
	case strings.Contains(req.URL, "page"):
		return fetch.Response{Data: []byte("<html>")}, nil
	}
	return fetch.Response{Data: []byte(pngBytes + req.URL[len(req.URL)-1:])}, nil
}

// compared is a service with items a (logit 1), b (logit 2, cosine 0.9), c (no
// patch states) and pictures by address.
type compared struct {
	*service

	eyes    *eyes
	matcher *matchStates
	web     *web
	titles  *fakeTitles
}

func newCompared(t *testing.T) *compared {
	t.Helper()
	s := &compared{service: newService("a", "b", "c"), matcher: &matchStates{}, web: &web{}, titles: &fakeTitles{best: "0001"}}
	s.eyes = &eyes{fakeModel: s.model}
	for i, v := range []float32{5, 9, 8} {
		s.index.entries[i].Embedding = dial(v)
	}
	s.index.entries[0].Views = []store.View{{Picture: "side-a", Embedding: dial(7)}}
	s.engine.Texts, s.engine.Images, s.engine.Fetcher, s.engine.Titles = s.eyes, s.eyes, s.web, s.titles
	s.engine.States = firstStates{"hash-a": 9, "side-a": 1, "hash-b": 2}
	r := rerank.New(s.matcher, firstStates{}, rerank.Options{})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	s.engine.Reranker = r
	return s
}

func photo(digit int) string { return fmt.Sprintf("%s%d", pngBytes, digit) }

func b64(digit int) string { return base64.StdEncoding.EncodeToString([]byte(photo(digit))) }

type rerankOut struct {
	ID, Object, Model string
	Results           []struct {
		Index          int
		RelevanceScore float64 `json:"relevance_score"`
		Document       *struct{ Text, ID string }
		Score, ITC     float64
		ITMLogit       *float64 `json:"itm_logit"`
		View           int
	}
	Usage struct {
		PromptTokens int `json:"prompt_tokens"`
		TotalTokens  int `json:"total_tokens"`
	}
	Meta struct {
		APIVersion struct{ Version string } `json:"api_version"`
	}
	Rerank api.Look
}

func (o rerankOut) order() string {
	var all []string
	for _, r := range o.Results {
		all = append(all, fmt.Sprint(r.Index))
	}
	return strings.Join(all, " ")
}

func readAnswer[T any](t *testing.T, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return v
}

func (s *compared) rerank(t *testing.T, body string) rerankOut {
	t.Helper()
	return readAnswer[rerankOut](t, s.do("POST", "/v1/rerank", "application/json", body))
}
