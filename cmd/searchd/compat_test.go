package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sightline/cmd/internal/clitest"
	"sightline/encoder/picture"
)

const trousers = "white trousers with brown belt"

type result struct {
	Index     int      `json:"index"`
	Relevance float64  `json:"relevance_score"`
	Score     float64  `json:"score"`
	ITC       float64  `json:"itc"`
	Logit     *float64 `json:"itm_logit"`
}

type rerankReply struct {
	Results []result `json:"results"`
	Rerank  reading  `json:"rerank"`
}

// postJSON sends a body that must be answered with 200; headers come as pairs.
func (s *server) postJSON(t *testing.T, path string, body, v any, headers ...string) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req := s.request(t, http.MethodPost, path, bytes.NewReader(data))
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	var raw json.RawMessage
	if code := s.do(t, req, &raw); code != http.StatusOK {
		t.Fatalf("%s: %d %s\n%s", path, code, raw, s.log)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("%s: %v: %.300s", path, err, raw)
	}
}

func dataURL(picture []byte) string {
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture)
}

// sameNumbers compares results with the hits of a search; documents are the hits'
// ids in reverse.
func sameNumbers(t *testing.T, hits []hit, got []result, allowed float64) {
	t.Helper()
	if len(got) != len(hits) {
		t.Fatalf("%d results of %d documents", len(got), len(hits))
	}
	var most float64
	for i, r := range got {
		h := hits[len(hits)-1-r.Index]
		if r.Logit == nil || h.Logit == nil {
			t.Fatalf("not read: %+v, %+v", r, h)
		}
		most = max(most, math.Abs(*r.Logit-*h.Logit), math.Abs(r.ITC-h.ITC), math.Abs(r.Score-h.Score), math.Abs(r.Relevance-*h.Probability))
		if i > 0 && r.Score > got[i-1].Score {
			t.Errorf("place %d is better than the one above: %+v, %+v", i+1, got[i-1], r)
		}
	}
	t.Logf("%d documents, largest difference %.2g", len(got), most)
	if most > allowed {
		t.Errorf("scores differ from those of the search by %g, allowed %g", most, allowed)
	}
}

func backwards(hits []hit) []any {
	var ids []any
	for _, h := range slices.Backward(hits) {
		ids = append(ids, h.ID)
	}
	return ids
}

// TestRerankLikeSearch: a search's own hits, sent as documents, get the search's
// numbers, by text and by picture, from stored and from uploaded pictures.
func TestRerankLikeSearch(t *testing.T) {
	environ := clitest.Environ(t)
	for states, allowed := range map[string]float64{"auto": 1e-4, "int8": 0.02} {
		t.Run(states, func(t *testing.T) {
			s := serve(t, environ, "--data", data(t, environ, states), "--model", model(t))
			files := picturesOf(t)
			found := s.search(t, map[string]any{"text": trousers, "limit": 40, "deadline_ms": 30_000})
			var got rerankReply
			s.postJSON(t, "/v1/rerank", map[string]any{"query": trousers, "documents": backwards(found.Hits[:40]), "deadline_ms": 30_000}, &got)
			sameNumbers(t, found.Hits[:40], got.Results, 1e-4)
			var uploads []any
			for _, h := range slices.Backward(found.Hits[:12]) {
				uploads = append(uploads, dataURL(readPicture(t, files[h.ID])))
			}
			s.postJSON(t, "/v1/rerank", map[string]any{"query": trousers, "documents": uploads, "deadline_ms": 30_000}, &got)
			sameNumbers(t, found.Hits[:12], got.Results, allowed)

			query := readPicture(t, files["p0194"])
			found = s.search(t, map[string]any{"image": inJSON(query), "limit": 40, "deadline_ms": 30_000})
			var items []any
			for _, id := range backwards(found.Hits) {
				items = append(items, map[string]any{"id": id})
			}
			s.postJSON(t, "/v1/rerank", map[string]any{"query": map[string]any{"image": dataURL(query)}, "documents": items, "deadline_ms": 30_000}, &got)
			sameNumbers(t, found.Hits, got.Results, 1e-3)
			s.checkMatch(t, query, allowed)
		})
	}
}

// checkMatch: the four ways to name one pair give one score, and embeddings their
// cosine.
func (s *server) checkMatch(t *testing.T, picture []byte, allowed float64) {
	t.Helper()
	var match struct {
		Pairs []struct {
			ITC    float64     `json:"itc"`
			Logits *[2]float64 `json:"itm_logits"`
			Logit  *float64    `json:"itm_logit"`
		} `json:"pairs"`
	}
	pairs := []any{
		map[string]any{"text": trousers, "id": "p0194"},
		map[string]any{"text": trousers, "image": dataURL(picture)},
		map[string]any{"text": "a red mug", "id": "p0194"},
	}
	s.postJSON(t, "/v1/match", map[string]any{"deadline_ms": 30_000, "pairs": pairs}, &match)
	first := match.Pairs[0]
	if second := match.Pairs[1]; first.Logits == nil || math.Abs(*first.Logit-*second.Logit) > allowed || math.Abs(first.ITC-second.ITC) > 1e-4 || first.Logits[1] != *first.Logit {
		t.Errorf("one pair, two scores: %+v", match.Pairs)
	}
	if *match.Pairs[2].Logit >= *first.Logit {
		t.Errorf("trousers are more of a mug than of trousers: %+v", match.Pairs)
	}
	var e struct {
		Data []struct{ Embedding []float64 }
	}
	s.postJSON(t, "/v1/embeddings", map[string]any{"input": []any{trousers, map[string]any{"id": "p0194"}, map[string]any{"image": dataURL(picture)}}}, &e)
	for i := range 2 {
		var cosine float64
		for j, v := range e.Data[0].Embedding {
			cosine += v * e.Data[1+i].Embedding[j]
		}
		if math.Abs(cosine-first.ITC) > 1e-4 {
			t.Errorf("cosine %g of the embeddings, %g in the score", cosine, first.ITC)
		}
	}
}

