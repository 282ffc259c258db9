package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"sightline/api"
	"sightline/encoder"
	"sightline/store"
	"sightline/store/features"
)

// fakeExplainer gives each token but the first and last a word of its own,
// whose map lies in the cell of its place.
type fakeExplainer struct {
	hook   func(ctx context.Context) error
	states encoder.States
	layers []int
}

func (x *fakeExplainer) Explain(ctx context.Context, q encoder.Query, s encoder.States, o encoder.ExplainOptions) (encoder.Explanation, error) {
	x.states, x.layers = s, o.Layers
	if x.hook != nil {
		if err := x.hook(ctx); err != nil {
			return encoder.Explanation{}, err
		}
	}
	e := encoder.Explanation{Logits: encoder.Logits{-1, 2}, Rows: 2, Cols: 2, Layers: []int{7}}
	for i, id := range q.IDs[1 : len(q.IDs)-1] {
		grid := [][]float32{{0, 0}, {0, 0}}
		grid[i/2%2][i%2] = 1
		e.Words = append(e.Words, encoder.Word{Text: "w" + string(rune('0'+i)), IDs: []int64{id}, Tokens: []string{"w"}, Share: 0.5, Grid: grid})
	}
	return e, nil
}

func (x *fakeExplainer) Probability(encoder.Logits) float64 { return 0.75 }

type fakeStates map[string]features.Record

func (s fakeStates) Get(_ context.Context, key string) (features.Record, bool, error) {
	if key == "hash-broken" {
		return features.Record{}, false, errors.New("damaged")
	}
	r, ok := s[key]
	return r, ok, nil
}

// explainService has an item "a" with a second picture, whose patch states are
// stored, and an item "broken" whose states are not.
func explainService(t *testing.T) (*service, *fakeExplainer) {
	t.Helper()
	var buf bytes.Buffer
	if err := png.Encode(&buf, image.NewNRGBA(image.Rect(0, 0, 8, 4))); err != nil {
		t.Fatal(err)
	}
	s, x := newService("a", "broken", "bare"), &fakeExplainer{}
	s.index.entries[0].Embedding = []float32{0.25, 0}
	s.index.entries[0].Views = []store.View{{Picture: "hash-back", Embedding: []float32{0.5, 0}}}
	s.index.entries[2].Picture = ""
	s.engine.Explainer = x
	s.engine.States = fakeStates{"hash-a": {Tokens: 1}, "hash-back": {Tokens: 2}}
	s.opts.Pictures = fakePictures{"hash-a": buf.Bytes(), "hash-back": buf.Bytes(), "hash-broken": buf.Bytes()}
	return s, x
}

func (s *service) explain(body string) *httptest.ResponseRecorder {
	return s.do(http.MethodPost, "/v1/explain", "application/json", body)
}

// explained is the answer as a client sees it.
type explained struct {
	ID          string
	View        int
	ITC         float64
	Logit       float64 `json:"itm_logit"`
	Probability float64 `json:"match_probability"`
	Score       float64
	Words       []struct {
		Word   string
		Index  int
		Tokens []string
		Share  float64
		Grid   [][]float64
	}
	Rows, Cols int
	Layers     []int
	Model      string
	RequestID  string `json:"request_id"`
}

func readExplained(t *testing.T, w *httptest.ResponseRecorder) explained {
	t.Helper()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, %v: %s", w.Code, w.Header(), w.Body)
	}
	dec := json.NewDecoder(w.Body)
	dec.DisallowUnknownFields()
	var e explained
	if err := dec.Decode(&e); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e explained) words() string {
	var all []string
	for _, w := range e.Words {
		all = append(all, w.Word)
	}
	return strings.Join(all, " ")
}

func TestExplainAnswer(t *testing.T) {
	s, x := explainService(t)
	e := readExplained(t, s.explain(`{"text": "red shoe sole", "id": "a", "layers": [3, 4]}`))
	if e.ID != "a" || e.ITC != 0.25 || e.Logit != 2 || e.Score != 2.25 || e.Probability != 0.75 || e.Model != fingerprint || e.RequestID != "test-1" {
		t.Errorf("%+v", e)
	}
	if e.words() != "w0 w1 w2" || e.Rows != 2 || e.Cols != 2 || len(e.Layers) != 1 || e.Words[2].Index != 2 || e.Words[2].Grid[1][0] != 1 || e.Words[2].Share != 0.5 {
		t.Errorf("%+v", e)
	}
	if x.states.Tokens != 1 || len(x.layers) != 2 {
		t.Errorf("read states %+v with layers %v", x.states, x.layers)
	}
	back := readExplained(t, s.explain(`{"text": "red", "id": "a", "view": 1}`))
	if back.ITC != 0.5 || back.View != 1 || x.states.Tokens != 2 {
		t.Errorf("the second picture: %+v, states %+v", back, x.states)
	}
}

