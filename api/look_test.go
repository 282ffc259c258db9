package api_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"sightline/api"
	"sightline/encoder"
	"sightline/rerank"
	"sightline/store"
	"sightline/store/features"
)

// fakeTitles reads every candidate that has a title; the match logit is 10 less
// the place, and 10 for the words of best.
type fakeTitles struct {
	best  string
	calls int
	seen  encoder.States
	stop  string // what the outcome says; only the first candidate is scored then
	err   error
	took  time.Duration // of the deadline
}

func (f *fakeTitles) RerankTexts(ctx context.Context, image encoder.States, cands []rerank.TextCandidate) rerank.Outcome {
	f.calls++
	f.seen, f.took = image, time.Minute
	if deadline, ok := ctx.Deadline(); ok {
		f.took = time.Until(deadline)
	}
	out := rerank.Outcome{Of: len(cands), Stopped: f.stop, Err: f.err}
	for i, c := range cands {
		h := rerank.Scored{Candidate: c.Candidate, Score: c.ITC, ITCRank: i + 1}
		if len(c.Text.IDs) > 0 && (f.stop == "" || i == 0) {
			logit, p := float32(-i), 0.25
			if c.ID == f.best {
				logit, p = 10, 0.75
			}
			h.Logit, h.Probability, h.Score = &logit, &p, float64(logit)+c.ITC
			out.Scored++
		}
		out.Hits = append(out.Hits, h)
		for j := len(out.Hits) - 1; j > 0 && out.Hits[j].Score > out.Hits[j-1].Score; j-- {
			out.Hits[j], out.Hits[j-1] = out.Hits[j-1], out.Hits[j]
		}
	}
	if out.Scored < out.Of && out.Stopped == "" {
		out.Stopped = rerank.StoppedMissing
	}
	return out
}

// firstStates are those of stored pictures.
type firstStates map[string]float32

func (f firstStates) Get(_ context.Context, key string) (features.Record, bool, error) {
	v, ok := f[key]
	if v < 0 {
		return features.Record{}, false, errors.New("segment damaged")
	}
	return features.Record{Tokens: 1, Width: 1, Float: []float32{v}}, ok, nil
}

// sighted is a service whose pictures have patch states: 3 of an upload.
func sighted(ids ...string) (*service, *fakeTitles) {
	s := newService(ids...)
	s.model.states = encoder.States{Tokens: 1, Width: 1, Float: []float32{3}}
	titles := &fakeTitles{}
	s.engine.Titles, s.engine.States = titles, firstStates{"hash-b": 5, "hash-bad": -1}
	return s, titles
}

func TestPictureReadsTitles(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*service, *fakeTitles, *api.SearchRequest)
		want    string
		look    api.Look
		picture float32 // the first of the states that were read; 0 for none
	}{
		"upload":              {func(_ *service, _ *fakeTitles, r *api.SearchRequest) { r.Image = []byte(pngBytes) }, "c a b bad", look(4, 4, "", "titles"), 3},
		"item":                {func(_ *service, _ *fakeTitles, r *api.SearchRequest) { r.ImageID = "b" }, "c a bad", look(3, 3, "", "titles"), 5},
		"depth":               {func(_ *service, _ *fakeTitles, r *api.SearchRequest) { r.ImageID, r.Depth = "b", 2 }, "c a bad", look(2, 2, "", "titles"), 5},
		"switched":            {func(_ *service, _ *fakeTitles, r *api.SearchRequest) { r.ImageID, r.Rerank = "b", false }, "a c bad", look(0, 0, "disabled", ""), 0},
		"item without states": {func(_ *service, _ *fakeTitles, r *api.SearchRequest) { r.ImageID = "a" }, "b c bad", look(0, 3, "missing", "titles"), 0},
		"damaged states":      {func(_ *service, _ *fakeTitles, r *api.SearchRequest) { r.ImageID = "bad" }, "a b c", look(0, 3, "failed", "titles"), 0},
		"no reader": {func(s *service, _ *fakeTitles, r *api.SearchRequest) {
			s.engine.Titles, r.ImageID = nil, "b"
		}, "a c bad", look(0, 0, "disabled", ""), 0},
		"titles missing": {func(s *service, f *fakeTitles, r *api.SearchRequest) {
			s.index.entries[2].Item.Title, f.best, r.ImageID = "?!", "", "b"
		}, "a c bad", look(2, 3, "missing", "titles"), 5},
		"caption in place of a title": {func(s *service, _ *fakeTitles, r *api.SearchRequest) {
			with, _ := store.Item{ID: "c", Title: "?!"}.WithCaption("a red mug", strings.Repeat("ab", 32))
			s.index.entries[2].Item, s.engine.Captions, r.ImageID = with, true, "b"
		}, "c a bad", look(3, 3, "", "titles"), 5},
		"caption, not asked for": {func(s *service, f *fakeTitles, r *api.SearchRequest) {
			with, _ := store.Item{ID: "c", Title: "?!"}.WithCaption("a red mug", strings.Repeat("ab", 32))
			s.index.entries[2].Item, f.best, r.ImageID = with, "", "b"
		}, "a c bad", look(2, 3, "missing", "titles"), 5},
		"late": {func(_ *service, f *fakeTitles, r *api.SearchRequest) { f.stop, r.ImageID = "deadline", "b" }, "a c bad", look(1, 3, "deadline", "titles"), 5},
	} {
		t.Run(name, func(t *testing.T) {
			s, titles := sighted("a", "b", "c", "bad")
			titles.best = "c"
			req := ask("")
			c.change(s, titles, &req)
			res, err := s.engine.Search(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if ids(res.Hits) != c.want || res.Rerank != c.look {
				t.Errorf("hits %q, rerank %+v", ids(res.Hits), res.Rerank)
			}
			if c.picture == 0 != (titles.calls == 0) || c.picture != 0 && titles.seen.Float[0] != c.picture {
				t.Errorf("%d readings of %+v", titles.calls, titles.seen)
			}
			if n := s.engine.Reranker.(*fakeReranker).calls.Load(); n != 0 {
				t.Errorf("a picture without text was read with pictures %d times", n)
			}
		})
	}
}