// TestQueryPictureByAddress: an address and the bytes at it are one query; inner
// addresses are asked only where that is allowed.
func TestQueryPictureByAddress(t *testing.T) {
	environ := clitest.Environ(t)
	address, flags := shop(t)
	address += "/p0194.png"
	args := []string{"--data", data(t, environ, "auto"), "--model", model(t), "--read-only"}
	t.Run("allowed", func(t *testing.T) { serve(t, environ, append(args, flags...)...).checkAddress(t, address) })
	t.Run("refused", func(t *testing.T) { serve(t, environ, args...).checkInnerAddress(t, address) })
}

func (s *server) checkAddress(t *testing.T, address string) {
	t.Helper()
	want := s.search(t, map[string]any{"image": inJSON(readPicture(t, picturesOf(t)["p0194"])), "limit": 5, "deadline_ms": 30_000})
	got := s.search(t, map[string]any{"image": map[string]any{"url": address}, "limit": 5, "deadline_ms": 30_000})
	for i, h := range got.Hits {
		if w := want.Hits[i]; h.ID != w.ID || math.Abs(h.Score-w.Score) > 1e-4 {
			t.Errorf("place %d: %s %g by address, %s %g by bytes", i+1, h.ID, h.Score, w.ID, w.Score)
		}
	}
	var ranked rerankReply
	s.postJSON(t, "/v1/rerank", map[string]any{"query": trousers, "documents": []any{"p0000", address}, "deadline_ms": 30_000}, &ranked)
	if ranked.Results[0].Index != 1 || ranked.Rerank.Scored != 2 {
		t.Errorf("%+v", ranked)
	}
}

func (s *server) checkInnerAddress(t *testing.T, address string) {
	t.Helper()
	for path, body := range map[string]string{
		"/v1/search": fmt.Sprintf(`{"image": {"url": %q}, "deadline_ms": 30000}`, address),
		"/v1/rerank": fmt.Sprintf(`{"query": "red", "documents": [%q]}`, address),
	} {
		var p struct {
			Errors []struct{ Field, Detail string }
		}
		req := s.request(t, http.MethodPost, path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		if code := s.do(t, req, &p); code != 422 || len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Detail, "cannot be fetched") {
			t.Errorf("%s to an inner address: %d %+v", path, code, p)
		}
	}
}

// TestBox: a part of a picture is searched by as that part alone.
func TestBox(t *testing.T) {
	environ := clitest.Environ(t)
	s := serve(t, environ, "--data", data(t, environ, "auto"), "--model", model(t))
	whole := readPicture(t, picturesOf(t)["p0194"])
	box := picture.Box{0.25, 0.1, 0.9, 0.75}
	img, err := picture.Decode(whole, picture.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var part bytes.Buffer
	if err := png.Encode(&part, picture.Crop(img, box)); err != nil {
		t.Fatal(err)
	}
	ask := func(image map[string]any) answer {
		return s.search(t, map[string]any{"image": image, "limit": 5, "deadline_ms": 30_000, "rerank": map[string]any{"enabled": false}})
	}
	want, uncut := ask(inJSON(part.Bytes())), ask(inJSON(whole))
	boxed := inJSON(whole)
	boxed["box"] = box
	got := ask(boxed)
	byForm := s.form(t, whole, map[string]string{"image_box": "0.25,0.1,0.9,0.75", "limit": "5", "rerank": "false", "deadline_ms": "30000"})
	for i, w := range want.Hits {
		for _, h := range []hit{got.Hits[i], byForm.Hits[i]} {
			if h.ID != w.ID || math.Abs(h.ITC-w.ITC) > 1e-6 {
				t.Errorf("place %d: %s %g by box, %s %g by the part alone", i+1, h.ID, h.ITC, w.ID, w.ITC)
			}
		}
	}
	if math.Abs(got.Hits[0].ITC-uncut.Hits[0].ITC) < 1e-4 {
		t.Errorf("the box has no effect: %+v", got.Hits[0])
	}
}

// TestWeaviateCalls are those of Weaviate's module reranker-transformers, as of 2026:
// no Content-Type, at most 32 documents at a time, scores by their places.
func TestWeaviateCalls(t *testing.T) {
	environ := clitest.Environ(t)
	s := serve(t, environ, "--data", data(t, environ, "auto"), "--model", model(t))
	for path, want := range map[string]int{"/.well-known/ready": 204, "/.well-known/live": 204, "/meta": 200} {
		if got := s.status(t, http.MethodGet, path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	found := s.search(t, map[string]any{"text": trousers, "limit": 32, "deadline_ms": 30_000})
	body, err := json.Marshal(map[string]any{"query": trousers, "documents": backwards(found.Hits), "property": ""})
	if err != nil {
		t.Fatal(err)
	}
	var reply struct {
		Query  string
		Scores []struct {
			Document string
			Score    float64
		}
		Error string
	}
	if code := s.do(t, s.request(t, http.MethodPost, "/rerank", bytes.NewReader(body)), &reply); code != 200 || len(reply.Scores) != 32 {
		t.Fatalf("%d %+v", code, reply)
	}
	for i, score := range reply.Scores {
		if h := found.Hits[31-i]; score.Document != h.ID || math.Abs(score.Score-h.Score) > 1e-4 {
			t.Errorf("place %d: %+v, %s %g in the search", i, score, h.ID, h.Score)
		}
	}
}
