package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sightline/api"
	"sightline/encoder"
	"sightline/encoder/decode"
	"sightline/encoder/writer"
	"sightline/store/cache"
)

// pen writes what it is asked to: the picture's state, the prompt and the options
// that matter.
type pen struct {
	calls atomic.Int64
	err   error
	hold  func(ctx context.Context) error
}

func (p *pen) Caption(ctx context.Context, s encoder.States, prompt string, o decode.Options) (encoder.Generated, error) {
	p.calls.Add(1)
	if p.hold != nil {
		if err := p.hold(ctx); err != nil {
			return encoder.Generated{}, err
		}
	}
	g := encoder.Generated{Text: fmt.Sprintf("%sthing %g", prompt, s.Float[0]), LogProb: -1.5, IDs: []int64{1, 2, 102}, Tokens: make([]encoder.Token, 2)}
	for i := 1; i < o.Returns; i++ {
		g.Others = append(g.Others, encoder.Generated{Text: fmt.Sprintf("other %d, seed %d", i, o.Seed), LogProb: -2, Tokens: make([]encoder.Token, 1)})
	}
	return g, p.err
}

func (p *pen) Answer(ctx context.Context, s encoder.States, question encoder.Query, o decode.Options) (encoder.Generated, error) {
	return p.Caption(ctx, s, fmt.Sprintf("%d words, ", len(question.IDs)-2), o)
}

// thinker is the model behind the pen.
type thinker struct{ *fakeModel }

func (thinker) Writing() (string, decode.Options) {
	o := decode.Defaults()
	o.Beams, o.MinLength = 3, 5
	return "a picture of ", o
}

func (thinker) RankAnswers(_ context.Context, s encoder.States, _ encoder.Query, answers []string, k int) ([]encoder.RankedAnswer, error) {
	var all []encoder.RankedAnswer
	for i, a := range answers {
		all = append([]encoder.RankedAnswer{{Index: i, Text: a, Score: -float64(s.Float[0]) / float64(i+1)}}, all...)
	}
	return all[:min(k, len(all))], nil
}

type authored struct {
	*compared

	pen     *pen
	mu      sync.Mutex
	written []api.Written
}

func newAuthored(t *testing.T) *authored {
	t.Helper()
	s := &authored{compared: newCompared(t), pen: &pen{}}
	a := &api.Author{Images: s.eyes, Model: thinker{s.model}, Pen: s.pen, Fingerprint: "sha256:author", Longest: 30, Observe: func(_ string, w api.Written) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.written = append(s.written, w)
	}}
	s.engine.Captioner, s.engine.Answerer = a, a
	s.opts.Pictures = fakePictures{"hash-a": []byte(photo(4)), "hash-c": []byte(photo(6))}
	return s
}

type textOut struct {
	Text           string
	LogProbability float64 `json:"log_probability"`
	IDs            []int64
	Logit          *float64 `json:"itm_logit"`
	Probability    *float64 `json:"match_probability"`
}

type captionsOut struct {
	Captions []struct {
		Index int
		textOut

		Others []textOut
	}
	Prompt, Model string
	Seed          *uint64
	Match         *api.Part
	Cached        bool
}

func (s *authored) captions(t *testing.T, body string) captionsOut {
	t.Helper()
	return readAnswer[captionsOut](t, s.do("POST", "/v1/captions", "application/json", body))
}

// TestCaptions: pictures of every form, each read with its caption by the model that
// searches.
func TestCaptions(t *testing.T) {
	s := newAuthored(t)
	out := s.captions(t, `{"images":[{"id":"a"},{"base64":"`+b64(7)+`"},"https://shop.example/8",{"base64":"`+b64(7)+`","box":[0,0,0.5,1]},{"id":"c"}],"ids":true}`)
	if len(out.Captions) != 5 || out.Prompt != "a picture of " || out.Model != "sha256:author" || out.Seed != nil || out.Cached {
		t.Fatalf("%+v", out)
	}
	for i, want := range []string{"4", "7", "8", "-1", "6"} {
		c := out.Captions[i]
		if c.Index != i || c.Text != "a picture of thing "+want || c.LogProbability != -1.5 || len(c.IDs) != 3 {
			t.Errorf("caption %d: %+v", i, c)
		}
		if read := i != 4; (c.Probability != nil) != read {
			t.Errorf("caption %d has the probability %v; item c has no patch states", i, c.Probability)
		}
	}
	if out.Match == nil || out.Match.Scored != 4 || out.Match.Of != 5 || out.Match.Stopped != "missing" {
		t.Errorf("match %+v", out.Match)
	}
	if len(s.written) != 5 || s.written[0].Tokens != 2 {
		t.Errorf("observed %+v", s.written)
	}
	one := s.captions(t, `{"image":{"id":"a"},"prompt":"red","match":false,"samples":3,"seed":18446744073709551615,"top_p":0.9}`)
	if c := one.Captions[0]; c.Text != "redthing 4" || len(c.Others) != 2 || c.Others[1].Text != "other 2, seed 18446744073709551615" || c.IDs != nil || one.Match != nil {
		t.Errorf("%+v", one)
	}
	drawn := s.captions(t, `{"image":{"id":"a"},"samples":2}`)
	if drawn.Seed == nil || drawn.Captions[0].Others[0].Text != fmt.Sprintf("other 1, seed %d", *drawn.Seed) || drawn.Captions[0].Others[0].Probability == nil {
		t.Errorf("what was drawn cannot be drawn again: %+v", drawn)
	}
}

