package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
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