// TestExplainWord: by place, by spelling, and a run of words.
func TestExplainWord(t *testing.T) {
	s, _ := explainService(t)
	for word, want := range map[string]string{`1`: "w1", `"SHOE"`: "w1", `"white sole"`: "w3 w4", `"red"`: "w0", `null`: "w0 w1 w2 w3 w4"} {
		if got := readExplained(t, s.explain(`{"text":"red shoe with white sole","id":"a","word":`+word+`}`)).words(); got != want {
			t.Errorf("word %s: %q, want %q", word, got, want)
		}
	}
}

// TestExplainRecomputes: a picture without stored states, or with damaged ones,
// is encoded anew.
func TestExplainRecomputes(t *testing.T) {
	s, x := explainService(t)
	for _, states := range []api.StateSource{fakeStates{}, nil} {
		s.engine.States, x.states = states, encoder.States{Tokens: 9}
		readExplained(t, s.explain(`{"text":"red","id":"broken"}`))
		if x.states.Tokens != 0 { // as the fake vision tower makes them
			t.Errorf("states %+v", x.states)
		}
	}
	s.opts.Pictures = fakePictures{}
	if p := readProblem(t, s.explain(`{"text":"red","id":"broken"}`)); p.Status != http.StatusNotFound {
		t.Errorf("neither states nor picture: %+v", p)
	}
	s.opts.Pictures = fakePictures{"hash-broken": []byte("text")}
	if p := readProblem(t, s.explain(`{"text":"red","id":"broken"}`)); p.Code != "internal" || !strings.Contains(p.Detail, "stored picture") || len(p.Errors) != 0 {
		t.Errorf("a damaged picture: %+v", p)
	}
}