type answersOut struct {
	textOut

	Others []textOut
	Ranked []struct {
		Index int
		Text  string
		Score float64
	}
	Question struct{ Tokens, Cut int }
	Model    string
	Cached   bool
}

func TestAnswers(t *testing.T) {
	s := newAuthored(t)
	ask := func(body string) answersOut {
		return readAnswer[answersOut](t, s.do("POST", "/v1/answers", "application/json", body))
	}
	out := ask(`{"image":{"id":"a"},"question":"what colour is it?"}`)
	if out.Text != "4 words, thing 4" || out.Question.Tokens != 6 || out.Probability != nil || out.Model != "sha256:author" {
		t.Errorf("%+v", out)
	}
	out = ask(`{"image":"` + b64(3) + `","question":"what?","answers":["red","blue","green"],"rank":2}`)
	if out.Text != "green" || len(out.Ranked) != 2 || out.Ranked[1].Text != "blue" || out.Ranked[1].Index != 1 || out.Ranked[0].Score != -1 {
		t.Errorf("%+v", out)
	}
}

// TestWritingIsCached where the same comes out, and not where it is drawn, cut short
// or of an address.
func TestWritingIsCached(t *testing.T) {
	s := newAuthored(t)
	memory, err := cache.NewMemory(cache.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	answers := cache.NewFetcher(memory, cache.FetcherOptions{})
	t.Cleanup(func() {
		if err := errors.Join(answers.Close(), memory.Close()); err != nil {
			t.Error(err)
		}
	})
	s.engine.Cache = &api.ResultCache{Answers: answers, Generation: func(context.Context) (uint64, bool) { return 1, true }}
	for body, cached := range map[string]bool{
		`{"image":{"id":"a"}}`: true, `{"image":"` + b64(5) + `","beams":2}`: true, `{"image":{"id":"a"},"seed":1}`: false,
		`{"image":"https://shop.example/8"}`: false, `{"image":{"id":"c"}}`: true, `{"image":{"id":"c"},"match":false}`: true,
	} {
		first, second := s.captions(t, body), s.captions(t, body)
		if first.Cached || second.Cached != cached || first.Captions[0].Text != second.Captions[0].Text {
			t.Errorf("%s: cached %t, then %t, want %t", body, first.Cached, second.Cached, cached)
		}
	}
	const question = `{"image":{"id":"a"},"question":"what?"`
	for i, body := range []string{question + `}`, question + ` }`, question + `,"answers":["a b"]}`, question + `,"answers":["a","b"]}`, question + `,"ids":true}`} {
		if out := readAnswer[answersOut](t, s.do("POST", "/v1/answers", "application/json", body)); out.Cached != (i == 1) {
			t.Errorf("%s: cached %t", body, out.Cached)
		}
	}
}

// TestWritingRefused: all problems of a request at once.
func TestWritingRefused(t *testing.T) {
	s := newAuthored(t)
	for _, c := range []struct {
		path, body string
		code       int
		fields     string
	}{
		{"captions", `{}`, 422, "image"},
		{
			"captions", `{"image":{},"beams":17,"min_length":-1,"max_length":1,"top_p":0,"temperature":0,"top_k":0,"samples":0,"deadline_ms":1,"prompt":"a\u0000","x":1}`, 422,
			"image x beams samples top_k min_length max_length top_p temperature beams deadline_ms prompt",
		},
		{"captions", `{"image":{"id":"a"},"images":[{"id":"a"}]}`, 422, "images"},
		{"captions", `{"images":[]}`, 422, "images"},
		{"captions", `{"images":[null,{"id":"a","box":[0,0,1,1]}]}`, 422, "images[0] images[1].box"},
		{"captions", `{"images":[` + strings.Repeat(`{"id":"a"},`, 8) + `{"id":"a"}]}`, 422, "images"},
		{"captions", `{"images":[{"id":"nobody"},{"id":"a"},{"id":"no"}]}`, 422, "images[0] images[2]"},
		{"captions", `{"image":{"id":"b"}}`, 404, "image"},
		{"captions", `{"image":"` + b64(1) + `","max_length":31}`, 422, "max_length"},
		{"captions", `{"image":"` + b64(1) + `","max_length":4}`, 422, "max_length"},
		{"captions", `{"image":"` + b64(1) + `","min_length":21}`, 422, "min_length"},
		{"captions", `{"image":"` + b64(1) + `","prompt":"a b c d e f g h i j k l m n o p q r s t u v"}`, 422, "prompt"},
		{"captions", `{"image":"https://inside.example/1"}`, 422, "image"},
		{"captions", `{"image":{"base64":"PGh0bWw+"}}`, 422, "image"},
		{"captions", `[]`, 400, ""},
		{"answers", `{}`, 422, "image question"},
		{"answers", `{"image":{"id":"a"},"question":"?!"}`, 422, "question"},
		{"answers", `{"image":{"id":"a"},"question":"what?","rank":3}`, 422, "rank"},
		{"answers", `{"image":{"id":"a"},"question":"what?","answers":["a"," ",3],"rank":300,"beams":2}`, 422, "rank answers answers[1] answers[2]"},
		{"answers", `{"image":{"id":"a"},"question":"what?","prompt":"x"}`, 422, "prompt"},
	} {
		w := s.do("POST", "/v1/"+c.path, "application/json", c.body)
		var fields []string
		for _, f := range readProblem(t, w).Errors {
			fields = append(fields, f.Field)
		}
		if got := strings.Join(fields, " "); w.Code != c.code || got != c.fields {
			t.Errorf("%.120s: %d %q, want %d %q", c.body, w.Code, got, c.code, c.fields)
		}
	}
	if n := s.pen.calls.Load(); n != 0 {
		t.Errorf("%d pictures were written about", n)
	}
}

func TestWritingFails(t *testing.T) {
	s := newAuthored(t)
	const body, hurried = `{"image":{"id":"a"}}`, `{"image":{"id":"a"},"deadline_ms":50}`
	for _, c := range []struct {
		err   error
		code  int
		kind  string
		again string
	}{
		{fmt.Errorf("write: %w", writer.ErrBusy), 429, "busy", "1"},
		{writer.ErrClosed, 503, "unavailable", "5"},
		{errors.New("the device is on fire"), 500, "internal", ""},
	} {
		s.pen.err = c.err
		w := s.do("POST", "/v1/captions", "application/json", body)
		if p := readProblem(t, w); w.Code != c.code || p.Code != c.kind || w.Header().Get("Retry-After") != c.again || strings.Contains(p.Detail, "fire") {
			t.Errorf("%v: %d %+v, Retry-After %q", c.err, w.Code, p, w.Header().Get("Retry-After"))
		}
	}
	s.pen.err, s.pen.hold = nil, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	if w := s.do("POST", "/v1/captions", "application/json", hurried); w.Code != http.StatusGatewayTimeout {
		t.Errorf("too late: %d", w.Code)
	}
	s.engine.Captioner, s.engine.Answerer = nil, nil
	for path, flag := range map[string]string{"captions": "--captioner DIR", "answers": "--answerer DIR"} {
		w := s.do("POST", "/v1/"+path, "application/json", body)
		if p := readProblem(t, w); w.Code != http.StatusNotImplemented || !strings.Contains(p.Detail, flag) {
			t.Errorf("without a model: %d %+v", w.Code, p)
		}
	}
}

// TestWritingIsBounded: one more than may be under way is told so at once.
func TestWritingIsBounded(t *testing.T) {
	s := newAuthored(t)
	s.opts.MaxUploads = 1
	under, end := make(chan struct{}), make(chan struct{})
	s.pen.hold = func(context.Context) error { close(under); <-end; return nil }
	h := s.handler()
	post := func() int {
		return serve(h, "POST", "/v1/captions", "application/json", strings.NewReader(`{"image":{"id":"a"}}`)).Code
	}
	first := make(chan int)
	go func() { first <- post() }()
	<-under
	if code := post(); code != http.StatusTooManyRequests {
		t.Errorf("beside another: %d", code)
	}
	close(end)
	if code := <-first; code != http.StatusOK {
		t.Errorf("the first: %d", code)
	}
}

// TestSearchesGoAhead of what writes, which looks at pictures aside.
func TestSearchesGoAhead(t *testing.T) {
	s := newAuthored(t)
	var ahead, left atomic.Int64
	s.engine.Ahead = func() func() { ahead.Add(1); return func() { left.Add(1) } }
	aside := &eyes{fakeModel: s.model}
	s.engine.Aside = aside
	s.captions(t, `{"image":"`+b64(3)+`"}`)
	if ahead.Load() != 0 || aside.decoded != 1 {
		t.Errorf("%d ahead, %d pictures looked at aside", ahead.Load(), aside.decoded)
	}
	readHits(t, s.post(`{"text":"red shoes"}`))
	s.rerank(t, `{"query":"red","documents":["a"]}`)
	s.do("POST", "/v1/match", "application/json", `{"pairs":[{"text":"red","id":"a"}]}`)
	if ahead.Load() != 3 || left.Load() != 3 {
		t.Errorf("%d went ahead and %d left", ahead.Load(), left.Load())
	}
}

// TestReadyTellsWhatWrites: the page offers only what there is.
func TestReadyTellsWhatWrites(t *testing.T) {
	s := newAuthored(t)
	s.engine.Answerer = nil
	out := readAnswer[map[string]any](t, s.do("GET", "/readyz", "", ""))
	if out["captioner"] != "sha256:author" || out["answerer"] != nil {
		t.Errorf("%v", out)
	}
}