func look(scored, of int, stopped, read string) api.Look {
	return api.Look{Part: api.Part{Scored: scored, Of: of, Stopped: stopped}, Read: read}
}

// Match probabilities of titles cut like any other; the calibration says nothing of them.
func TestPictureMinMatch(t *testing.T) {
	s, titles := sighted("a", "b", "c")
	s.engine.Calibrated, titles.best = true, "nobody"
	res, err := s.engine.Search(t.Context(), ask("", func(r *api.SearchRequest) { r.ImageID = "b" }))
	if err != nil || len(res.Hits) != 2 || res.NoGoodMatch {
		t.Errorf("%+v, %v", res, err)
	}
	least := 0.5
	titles.best = "c"
	res, err = s.engine.Search(t.Context(), ask("", func(r *api.SearchRequest) { r.ImageID, r.MinMatch = "b", &least }))
	if err != nil || ids(res.Hits) != "c" {
		t.Errorf("%+v, %v", res, err)
	}
	s.engine.Titles = nil
	res, err = s.engine.Search(t.Context(), ask("", func(r *api.SearchRequest) { r.ImageID, r.MinMatch = "b", &least }))
	if err != nil || ids(res.Hits) != "a c" || res.NoGoodMatch {
		t.Errorf("without a reader it fails open: %+v, %v", res, err)
	}
}

// readings scores as fakeReranker, but a negative text matches "a" with 8.
func readings(out map[string]string) rerankFunc {
	return func(ctx context.Context, q encoder.Query, cands []rerank.Candidate) rerank.Outcome {
		if len(q.IDs) == 3 { // one word: the negative
			o := rerank.Outcome{Scored: len(cands), Of: len(cands), Stopped: out["negative"]}
			for _, c := range cands {
				logit := float32(0)
				if c.ID == "a" {
					logit = 8
				}
				o.Hits = append(o.Hits, rerank.Scored{Candidate: c, Logit: &logit})
			}
			return o
		}
		return (&fakeReranker{}).Rerank(ctx, q, cands)
	}
}