func TestExplainPNG(t *testing.T) {
	s, _ := explainService(t)
	h := s.handler()
	ask := func(accept, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/v1/explain", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	overlay := func(accept, body string) image.Image {
		w := ask(accept, body)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "image/png" {
			t.Fatalf("%s: status %d, %v", body, w.Code, w.Header())
		}
		img, err := png.Decode(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	img := overlay("", `{"text":"red shoe","id":"a","word":0,"format":"png"}`)
	if img.Bounds() != image.Rect(0, 0, 768, 384) {
		t.Errorf("size %v", img.Bounds())
	}
	near, _, _, _ := img.At(192, 96).RGBA()
	far, _, _, _ := img.At(576, 288).RGBA()
	if near <= far {
		t.Errorf("the word's cell has %d, the one across %d", near, far)
	}
	overlay("image/png, */*", `{"text":"red shoe","id":"a"}`)
	overlay("application/json", `{"text":"red shoe","id":"a","format":"png"}`)
	for _, accept := range []string{"", "*/*", "application/json, image/png"} {
		readExplained(t, ask(accept, `{"text":"red shoe","id":"a"}`))
	}
	readExplained(t, ask("image/png", `{"text":"red shoe","id":"a","format":"json"}`))
}

// TestExplainRefuses: all problems at once, and those of the item and the words
// when they are known.
func TestExplainRefuses(t *testing.T) {
	s, _ := explainService(t)
	for body, want := range map[string]string{
		`{}`: "text id",
		`{"text":" ","id":"a","view":20,"word":"","format":"gif","deadline_ms":1,"layers":"all","txt":1}`: "word layers txt text view format deadline_ms",
		`{"text":"red","id":"a","word":true}`:     "word",
		`{"text":"red","id":"a","word":1.5}`:      "word",
		`{"text":"red","id":"a","text":"blue"}`:   "text",
		`{"text":"red\u0000","id":"a"}`:           "text",
		`{"text":"...","id":"a"}`:                 "text",
		`{"text":"red","id":"nobody"}`:            "id",
		`{"text":"red","id":"a","view":2}`:        "view",
		`{"text":"red shoe","id":"a","word":2}`:   "word",
		`{"text":"red shoe","id":"a","word":-1}`:  "word",
		`{"text":"red","id":"a","word":"blue"}`:   "word",
		`{"text":"red","id":"a","word":"red a"}`:  "word",
		`{"text":"red shoe","id":"a","word":"."}`: "word",
	} {
		w := s.explain(body)
		p := readProblem(t, w)
		fields := map[string]bool{}
		for _, f := range p.Errors {
			fields[f.Field] = true
		}
		for name := range strings.FieldsSeq(want) {
			if !fields[name] {
				t.Errorf("%s: %s is not reported: %+v", body, name, p.Errors)
			}
		}
		if p.Status != http.StatusUnprocessableEntity || len(fields) != len(strings.Fields(want)) {
			t.Errorf("%s: %+v", body, p)
		}
	}
	for body, code := range map[string]string{
		``: "malformed", `[]`: "malformed", `{"text":`: "malformed", "{\"text\":\"\xff\"}": "malformed",
		`{"text":"red","id":"bare"}`:                     "not_found",
		`{"text":"` + strings.Repeat("x", 70_000) + `"}`: "too_large",
	} {
		if p := readProblem(t, s.explain(body)); p.Code != code {
			t.Errorf("%.40s: %+v, want %s", body, p, code)
		}
	}
	if p := readProblem(t, s.do(http.MethodPost, "/v1/explain", "text/plain", `{}`)); p.Code != "media_type" {
		t.Errorf("%+v", p)
	}
	if p := readProblem(t, s.do(http.MethodGet, "/v1/explain", "", "")); p.Code != "method" {
		t.Errorf("%+v", p)
	}
}

func TestExplainModelErrors(t *testing.T) {
	s, x := explainService(t)
	for want, err := range map[string]error{
		"unsupported": encoder.ErrNoExplain, "unavailable": encoder.ErrClosed, "internal": errors.New("secret"),
		"invalid": &encoder.LayerError{Layer: 12, Layers: 12},
	} {
		x.hook = func(context.Context) error { return err }
		if p := readProblem(t, s.explain(`{"text":"red","id":"a"}`)); p.Code != want || strings.Contains(p.Detail, "secret") {
			t.Errorf("%v: %+v, want %s", err, p, want)
		}
	}
	s.engine.Explainer = nil
	if p := readProblem(t, s.explain(`{"text":"red","id":"a"}`)); p.Code != "unsupported" {
		t.Errorf("without an explainer: %+v", p)
	}
}

// TestExplainBusy: an explanation takes the slot of a search.
func TestExplainBusy(t *testing.T) {
	s, x := explainService(t)
	s.opts.MaxSearches = 1
	entered, leave := make(chan struct{}), make(chan struct{})
	x.hook = func(context.Context) error { close(entered); <-leave; return nil }
	h := s.handler()
	const body = `{"text":"red","id":"a"}`
	var under sync.WaitGroup
	under.Go(func() {
		if w := serve(h, http.MethodPost, "/v1/explain", "application/json", strings.NewReader(body)); w.Code != http.StatusOK {
			t.Errorf("within the limit: status %d", w.Code)
		}
	})
	<-entered
	if w := serve(h, http.MethodGet, "/v1/search?q=red", "", nil); w.Code != http.StatusTooManyRequests {
		t.Errorf("a search beside it: status %d", w.Code)
	}
	if p := readProblem(t, serve(h, http.MethodPost, "/v1/explain", "application/json", strings.NewReader(body))); p.Code != "busy" {
		t.Errorf("a second one: %+v", p)
	}
	close(leave)
	under.Wait()
	x.hook = nil
	readExplained(t, serve(h, http.MethodPost, "/v1/explain", "application/json", strings.NewReader(body)))
}

func TestExplainDeadline(t *testing.T) {
	s, x := explainService(t)
	x.hook = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	if p := readProblem(t, s.explain(`{"text":"red","id":"a","deadline_ms":50}`)); p.Code != "deadline" {
		t.Errorf("%+v", p)
	}
}

// FuzzExplain: no body makes the decoder panic or answer with 500.
func FuzzExplain(f *testing.F) {
	for _, body := range []string{
		`{"text":"red shoe","id":"a","word":"shoe"}`, `{"text":"red","id":"a","word":0,"layers":[1],"view":1,"format":"png"}`,
		`{"word":1e999}`, `{"word":[1]}`, `{"layers":[1.5]}`, `{"id":null,"text":null}`, `{"word":"\ud800"}`,
	} {
		f.Add(body)
	}
	s := newService("a")
	s.engine.Explainer = &fakeExplainer{}
	s.engine.States = fakeStates{"hash-a": {Tokens: 1}}
	h := s.handler()
	f.Fuzz(func(t *testing.T, body string) {
		w := serve(h, http.MethodPost, "/v1/explain", "application/json", strings.NewReader(body))
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%q: status %d: %s", body, w.Code, w.Body)
		}
		if w.Code == http.StatusOK {
			var e explained
			if err := json.NewDecoder(w.Body).Decode(&e); err != nil && !errors.Is(err, io.EOF) || math.IsNaN(e.Score) {
				t.Errorf("%q: %v", body, err)
			}
		}
	})
}
