package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sightline/api"
	"sightline/store/cache"
	"sightline/store/keys"
)

// countedPictures count how often each is read.
type countedPictures struct {
	fakePictures

	reads atomic.Int64
	enter func() // nil for nothing
}

func (p *countedPictures) Get(ctx context.Context, key string) ([]byte, error) {
	p.reads.Add(1)
	if p.enter != nil {
		p.enter()
	}
	return p.fakePictures.Get(ctx, key)
}

func photograph(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = byte(i/4%w) | 3
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, nil); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func cutout(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	img.SetNRGBA(0, 0, color.NRGBA{255, 0, 0, 255})
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// newPhotos has a photo of 600×300 (a), a cut-out of 400×400 (b), a small photo
// (c), and one that cannot be decoded (d).
func newPhotos(t *testing.T) (*service, *countedPictures) {
	t.Helper()
	s := newService("a", "b", "c", "d")
	p := &countedPictures{fakePictures: fakePictures{
		"hash-a": photograph(t, 600, 300), "hash-b": cutout(t, 400, 400), "hash-c": photograph(t, 50, 40), "hash-d": []byte("\xff\xd8\xff jpeg"),
	}}
	s.opts.Pictures = p
	return s, p
}

// keepShrunk gives the service a cache for them.
func keepShrunk(t *testing.T, s *service) {
	t.Helper()
	memory, err := cache.NewMemory(cache.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fetcher := cache.NewFetcher(memory, cache.FetcherOptions{})
	t.Cleanup(func() {
		if err := errors.Join(fetcher.Close(), memory.Close()); err != nil {
			t.Error(err)
		}
	})
	s.opts.Shrunk = fetcher
}

func TestPictureWidths(t *testing.T) {
	s, p := newPhotos(t)
	h := s.handler()
	for target, want := range map[string]string{
		"a/image?width=320":        "image/jpeg 320×160",
		"a/image?width=200":        "image/jpeg 256×128", // the next step
		"a/image?width=1":          "image/jpeg 64×32",
		"a/image?width=600":        "image/jpeg 600×300", // 640 would enlarge it
		"a/image?width=1920":       "image/jpeg 600×300",
		"a/image":                  "image/jpeg 600×300",
		"a/image?width=":           "image/jpeg 600×300",
		"b/image?width=96&view=0":  "image/png 96×96",
		"c/image?width=64":         "image/jpeg 50×40",
		"a/image?width=96&v=reset": "image/jpeg 96×48",
	} {
		w := serve(h, http.MethodGet, "/v1/items/"+target, "", strings.NewReader(""))
		cfg, format, err := image.DecodeConfig(w.Body)
		if got := fmt.Sprintf("%s %d×%d", w.Header().Get("Content-Type"), cfg.Width, cfg.Height); got != want || err != nil || "image/"+format != w.Header().Get("Content-Type") {
			t.Errorf("%s: %d %s, %v; want %s", target, w.Code, got, err, want)
		}
	}
	for _, target := range []string{"width=0", "width=-1", "width=1921", "width=wide", "width=1e3"} {
		if w := serve(h, http.MethodGet, "/v1/items/a/image?"+target, "", strings.NewReader("")); w.Code != http.StatusUnprocessableEntity || readProblem(t, w).Errors[0].Field != "width" {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	if w := serve(h, http.MethodGet, "/v1/items/d/image?width=64", "", strings.NewReader("")); w.Code != 200 || w.Body.String() != string(p.fakePictures["hash-d"]) {
		t.Errorf("what cannot be decoded is shown as it is: %d", w.Code)
	}
}

// A page asks for the same picture many times at once: it is read and made
// smaller once, and from then on not at all.
func TestShrunkOnce(t *testing.T) {
	s, p := newPhotos(t)
	keepShrunk(t, s)
	entered, release := make(chan struct{}, 1), make(chan struct{})
	p.enter = func() { entered <- struct{}{}; <-release }
	h := s.handler()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if w := serve(h, http.MethodGet, "/v1/items/a/image?width=300", "", strings.NewReader("")); w.Code != 200 || w.Body.Len() == 0 {
				t.Errorf("status %d", w.Code)
			}
		})
	}
	<-entered
	close(release)
	wg.Wait()
	serve(h, http.MethodGet, "/v1/items/a/image?width=320", "", strings.NewReader(""))
	// Those who came after the load had ended found it kept, so once it is.
	if n := p.reads.Load(); n != 1 {
		t.Errorf("read %d times", n)
	}
	serve(h, http.MethodGet, "/v1/items/a/image?width=96", "", strings.NewReader(""))
	if n := p.reads.Load(); n != 2 {
		t.Errorf("read %d times after another width", n)
	}
}

func TestPictureValidation(t *testing.T) {
	s, p := newPhotos(t)
	h := s.handler()
	ask := func(method, target string, headers ...string) *httptest.ResponseRecorder {
		r := newRequest(method, target, "", "")
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	first := ask("GET", "/v1/items/a/image?width=320")
	tag := first.Header().Get("ETag")
	if tag != `"hash-a-w320"` || first.Header().Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("headers %v", first.Header())
	}
	reads := p.reads.Load()
	for _, given := range []string{tag, `"other", ` + tag, "W/" + tag, "*"} {
		if w := ask("GET", "/v1/items/a/image?width=300", "If-None-Match", given); w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("ETag") != tag {
			t.Errorf("%s: %d, %v", given, w.Code, w.Header())
		}
	}
	if p.reads.Load() != reads {
		t.Error("a picture was read for a 304")
	}
	if w := ask("GET", "/v1/items/a/image", "If-None-Match", tag); w.Code != 200 || w.Header().Get("ETag") != `"hash-a"` {
		t.Errorf("another width's tag: %d", w.Code)
	}
	if w := ask("HEAD", "/v1/items/a/image?width=320"); w.Code != 200 || w.Body.Len() > 0 || w.Header().Get("Content-Length") != fmt.Sprint(first.Body.Len()) || w.Header().Get("Content-Type") != "image/jpeg" {
		t.Errorf("HEAD: %d, %v", w.Code, w.Header())
	}
	if w := ask("GET", "/v1/items/a/image?width=320", "Range", "bytes=2-9", "If-Range", tag); w.Code != http.StatusPartialContent || w.Body.String() != first.Body.String()[2:10] {
		t.Errorf("Range: %d, %q", w.Code, w.Body)
	}
	if w := ask("GET", "/v1/items/none/image?width=320"); w.Code != 404 || w.Header().Get("ETag") != "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("no item: %d, %v", w.Code, w.Header())
	}
	delete(p.fakePictures, "hash-b")
	if w := ask("GET", "/v1/items/b/image?width=320"); w.Code != 404 || w.Header().Get("ETag") != "" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("no picture: %d, %v", w.Code, w.Header())
	}
}

