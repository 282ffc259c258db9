package api_test

import (
	"context"
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
)

// Every way to name a picture, the item's nearest one included.
func TestRerankPictures(t *testing.T) {
	s := newCompared(t)
	out := s.rerank(t, `{"model":"rerank-v3.5","query":"red shoes","documents":["a",{"id":"b"},"data:image/png;base64,`+b64(3)+`",{"image":"`+b64(4)+
		`"},{"image":"http://shop.example/5"},{"image_url":{"url":"https://shop.example/6","detail":"low"}},"https://shop.example/7",{"type":"image_url","image_url":"https://shop.example/8"},{"image":{"base64":"`+
		b64(0)+`","box":[0,0,0.5,0.5]}}]}`)
	if out.order() != "7 6 5 4 3 2 1 0 8" || out.Rerank.Part != (api.Part{Scored: 9, Of: 9}) || out.Rerank.Read != "pictures" {
		t.Fatalf("order %s, %+v", out.order(), out.Rerank)
	}
	for _, r := range out.Results {
		want := float64([]float32{1, 2, 3, 4, 5, 6, 7, 8, -1}[r.Index])
		itc := []float64{0.7, 0.9, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, -0.1}[r.Index]
		if r.ITMLogit == nil || *r.ITMLogit != want || math.Abs(r.ITC-itc) > 1e-6 || math.Abs(r.Score-want-itc) > 1e-6 ||
			math.Abs(r.RelevanceScore-encoder.Logits{-1, float32(want)}.Probability()) > 1e-9 {
			t.Errorf("%+v, want logit %g and cosine %g", r, want, itc)
		}
	}
	if s.eyes.boxes[0] != (picture.Box{0, 0, 0.5, 0.5}) || len(s.eyes.boxes) != 1 {
		t.Errorf("boxes %v", s.eyes.boxes)
	}
	last := out.Results[7]
	if last.View != 1 || last.Document.Text != "a" || last.Document.ID != "a" || out.Results[5].Document.Text != "" || out.Results[1].Document.Text != "https://shop.example/7" {
		t.Errorf("%+v, documents %+v", last, out.Results)
	}
	if out.ID != "test-1" || out.Object != "list" || out.Model != fingerprint || out.Usage.TotalTokens != 4 || out.Usage.PromptTokens != 4 || out.Meta.APIVersion.Version != "1" {
		t.Errorf("%+v", out)
	}
}

// Equal pictures are encoded once, and top_n cuts the answer, not the reading.
func TestRerankTopAndEcho(t *testing.T) {
	s := newCompared(t)
	encoded := 0
	s.model.images = func(context.Context) error { encoded++; return nil }
	body := `{"query":"red shoes","documents":["http://x.example/3","b","http://y.example/3","a"],"top_n":2%s}`
	out := s.rerank(t, fmt.Sprintf(body, `,"return_documents":false`))
	if out.order() != "0 2" || out.Rerank.Scored != 4 || out.Results[0].Document != nil || encoded != 1 {
		t.Errorf("%+v, %d pictures encoded", out, encoded)
	}
	v2 := readAnswer[rerankOut](t, s.do("POST", "/v2/rerank", "application/json", fmt.Sprintf(body, `,"max_tokens_per_doc":512,"priority":0`)))
	if v2.order() != "0 2" || v2.Results[0].Document != nil || v2.Meta.APIVersion.Version != "2" {
		t.Errorf("%+v", v2)
	}
}

// A picture is read with texts, and of items with their titles.
func TestRerankTexts(t *testing.T) {
	s := newCompared(t)
	for _, query := range []string{`{"image":"` + b64(3) + `"}`, `"data:image/png;base64,` + b64(3) + `"`, `"http://shop.example/3"`, `{"image_url":{"url":"http://shop.example/3"}}`} {
		out := s.rerank(t, `{"query":`+query+`,"documents":["red shoes",{"text":"blue hat"},{"id":"b"}],"return_documents":true}`)
		if out.order() != "1 2 0" || out.Rerank.Read != "titles" || out.Rerank.Scored != 3 || s.titles.seen.Float[0] != 3 {
			t.Fatalf("%s: order %s, %+v, states %v", query, out.order(), out.Rerank, s.titles.seen)
		}
		// The cosine of an item is that of the pictures: cos(α-β) of 0.3 and 0.9.
		if want := 0.27 + math.Sqrt(1-0.09)*math.Sqrt(1-0.81); math.Abs(out.Results[1].ITC-want) > 1e-6 || math.Abs(out.Results[0].ITC-0.3) > 1e-6 {
			t.Errorf("%s: %+v", query, out.Results)
		}
		if d := out.Results[0].Document; d.Text != "blue hat" || out.Results[1].Document.ID != "b" || out.Usage.TotalTokens != 4+4+5 {
			t.Errorf("%s: %+v, %+v", query, out.Results, out.Usage)
		}
	}
	if out := s.rerank(t, `{"query":{"id":"b"},"documents":["red shoes","blue hat"]}`); out.order() != "1 0" || s.titles.seen.Float[0] != 2 {
		t.Errorf("of an item: %+v, states %v", out, s.titles.seen)
	}
	if out := s.rerank(t, `{"query":{"id":"c"},"documents":["red shoes","blue hat"]}`); out.Rerank.Stopped != "missing" || out.Results[0].RelevanceScore != 0 {
		t.Errorf("of an item without patch states: %+v", out)
	}
}

