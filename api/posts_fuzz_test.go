package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"sightline/api"
)

// posts are the routes that take bodies; webhooks have a fuzz target of their own
// (indexer/shopify).
func posts() []string {
	return []string{
		"POST /v1/search", "POST /v1/explain", "POST /v1/rerank", "POST /v2/rerank", "POST /rerank", "POST /v1/match", "POST /v1/embeddings",
		"POST /v1/items:batch", "POST /v1/items:delete", "POST /v1/jobs/x:retry", "POST /v1/session", "PUT /v1/items/a", "PATCH /v1/items/a",
		"POST /v1/captions", "POST /v1/answers",
	}
}

// TestPostsAreFuzzed: the list has all that the description has.
func TestPostsAreFuzzed(t *testing.T) {
	c, err := newContract()
	if err != nil {
		t.Fatal(err)
	}
	paths, _ := c.doc["paths"].(map[string]any)
	for path := range paths {
		name := strings.NewReplacer("/items/{id}", "/items/a", "{id}", "x").Replace(path)
		for _, method := range []string{"post", "put", "patch"} {
			at := strings.ToUpper(method) + " " + name
			if c.at("paths", path, method) != nil && !strings.HasPrefix(path, "/webhooks/") && !slices.Contains(posts(), at) {
				t.Errorf("%s is not fuzzed: add it to posts", at)
			}
		}
	}
}

// FuzzPosts: whatever is sent, and as whatever, the answer is one that the
// description has, and not one of a failure of the server.
func FuzzPosts(f *testing.F) {
	media := []string{"application/json", "multipart/form-data; boundary=xx", "application/x-ndjson", "application/merge-patch+json", ""}
	form := "--xx\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nred\r\n--xx\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\n" + photo(5) + "\r\n--xx--\r\n"
	put := strings.Replace(strings.Replace(form, `"text"`, `"item"`, 1), "red", `{"title":"a"}`, 1)
	for i, seed := range []string{
		`{"text":"red","image":{"base64":"` + b64(5) + `","box":[0,0,0.5,1]},"facets":["brand",{"field":"price","ranges":[{"to":5}]}]}`,
		`{"text":"red","id":"a","word":"red","layers":[0]}`, `{"query":"red","documents":["a",{"id":"b"},{"image":"` + b64(5) + `"}]}`,
		`{"query":{"id":"a"},"documents":["red"],"return_documents":true}`, `{"query":"red","documents":["a",""],"property":""}`,
		`{"pairs":[{"text":"red","id":"a"},{"text":"blue","image_url":{"url":"http://x.example/1"}}]}`, `{"input":["red",{"id":"a"}],"encoding_format":"base64"}`,
		`{"items":[{"id":"a","image":"https://a.example/b.jpg"}],"deletes":["b"]}`, `{"filter":{"brand":"a"},"expect":0}`, ``, `{"key":"sl_"}`,
		`{"title":"a","image":"https://a.example/b.jpg"}`, `{"price":1}`,
		`{"images":[{"id":"a"},{"base64":"` + b64(5) + `"}],"samples":2,"top_p":0.9,"seed":7,"ids":true}`, `{"image":{"id":"a"},"question":"what?","answers":["red","blue"],"rank":1}`,
	} {
		f.Add(uint8(i), uint8(0), []byte(seed))
	}
	f.Add(uint8(0), uint8(1), []byte(form))
	f.Add(uint8(11), uint8(1), []byte(put))
	f.Add(uint8(7), uint8(2), []byte("{\"id\":\"a\",\"image\":\"https://a.example/b.jpg\"}\n\n{\"id\":7}\n"))
	f.Add(uint8(12), uint8(3), []byte(`{"color":null}`))
	f.Add(uint8(4), uint8(4), []byte(`{"query":"red","documents":["a"]}`))
	h := fuzzed(f)
	c, err := interfaceContract()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, route, kind uint8, body []byte) {
		method, path, _ := strings.Cut(posts()[int(route)%len(posts())], " ")
		r := httptest.NewRequest(method, path, bytes.NewReader(body))
		if name := media[int(kind)%len(media)]; name != "" {
			r.Header.Set("Content-Type", name)
		}
		r.Header.Set("Prefer", "respond-async")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var p problem
		// What the request asks for by itself: addresses that are down, and deadlines.
		asked := []string{"fetch_failed", "deadline"}
		if w.Code >= http.StatusInternalServerError && (json.Unmarshal(w.Body.Bytes(), &p) != nil || !slices.Contains(asked, p.Code)) {
			t.Errorf("%s %s: %d: %s", method, path, w.Code, w.Body)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := c.verdict(r, w.Code, w.Header(), w.Body.Bytes()); err != nil {
			t.Errorf("%s %s: %d: %v", method, path, w.Code, err)
		}
	})
}

// fuzzed is a service with all of its parts.
func fuzzed(f *testing.F) http.Handler {
	f.Helper()
	s, c := newShop(f), newService("a", "b")
	eyes := &eyes{fakeModel: c.model}
	for i := range c.index.entries {
		c.index.entries[i].Embedding = dial(5)
	}
	c.engine.Texts, c.engine.Images, c.engine.Fetcher, c.engine.Titles = eyes, eyes, &web{}, &fakeTitles{best: "0001"}
	c.engine.States, c.engine.Explainer = fakeStates{"hash-a": {Tokens: 1}}, &fakeExplainer{}
	author := &api.Author{Images: eyes, Model: thinker{c.model}, Pen: &pen{}, Fingerprint: "sha256:author", Longest: 30}
	c.engine.Captioner, c.engine.Answerer = author, author
	c.opts.Catalogue = s.opts.Catalogue
	return c.handler()
}
