package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sightline/store"
)

func TestItems(t *testing.T) {
	s := newService("plain", "shoes/red & white/#9?", "ends/image", "half%2Fway")
	s.opts.Pictures = fakePictures{"hash-plain": []byte(pngBytes), "hash-ends/image": []byte("\xff\xd8\xff jpeg"), "hash-half%2Fway": []byte("RIFFxxxxWEBP"), "hash-shoes/red & white/#9?": []byte("<svg>")}
	for target, want := range map[string]string{
		"/v1/items/plain": "plain",
		"/v1/items/shoes%2Fred%20%26%20white%2F%239%3F": "shoes/red & white/#9?",
		"/v1/items/shoes/red%20&%20white/%239%3F":       "shoes/red & white/#9?",
		"/v1/items/ends%2Fimage":                        "ends/image",
		"/v1/items/half%252Fway":                        "half%2Fway",
	} {
		w := s.do(http.MethodGet, target, "", "")
		var item store.Item
		if err := json.Unmarshal(w.Body.Bytes(), &item); err != nil || item.ID != want || item.Title != "title of "+want {
			t.Errorf("%s: status %d, item %+v, error %v", target, w.Code, item, err)
		}
	}
	for target, want := range map[string]string{
		"/v1/items/plain/image":        "image/png",
		"/v1/items/ends/image/image":   "image/jpeg",
		"/v1/items/ends%2Fimage/image": "image/jpeg",
		"/v1/items/half%252Fway/image": "image/webp",
	} {
		w := s.do(http.MethodGet, target, "", "")
		h := w.Header()
		if w.Code != 200 || h.Get("Content-Type") != want || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") == "" {
			t.Errorf("%s: status %d, headers %v", target, w.Code, h)
		}
	}
	if w := s.do(http.MethodGet, "/v1/items/shoes/red%20&%20white/%239%3F/image", "", ""); w.Code != 500 {
		t.Errorf("a stored file that is no picture: status %d", w.Code)
	}
}

func TestPictureETag(t *testing.T) {
	s := newService("a")
	s.opts.Pictures = fakePictures{"hash-a": []byte(pngBytes)}
	r := newRequest("GET", "/v1/items/a/image", "", "")
	r.Header.Set("If-None-Match", `"hash-a"`)
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	if w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("ETag") != `"hash-a"` {
		t.Errorf("status %d, %d bytes, ETag %s", w.Code, w.Body.Len(), w.Header().Get("ETag"))
	}
	head := s.do(http.MethodHead, "/v1/items/a/image", "", "")
	if head.Code != 200 || head.Header().Get("Content-Length") != fmt.Sprint(len(pngBytes)) {
		t.Errorf("HEAD: status %d, headers %v", head.Code, head.Header())
	}
}

// A hit says which picture of the item was found, and that one can be asked for.
func TestViews(t *testing.T) {
	s := newService("a", "b")
	s.index.entries[0].Views = []store.View{{Picture: "hash-back"}, {Picture: "hash-gone"}}
	s.index.entries[1].Picture = ""
	s.index.views = map[string]int{"a": 2}
	s.opts.Pictures = fakePictures{"hash-a": []byte(pngBytes), "hash-back": []byte("\xff\xd8\xff jpeg")}
	w := s.post(`{"text":"red","rerank":{"depth":1}}`)
	if res := readHits(t, w); res.Hits[0].View != 2 || strings.Count(w.Body.String(), `"view"`) != 1 {
		t.Errorf("%s", w.Body)
	}
	for target, want := range map[string]string{
		"a/image": "200 hash-a", "a/image?view=0": "200 hash-a", "a/image?view=1": "200 hash-back", "a/image?view=&v=7": "200 hash-a",
		"a/image?view=2": "404 There is no stored picture of this item.", "a/image?view=3": "404 This item has no picture 3: view is 0 to 2.",
		"b/image?view=1": "404 This item has no picture 1: view is 0 to 0.", "b/image": "404 There is no stored picture of this item.",
		"c/image?view=1": "404 There is no indexed item with this id.", "a/image?view=-1": "422 view must be a whole number from 0, the main picture",
		"a/image?view=back": "422 view must be a whole number from 0, the main picture",
	} {
		w := s.do(http.MethodGet, "/v1/items/"+target, "", "")
		got := strings.Trim(w.Header().Get("ETag"), `"`)
		if w.Code != http.StatusOK {
			p := readProblem(t, w)
			if got = p.Detail; len(p.Errors) > 0 {
				got = p.Errors[0].Field + " " + p.Errors[0].Detail
			}
		}
		if got = fmt.Sprint(w.Code, " ", got); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}