// It fails open: what could not be read stands in the order of the cosine.
func TestRerankFailsOpen(t *testing.T) {
	s := newCompared(t)
	out := s.rerank(t, `{"query":"red shoes","documents":["c","a","b"]}`)
	if out.Rerank.Part != (api.Part{Scored: 2, Of: 3, Stopped: "missing"}) {
		t.Errorf("a picture without patch states: %+v", out.Rerank)
	}
	for _, r := range out.Results {
		if r.Index == 0 && (r.ITMLogit != nil || r.RelevanceScore != 0 || r.Score != r.ITC) {
			t.Errorf("not read, but %+v", r)
		}
	}
	s.matcher.hook = func(context.Context) error { return errors.New("secret of the device") }
	w := s.do("POST", "/v1/rerank", "application/json", `{"query":"red shoes","documents":["a","c","b"]}`)
	if out := readAnswer[rerankOut](t, w); out.order() != "2 1 0" || out.Rerank.Part != (api.Part{Of: 3, Stopped: "failed"}) || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("broken device: %+v", out)
	}
	s.matcher.hook = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	if out := s.rerank(t, `{"query":"red shoes","documents":["a","c","b"],"deadline_ms":1000}`); out.order() != "2 1 0" || out.Rerank.Scored != 0 || out.Rerank.Stopped == "" {
		t.Errorf("slow device: %+v", out)
	}
	s.engine.Reranker, s.engine.Titles = nil, nil
	for _, query := range []string{`"red"`, `{"id":"b"}`} {
		if out := s.rerank(t, `{"query":`+query+`,"documents":["a","b"]}`); len(out.Results) != 2 || out.Rerank.Stopped != "disabled" || out.Rerank.Read != "" {
			t.Errorf("no second look at %s: %+v", query, out)
		}
	}
}

// States of pictures that came along are made int8 where the stored ones are.
func TestRerankQuantized(t *testing.T) {
	s := newCompared(t)
	s.engine.Quantized = true
	out := s.rerank(t, `{"query":"red","documents":["http://shop.example/3"]}`)
	if l := out.Results[0].ITMLogit; l == nil || math.Abs(*l-3) > 0.05 {
		t.Errorf("%+v", out)
	}
}

func TestRerankCancelled(t *testing.T) {
	s := newCompared(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.matcher.hook = func(ctx context.Context) error { cancel(); <-ctx.Done(); return ctx.Err() }
	r := httptest.NewRequestWithContext(ctx, "POST", "/v1/rerank", strings.NewReader(`{"query":"red","documents":["a"]}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	if w.Code != 499 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// The routes work in the slots of the searches; pictures of their own have fewer.
func TestPairsBusy(t *testing.T) {
	s := newCompared(t)
	s.opts.MaxSearches, s.opts.MaxUploads = 2, 1
	entered, leave := make(chan struct{}), make(chan struct{})
	s.model.images = func(context.Context) error { entered <- struct{}{}; <-leave; return nil }
	h := s.handler()
	post := func(path, body string) *httptest.ResponseRecorder {
		return serve(h, "POST", path, "application/json", strings.NewReader(body))
	}
	const withPicture = `{"query":"red","documents":["http://shop.example/1"]}`
	var under sync.WaitGroup
	under.Go(func() {
		if w := post("/v1/rerank", withPicture); w.Code != http.StatusOK {
			t.Errorf("within the limit: %d %s", w.Code, w.Body)
		}
	})
	<-entered
	for path, body := range map[string]string{
		"/v1/rerank": withPicture, "/v1/match": `{"pairs":[{"text":"red","image":"http://shop.example/1"}]}`, "/v1/embeddings": `{"input":[{"image":"http://shop.example/1"}]}`,
	} {
		if p := readProblem(t, post(path, body)); p.Status != 429 || !strings.Contains(p.Detail, "with pictures") {
			t.Errorf("%s: %+v", path, p)
		}
	}
	if w := post("/v1/embeddings", `{"input":"red"}`); w.Code != http.StatusOK {
		t.Errorf("a text beside it: %d %s", w.Code, w.Body)
	}
	var first sync.Once
	s.matcher.hook = func(context.Context) error {
		first.Do(func() { entered <- struct{}{}; <-leave })
		return nil
	}
	under.Go(func() {
		if w := post("/v1/rerank", `{"query":"red","documents":["a"]}`); w.Code != http.StatusOK {
			t.Errorf("items beside it: %d %s", w.Code, w.Body)
		}
	})
	<-entered
	if p := readProblem(t, post("/v1/embeddings", `{"input":"red"}`)); p.Status != 429 || !strings.Contains(p.Detail, "searches") {
		t.Errorf("beyond the searches: %+v", p)
	}
	close(leave)
	under.Wait()
}