// The items b, c, d stand behind a in cosine (0.5, 0.484 …); the text prefers the
// last (logits 0, 1, 2, 3), the picture's reading of titles the first.
func TestComposedScores(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*service, *fakeTitles, *api.SearchRequest)
		want   string
		scores map[string]float64 // beyond the cosine
	}{
		"text and picture, half each": {nil, "d c b a", map[string]float64{"d": 1.5, "a": 0}},
		"the picture alone counts":    {func(_ *service, _ *fakeTitles, r *api.SearchRequest) { r.ImageWeight = 1 }, "a b c d", map[string]float64{"d": 0}},
		"the text alone counts":       {func(_ *service, _ *fakeTitles, r *api.SearchRequest) { r.ImageWeight = 0 }, "d c b a", map[string]float64{"d": 3}},
		"titles": {
			func(_ *service, f *fakeTitles, r *api.SearchRequest) { r.Titles, f.best = true, "b" },
			"b a c d",
			map[string]float64{"b": 0.5*1 + 0.5*10, "d": 0},
		},
		"a title is missing": {
			func(s *service, f *fakeTitles, r *api.SearchRequest) {
				r.Titles, s.index.entries[3].Item.Title = true, ""
				f.best = "b"
			}, "b d a c", map[string]float64{"d": 3},
		},
		"titles that came too late count for nobody": {
			func(_ *service, f *fakeTitles, r *api.SearchRequest) { r.Titles, f.stop = true, "deadline" },
			"d c b a",
			map[string]float64{"d": 1.5, "a": 0},
		},
		"negative": {
			func(_ *service, _ *fakeTitles, r *api.SearchRequest) { r.Negative, r.NegativeWeight = "blue", 0.25 },
			"d c b a",
			map[string]float64{"a": -2, "d": 1.5},
		},
		"negative that came too late": {
			func(s *service, _ *fakeTitles, r *api.SearchRequest) {
				s.engine.Reranker = readings(map[string]string{"negative": "deadline"})
				r.Negative, r.NegativeWeight = "blue", 0.25
			}, "d c b a", map[string]float64{"a": 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, titles := sighted("a", "b", "c", "d")
			s.engine.Reranker = readings(nil)
			req := ask("red shoes", func(r *api.SearchRequest) { r.Image = []byte(pngBytes) })
			if c.change != nil {
				c.change(s, titles, &req)
			}
			res, err := s.engine.Search(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if ids(res.Hits) != c.want || res.Rerank.Read != "pictures" || res.Rerank.Scored != 4 || (titles.calls == 1) != req.Titles {
				t.Errorf("hits %q, rerank %+v, %d readings of titles", ids(res.Hits), res.Rerank, titles.calls)
			}
			for i, h := range res.Hits {
				want, ok := c.scores[h.ID]
				if ok && math.Abs(h.Score-h.ITC-want) > 1e-6 || h.Rank != i+1 {
					t.Errorf("%s: score %g at rank %d, want %g besides the cosine", h.ID, h.Score-h.ITC, h.Rank, want)
				}
			}
			if req.Titles != (res.Rerank.Titles != api.Part{}) || (req.Negative != "") != (res.Rerank.Negative != api.Part{}) {
				t.Errorf("rerank %+v does not say what ran", res.Rerank)
			}
		})
	}
}

// One unit vector is searched by: of text [1,0] and the item's [0,1].
func TestComposedVector(t *testing.T) {
	half := float32(math.Sqrt(0.5))
	for name, c := range map[string]struct {
		body string
		want [2]float32
	}{
		"text":             {`{"text":"red"}`, [2]float32{1, 0}},
		"picture":          {`{"image":{"id":"a"}}`, [2]float32{0, 1}},
		"both":             {`{"text":"red","image":{"id":"a"}}`, [2]float32{half, half}},
		"mostly text":      {`{"text":"red","image":{"id":"a","weight":0.25}}`, [2]float32{0.9486833, 0.31622776}},
		"all picture":      {`{"text":"red","image":{"id":"a","weight":1}}`, [2]float32{0, 1}},
		"less of a text":   {`{"image":{"id":"a"},"negative":"blue"}`, [2]float32{-0.4472136, 0.8944272}},
		"nothing less":     {`{"image":{"id":"a"},"negative":"blue","negative_weight":0}`, [2]float32{0, 1}},
		"all three at one": {`{"text":"red","image":{"id":"a"},"negative":"blue","negative_weight":1}`, [2]float32{-0.38268343, 0.9238795}},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := sighted("a", "b")
			readHits(t, s.post(c.body))
			q := s.index.last.Load()
			if v := q.Embedding; math.Abs(float64(v[0]-c.want[0])) > 1e-6 || math.Abs(float64(v[1]-c.want[1])) > 1e-6 {
				t.Errorf("searched by %v, want %v", v, c.want)
			}
			if got := fmt.Sprint(q.Exclude); strings.Contains(c.body, `"id"`) != (got == "[a]") {
				t.Errorf("excluded %s", got)
			}
		})
	}
}