func TestSearchValidation(t *testing.T) {
	cached := newCachedService(t, "a", "b", "c")
	for name, s := range map[string]*service{"cached": cached.service, "not cached": newService("a", "b", "c")} {
		s.index.entries[0].ContentHash = "hash"
		h := s.handler()
		ask := func(method, target, tag string) *httptest.ResponseRecorder {
			r := newRequest(method, target, "", "")
			if tag != "" {
				r.Header.Set("If-None-Match", tag)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		for _, target := range []string{"/v1/search?q=red+shoes&limit=2", "/v1/items/a/similar?limit=2", "/v1/items/a"} {
			first := ask("GET", target, "")
			tag := first.Header().Get("ETag")
			if first.Code != 200 || tag == "" || first.Header().Get("Cache-Control") != "public, no-cache" {
				t.Fatalf("%s, %s: %d, %v", name, target, first.Code, first.Header())
			}
			for _, method := range []string{"GET", "HEAD"} {
				if w := ask(method, target, tag); w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("ETag") != tag {
					t.Errorf("%s, %s %s again: %d, %v", name, method, target, w.Code, w.Header())
				}
			}
			if w := ask("GET", target, `W/"other"`); w.Code != 200 || w.Body.Len() == 0 {
				t.Errorf("%s, %s with another tag: %d", name, target, w.Code)
			}
		}
		one, other := ask("GET", "/v1/search?q=red+shoes&limit=2", ""), ask("GET", "/v1/search?q=red+shoes&limit=3", "")
		if one.Header().Get("ETag") == other.Header().Get("ETag") {
			t.Errorf("%s: two answers with one tag", name)
		}
		if w := s.post(`{"text":"red shoes"}`); w.Header().Get("ETag") != "" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: POST has %v", name, w.Header())
		}
	}
	// A write that changes nothing of the answer leaves its tag, one that does not.
	tag := func() string {
		return cached.do("GET", "/v1/search?q=red+shoes", "", "").Header().Get("ETag")
	}
	before := tag()
	cached.generation.Add(1)
	if tag() != before {
		t.Error("the tag depends on the generation, not on the answer")
	}
	cached.generation.Add(1)
	cached.index.entries[1].Item.Title = "changed"
	if tag() == before {
		t.Error("a changed item has not changed the tag")
	}
}

// Where keys are asked for, nobody between may keep an answer.
func TestPrivateAnswers(t *testing.T) {
	s, _ := newPhotos(t)
	s.opts.Access.Keys = fakeKeys{"looks": {ID: "1", Scopes: keys.Search}}
	for target, want := range map[string]string{"/v1/search?q=red": "private, no-cache", "/v1/items/a": "private, no-cache", "/v1/items/a/image?width=96": "private, max-age=300"} {
		r := newRequest("GET", target, "", "")
		r.Header.Set("X-Api-Key", "looks")
		w := httptest.NewRecorder()
		s.handler().ServeHTTP(w, r)
		if got := w.Header().Get("Cache-Control"); w.Code != 200 || got != want {
			t.Errorf("%s: %d %q", target, w.Code, got)
		}
	}
}

// TestRefusedIsCounted: each caller who is turned away has a reason.
func TestRefusedIsCounted(t *testing.T) {
	s := locked(t)
	var counted []string
	s.opts.Refused = func(status int, why string) { counted = append(counted, fmt.Sprint(status, " ", why)) }
	h := s.handler()
	for _, c := range []struct{ target, key, want string }{
		{"/v1/search?q=red", "", "401 no_key"},
		{"/v1/search?q=red", "typo", "401 malformed"},
		{"/v1/search?q=red", "other", "401 unknown"},
		{"/v1/search?q=red", "late", "401 expired"},
		{"/v1/search?q=red", "gone", "401 revoked"},
		{"/v1/jobs", "looks", "403 insufficient_scope"},
		{"/v1/items?state=failed", "looks", "403 insufficient_scope"},
		{"/v1/items?state=failed", "both", ""},
		{"/v1/search?q=red&limit=0", "looks", ""},
	} {
		counted = nil
		r := newRequest("GET", c.target, "", "")
		if c.key != "" {
			r.Header.Set("X-Api-Key", c.key)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if got := strings.Join(counted, ", "); got != c.want {
			t.Errorf("%s with %q: %q, want %q", c.target, c.key, got, c.want)
		}
	}
	open := newService("a")
	open.opts.MaxSearches = 1
	open.opts.Refused = func(status int, why string) { counted = append(counted, fmt.Sprint(status, " ", why)) }
	h = open.handler()
	counted = nil
	open.index.search = func(context.Context) error {
		serve(h, "GET", "/v1/search?q=blue", "", strings.NewReader(""))
		return nil
	}
	serve(h, "GET", "/v1/search?q=red", "", strings.NewReader(""))
	if got := strings.Join(counted, ", "); got != "429 searches" {
		t.Errorf("a full house: %q", got)
	}
}

var _ api.Pictures = (*countedPictures)(nil)
