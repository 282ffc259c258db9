package main

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sightline/cmd/internal/clitest"
)

// TestREST is one user's way through the service.
func TestREST(t *testing.T) {
	environ := clitest.Environ(t)
	s := serve(t, environ, "--data", data(t, environ, "auto"), "--model", model(t))
	t.Run("upload", s.checkUpload)
	t.Run("picture of an item", s.checkPictureOfItem)
	t.Run("query string", s.checkQueryString)
	t.Run("full depth", s.checkFullDepth)
	t.Run("problems", s.checkProblems)
	t.Run("item", s.checkItem)
	t.Run("page", s.checkPage)
	t.Run("probes", s.checkProbes)
	if strings.Contains(s.log.String(), "trousers") {
		t.Errorf("the log tells what was searched for:\n%s", s.log)
	}
}

func samplePicture(t *testing.T, id string) []byte {
	t.Helper()
	picture, err := os.ReadFile(filepath.Join(samples, "pictures", id+".png"))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

// form is a multipart body with a picture and fields.
func form(t *testing.T, picture []byte, fields map[string]string) (body *bytes.Buffer, contentType string) {
	t.Helper()
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	part, err := w.CreateFormFile("image", "photo.png")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(picture); err != nil {
		t.Fatal(err)
	}
	for name, value := range fields {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return body, w.FormDataContentType()
}

func (s *server) checkUpload(t *testing.T) {
	for _, id := range []string{"p0074", "p0123", "p0239"} {
		body, contentType := form(t, samplePicture(t, id), map[string]string{"limit": "5", "deadline_ms": "30000"})
		req := s.request(t, http.MethodPost, "/v1/search", body)
		req.Header.Set("Content-Type", contentType)
		var res answer
		if code := s.do(t, req, &res); code != http.StatusOK || len(res.Hits) != 5 {
			t.Fatalf("%d, %+v", code, res)
		}
		if h := res.Hits[0]; h.ID != id || h.ITC < 0.9999 || h.Logit == nil {
			t.Errorf("uploaded %s, found %+v", id, h)
		}
	}
}

// checkPictureOfItem: both ways to ask for what looks like an item leave the
// item itself out.
func (s *server) checkPictureOfItem(t *testing.T) {
	byID := s.search(t, map[string]any{"image": map[string]any{"id": "p0074"}, "limit": 3, "deadline_ms": 30_000, "rerank": map[string]any{"enabled": false}})
	var similar answer
	if code := s.get(t, "/v1/items/p0074/similar?limit=3&deadline_ms=30000", &similar); code != http.StatusOK {
		t.Fatalf("similar: %d", code)
	}
	for i, h := range byID.Hits {
		if h.ID == "p0074" || i >= len(similar.Hits) || similar.Hits[i].ID != h.ID {
			t.Errorf("place %d: %s by id, similar %+v", i+1, h.ID, similar.Hits)
		}
	}
	if len(byID.Hits) != 3 {
		t.Errorf("%d hits", len(byID.Hits))
	}
}

func (s *server) checkQueryString(t *testing.T) {
	const text = "white trousers with brown belt"
	var got answer
	if code := s.get(t, "/v1/search?limit=4&depth=20&deadline_ms=30000&q="+url.QueryEscape(text), &got); code != http.StatusOK {
		t.Fatal(code)
	}
	want := s.search(t, map[string]any{"text": text, "limit": 4, "deadline_ms": 30_000, "rerank": map[string]any{"depth": 20}})
	if len(got.Hits) != 4 || got.Hits[0].ID != "p0194" || got.Rerank.Scored != 20 {
		t.Errorf("got %+v", got)
	}
	for i, h := range got.Hits {
		if w := want.Hits[i]; h.ID != w.ID || *h.Logit != *w.Logit || h.Rank != w.Rank || h.ITCRank != w.ITCRank {
			t.Errorf("by GET %+v, by POST %+v", h, w)
		}
	}
	for _, stage := range []string{"tokenize", "encode", "search", "rerank", "total"} {
		if ms, ok := got.Timings[stage]; !ok || ms < 0 || stage != "tokenize" && ms == 0 {
			t.Errorf("timings %v lack %s", got.Timings, stage)
		}
	}
}

// checkFullDepth: the greatest depth that a request may ask for is read.
func (s *server) checkFullDepth(t *testing.T) {
	res := s.search(t, map[string]any{
		"text": "a mug", "limit": 1, "offset": 199, "deadline_ms": 30_000, "rerank": map[string]any{"depth": 200},
	})
	if res.Rerank.Scored != 200 || res.Rerank.Of != 200 || len(res.Hits) != 1 || res.Hits[0].Logit == nil {
		t.Errorf("got %+v", res)
	}
}

func (s *server) checkProblems(t *testing.T) {
	var p struct {
		Status int
		Code   string
		Errors []struct{ Field, Detail string }
	}
	req := s.request(t, http.MethodPost, "/v1/search", strings.NewReader(`{"text": "a mug", "limt": 3, "offset": -1}`))
	req.Header.Set("Content-Type", "application/json")
	if code := s.do(t, req, &p); code != http.StatusUnprocessableEntity || p.Status != code || len(p.Errors) != 2 {
		t.Fatalf("%d, %+v", code, p)
	}
	if e := p.Errors[0]; e.Field != "limt" || !strings.Contains(e.Detail, "limit") {
		t.Errorf("unknown field: %+v", e)
	}
	body, contentType := form(t, []byte("a letter, no picture"), nil)
	req = s.request(t, http.MethodPost, "/v1/search", body)
	req.Header.Set("Content-Type", contentType)
	if code := s.do(t, req, &p); code != http.StatusUnprocessableEntity || p.Code != "bad_picture" {
		t.Errorf("upload of a letter: %d, %+v", code, p)
	}
	if code := s.get(t, "/v1/items/absent", &p); code != http.StatusNotFound || p.Code != "not_found" {
		t.Errorf("absent item: %d, %+v", code, p)
	}
}

func (s *server) checkItem(t *testing.T) {
	var item map[string]any
	if code := s.get(t, "/v1/items/p0000", &item); code != http.StatusOK || item["title"] != "red checked watch with purple strap" || item["price"] != 36.41 {
		t.Errorf("%d, %v", code, item)
	}
	res, err := s.client.Do(s.request(t, http.MethodGet, "/v1/items/p0000/image", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "image/png" || !bytes.Equal(body, samplePicture(t, "p0000")) {
		t.Errorf("%d, %s, %d bytes", res.StatusCode, res.Header.Get("Content-Type"), len(body))
	}
}

var assetName = regexp.MustCompile(`"(assets/[^"]+)"`)

// checkPage reads the page and everything that it names.
func (s *server) checkPage(t *testing.T) {
	page := s.file(t, "/")
	if !strings.Contains(page, "<title>Sightline</title>") {
		t.Errorf("page %.500q", page)
	}
	assets := assetName.FindAllStringSubmatch(page, -1)
	for _, m := range assets {
		if s.file(t, "/"+m[1]) == "" {
			t.Errorf("%s is empty", m[1])
		}
	}
	if len(assets) < 3 {
		t.Errorf("the page names %q", assets)
	}
}

func (s *server) file(t *testing.T, path string) string {
	t.Helper()
	res, err := s.client.Do(s.request(t, http.MethodGet, path, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'self'") {
		t.Errorf("%s: %d, policy %q", path, res.StatusCode, res.Header.Get("Content-Security-Policy"))
	}
	return string(body)
}

func (s *server) checkProbes(t *testing.T) {
	var alive, ready map[string]any
	if code := s.get(t, "/healthz", &alive); code != http.StatusOK || alive["status"] != "alive" {
		t.Errorf("healthz: %d, %v", code, alive)
	}
	if code := s.get(t, "/readyz", &ready); code != http.StatusOK || ready["items"] != 240.0 || ready["model"] == "" || ready["version"] == "" {
		t.Errorf("readyz: %d, %v", code, ready)
	}
}

// TestFilter: hits of a filtered search satisfy it, and a narrow one still fills
// the page with what there is.
func TestFilter(t *testing.T) {
	environ := clitest.Environ(t)
	s := serve(t, environ, "--model", model(t), "--data", data(t, environ, "auto"))
	res := s.search(t, map[string]any{"text": "a red watch", "limit": 100, "filter": `category = "watch" AND price < 100`})
	if len(res.Hits) == 0 {
		t.Fatal("no watch below 100")
	}
	for _, h := range res.Hits {
		if price, ok := h.Item["price"].(float64); h.Item["category"] != "watch" || !ok || price >= 100 {
			t.Errorf("%s is no watch below 100: %v", h.ID, h.Item)
		}
	}
	if res := s.search(t, map[string]any{"text": "a red watch", "filter": map[string]any{"category": "spaceship"}}); len(res.Hits) != 0 {
		t.Errorf("%d spaceships", len(res.Hits))
	}
}
