package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sightline/api"
	"sightline/encoder/picture"
)

// Weaviate's module sends no Content-Type and takes scores by their place.
func TestWeaviate(t *testing.T) {
	s := newCompared(t)
	type scores struct {
		Query  string
		Scores []struct {
			Document string
			Score    float64
		}
		Error string
	}
	out := readAnswer[scores](t, s.do("POST", "/rerank", "", `{"query":"red shoes","documents":["a","b","c","nobody",""],"property":""}`))
	if out.Query != "red shoes" || len(out.Scores) != 5 || out.Error != "" {
		t.Fatalf("%+v", out)
	}
	for i, want := range []float64{1.7, 2.9, -99.2, -101, -101} {
		if got := out.Scores[i]; math.Abs(got.Score-want) > 1e-6 || got.Document != []string{"a", "b", "c", "nobody", ""}[i] {
			t.Errorf("document %d: %+v, want %g", i, got, want)
		}
	}
	w := s.do("POST", "/rerank", "", `{"query":"red shoes","documents":["a description of a red shoe"]}`)
	var failed scores
	if err := json.Unmarshal(w.Body.Bytes(), &failed); err != nil || w.Code != 422 || !strings.Contains(failed.Error, "documents[0] names no indexed item") {
		t.Errorf("%d, %+v, %v", w.Code, failed, err)
	}
	if meta := readAnswer[map[string]any](t, s.do("GET", "/meta", "", "")); meta["model"] != fingerprint {
		t.Errorf("meta %v", meta)
	}
	for _, path := range []string{"/.well-known/live", "/.well-known/ready"} {
		if w := s.do("GET", path, "", ""); w.Code != http.StatusNoContent {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	s.life.Set("draining")
	if w := s.do("GET", "/.well-known/ready", "", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("ready while draining: %d", w.Code)
	}
}

type matchOut struct {
	Pairs []struct {
		Index       int
		ITC         float64
		ITMLogits   *[2]float64 `json:"itm_logits"`
		Logit       *float64    `json:"itm_logit"`
		Probability *float64    `json:"match_probability"`
		Score       *float64
		View        int
	}
	Rerank api.Part
	Model  string
}

func TestMatch(t *testing.T) {
	s := newCompared(t)
	texts := 0
	s.model.texts = func(context.Context) error { texts++; return nil }
	out := readAnswer[matchOut](t, s.do("POST", "/v1/match", "application/json", `{"pairs":[
		{"text":"red shoe","id":"a"},{"text":"blue hat","image":"`+b64(4)+`"},{"text":"red shoe","image_url":{"url":"http://shop.example/3"}},{"text":"red shoe","id":"c"}]}`))
	if len(out.Pairs) != 4 || out.Rerank != (api.Part{Scored: 3, Of: 4, Stopped: "missing"}) || out.Model != fingerprint || texts != 1 {
		t.Fatalf("%+v, texts encoded in %d runs", out, texts)
	}
	for i, want := range []float64{1, 4, 3} {
		p := out.Pairs[i]
		if p.Index != i || p.Logit == nil || *p.Logit != want || *p.ITMLogits != [2]float64{-1, want} || math.Abs(*p.Score-want-p.ITC) > 1e-6 || p.Probability == nil {
			t.Errorf("pair %d: %+v", i, p)
		}
	}
	if p := out.Pairs[3]; p.Logit != nil || p.ITMLogits != nil || p.Score != nil || p.Probability != nil || math.Abs(p.ITC-0.8) > 1e-6 || out.Pairs[0].View != 1 {
		t.Errorf("not read, but %+v; view %d", p, out.Pairs[0].View)
	}
}

type embeddingsOut struct {
	Object, Model string
	Data          []struct {
		Object    string
		Index     int
		Embedding json.RawMessage
	}
	Usage struct {
		PromptTokens int `json:"prompt_tokens"`
		TotalTokens  int `json:"total_tokens"`
	}
}

func TestEmbeddings(t *testing.T) {
	s := newCompared(t)
	runs := 0
	s.model.texts = func(context.Context) error { runs++; return nil }
	post := func(body string) embeddingsOut {
		return readAnswer[embeddingsOut](t, s.do("POST", "/v1/embeddings", "application/json", body))
	}
	out := post(`{"model":"clip","user":"u","input":["red shoe",{"id":"b"},{"image":"` + b64(8) + `"},{"text":"blue"},{"type":"image_url","image_url":{"url":"http://shop.example/6"}}],"dimensions":2}`)
	if out.Object != "list" || out.Model != fingerprint || len(out.Data) != 5 || out.Usage.TotalTokens != 7 {
		t.Fatalf("%+v", out)
	}
	for i, want := range []float32{10, 9, 8, 10, 6} {
		var got []float32
		if err := json.Unmarshal(out.Data[i].Embedding, &got); err != nil || out.Data[i].Index != i || out.Data[i].Object != "embedding" || len(got) != 2 || math.Abs(float64(got[0]-want/10)) > 1e-6 {
			t.Errorf("%d: %s, want %v", i, out.Data[i].Embedding, want)
		}
	}
	if one := post(`{"input":"red shoe","encoding_format":"base64"}`); string(one.Data[0].Embedding) != `"AACAPwAAAAA="` {
		t.Errorf("base64 %s", one.Data[0].Embedding)
	}
	runs = 0
	if all := post(`{"input":["` + strings.Repeat(`red","`, 99) + `red"]}`); len(all.Data) != 100 || runs != 4 {
		t.Errorf("%d embeddings in %d runs", len(all.Data), runs)
	}
}

// Searches by address and by a part of a picture.
func TestSearchByAddressAndBox(t *testing.T) {
	s := newCompared(t)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"JSON":  s.post(`{"image":{"url":"http://shop.example/3","box":[0.25,0,1,1]},"limit":2,"deadline_ms":30000}`),
		"query": s.do("GET", "/v1/search?image_url=http%3A%2F%2Fshop.example%2F3&image_box=0.25,0,1,1&limit=2", "", ""),
	} {
		if res := readHits(t, w); len(res.Hits) != 2 {
			t.Errorf("%s: %+v", name, res)
		}
	}
	ct, body := form(t, map[string]string{"image_box": "0.25, 0, 1, 1", "limit": "2"}, photo(3))
	if res := readHits(t, s.do("POST", "/v1/search", ct, body)); len(res.Hits) != 2 {
		t.Errorf("form: %+v", res)
	}
	if len(s.eyes.boxes) != 3 || s.eyes.boxes[0] != (picture.Box{0.25, 0, 1, 1}) || s.eyes.boxes[1] != s.eyes.boxes[2] || len(s.web.got) != 2 {
		t.Errorf("boxes %v, fetched %q", s.eyes.boxes, s.web.got)
	}
	for body, want := range map[string]string{
		`{"image":{"url":"http://x.example/gone"}}`:                           "422 image.url: cannot be fetched: because of not_found",
		`{"image":{"url":"http://x.example/down"}}`:                           "502 image.url: cannot be fetched now: because of host_down",
		`{"image":{"url":"http://x.example/late"},"deadline_ms":60}`:          "504 ",
		`{"image":{"url":"file:///etc/passwd"}}`:                              "422 image.url: must be an http or https address: send pictures of your own computer as base64 or as a form",
		`{"image":{"url":"http://x.example/1","id":"a"}}`:                     "422 image: has an address and something else: give one of id, url and base64",
		`{"image":{"id":"a","box":[0,0,0.5,0.5]}}`:                            "422 image.box: is for a picture that comes with the request: leave it out",
		`{"text":"red","image":{"box":[0,0,0.5,0.5]}}`:                        "422 image.box: is for a picture that comes with the request: leave it out",
		`{"image":{"base64":"` + b64(1) + `","box":[0.5,0,0.5,1]}}`:           "422 image.box: must have its left edge before its right one and its top above its bottom, all within 0 to 1",
		`{"image":{"base64":"` + b64(1) + `","box":[0,0,1]}}`:                 "422 image.box: must have four numbers: left, top, right, bottom",
		`{"image":{"base64":"` + b64(1) + `","box":"0,0,1,1"}}`:               "422 image.box: must be a list of four numbers",
		`{"image":{"base64":"` + b64(1) + `","box":[0,0,640,480]},"limit":0}`: "422 image.box: must be in fractions of the picture's width and height, 0 to 1: divide pixels by these | limit: must be between 1 and 100",
	} {
		w := s.post(body)
		p := readProblem(t, w)
		if got := fmt.Sprintf("%d %s", w.Code, fieldsOf(p)); got != want {
			t.Errorf("%s: %s\nwant %s", body, got, want)
		}
	}
	s.engine.Images = s.model // cannot cut
	if p := readProblem(t, s.post(`{"image":{"base64":"`+b64(1)+`","box":[0,0,1,0.5]}}`)); p.Status != 501 {
		t.Errorf("a model that cannot cut: %+v", p)
	}
	start := time.Now()
	if readProblem(t, s.post(`{"image":{"url":"http://x.example/late"},"deadline_ms":50}`)); time.Since(start) > 20*time.Second {
		t.Error("the deadline does not bound the fetching")
	}
}