// The three written forms ask for the same.
func TestComposedForms(t *testing.T) {
	ct, body := form(t, map[string]string{"text": "red shoes", "image_id": "b", "image_weight": "0.75", "negative": "blue", "negative_weight": "0.25", "titles": "true"}, "")
	want := ""
	for name, r := range map[string][4]string{
		"JSON":  {"POST", "/v1/search", "application/json", `{"text":"red shoes","image":{"id":"b","weight":0.75},"negative":"blue","negative_weight":0.25,"rerank":{"titles":true}}`},
		"form":  {"POST", "/v1/search", ct, body},
		"query": {"GET", "/v1/search?q=red+shoes&image_id=b&image_weight=0.75&negative=blue&negative_weight=0.25&titles=true", "", ""},
	} {
		s, _ := sighted("a", "b", "c")
		res := readHits(t, s.do(r[0], r[1], r[2], r[3]))
		got := fmt.Sprint(res.Rerank, res.Hits[0].ID, res.Hits[0].Score, s.index.last.Load().Embedding)
		if want == "" {
			want = got
		}
		if got != want || res.Rerank.Titles.Scored != 2 || res.Rerank.Negative.Scored != 2 {
			t.Errorf("%s: %s, others %s", name, got, want)
		}
	}
}

// Every reading gets a part of the time, and the last one the rest.
func TestReadingsShareTheTime(t *testing.T) {
	s, titles := sighted("a", "b")
	var first, last time.Duration
	s.engine.Reranker = rerankFunc(func(ctx context.Context, q encoder.Query, cands []rerank.Candidate) rerank.Outcome {
		deadline, _ := ctx.Deadline()
		if left := time.Until(deadline); len(q.IDs) == 3 {
			last = left
		} else {
			first = left
		}
		return (&fakeReranker{}).Rerank(ctx, q, cands)
	})
	_, err := s.engine.Search(t.Context(), ask("red shoes", func(r *api.SearchRequest) {
		r.Image, r.Negative, r.Titles, r.Deadline = []byte(pngBytes), "blue", true, 30*time.Second
	}))
	if err != nil || first > 10*time.Second || titles.took > 15*time.Second || last > 30*time.Second || first >= titles.took || titles.took >= last {
		t.Errorf("%s for the text, %s for titles, %s for the negative, of 30 s (%v)", first, titles.took, last, err)
	}
}

// A failure of any reading is logged and leaves an answer.
func TestComposedFailsOpen(t *testing.T) {
	s, titles := sighted("a", "b")
	titles.stop, titles.err = "failed", errors.New("graph broke")
	w := s.post(`{"text":"red shoes","image":{"id":"b"},"rerank":{"titles":true}}`)
	if res := readHits(t, w); w.Code != http.StatusOK || res.Rerank.Titles.Stopped != "failed" || ids(res.Hits) != "a" {
		t.Errorf("%s", w.Body)
	}
}

// Whatever changes a composed answer is in its key, and nothing else.
func TestComposedAnswersAreNotShared(t *testing.T) {
	picture := func(end, more string) string {
		return `{"image":{"base64":"` + base64.StdEncoding.EncodeToString([]byte(pngBytes+end)) + `"` + more
	}
	s := newCachedService(t, "a", "b", "c")
	bodies := []string{
		picture("", `}}`), picture("", `},"rerank":{"enabled":false}}`), picture("", `},"rerank":{"depth":2}}`), picture("", `},"negative":"blue"}`),
		picture("", `},"text":"red"}`), picture("!", `},"text":"red"}`), picture("", `},"text":"blue"}`), picture("", `,"weight":0.25},"text":"red"}`),
		picture("", `},"text":"red","rerank":{"titles":true}}`), picture("", `},"text":"red","negative":"blue"}`),
		`{"text":"red","image":{"id":"a"}}`, `{"text":"red"}`, `{"text":"red","negative":"blue"}`, `{"text":"red","negative":"green"}`, `{"text":"red","negative":"blue","negative_weight":0.25}`,
	}
	for _, want := range []bool{true, false} {
		for _, body := range bodies {
			s.wantSearch(t, body, want)
		}
	}
	s.wantSearch(t, picture("", `,"weight":0.5},"text":" Red!","negative":"  "}`), false)
	s.wantSearch(t, picture("", `},"rerank":{"titles":true}}`), false) // which a picture alone is read with anyway
}

// What was cut short in any reading is not kept.
func TestComposedAnswersThatAreKept(t *testing.T) {
	for stopped, keep := range map[string]bool{"": true, "missing": true, "deadline": false, "failed": false} {
		s := newCachedService(t, "a", "b")
		titles := &fakeTitles{stop: stopped}
		s.engine.Titles, s.engine.States = titles, firstStates{"hash-b": 5}
		const body = `{"text":"red","image":{"id":"b"},"rerank":{"titles":true}}`
		s.wantSearch(t, body, true)
		if again := s.wantSearch(t, body, !keep); again.Rerank.Titles.Stopped != stopped {
			t.Errorf("%q: %+v", stopped, again.Rerank)
		}
	}
}
