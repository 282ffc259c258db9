package hub_test

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sightline/encoder/hub"
	"sightline/encoder/hub/hubtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	repo    = "team/blip"
	weights = "model.safetensors"
)

// noise is n bytes of which no two places look alike.
func noise(n int, seed uint64) []byte {
	data, random := make([]byte, n), rand.New(rand.NewPCG(seed, 1))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

// rig is a server with one model, and a cache folder.
type rig struct {
	*hubtest.Server
	cache  string
	files  map[string][]byte
	commit string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{Server: hubtest.New(t), cache: t.TempDir()}
	r.files = map[string][]byte{
		weights: noise(300_000, 1), "config.json": []byte(`{"model_type":"blip"}`), "vocab.txt": []byte("[PAD]\n"), "empty.txt": {},
		"README.md": []byte("hello"), "tf_model.h5": noise(1000, 2),
	}
	r.commit = r.Put(repo, "main", r.files)
	return r
}

// options are impatient, so that tests of failures end soon.
func (r *rig) options() hub.Options {
	return hub.Options{Endpoint: r.URL, Cache: r.cache, Attempts: 4, Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond}
}

func (r *rig) open(t *testing.T, o hub.Options, name string) (*hub.Snapshot, error) {
	t.Helper()
	ref, err := hub.ParseRef(name)
	if err != nil {
		t.Fatal(err)
	}
	c, err := hub.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.Open(t.Context(), ref)
}

// fetch opens, fetches and closes.
func (r *rig) fetch(t *testing.T, o hub.Options, names ...string) error {
	t.Helper()
	s, err := r.open(t, o, repo)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Fetch(t.Context(), names...)
}

// whole holds a fetched file to the bytes that it should have.
func (r *rig) whole(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(r.path(name))
	if err != nil || !bytes.Equal(data, r.files[name]) {
		t.Errorf("%s: %d bytes, %v; want %d", name, len(data), err, len(r.files[name]))
	}
}

func (r *rig) dir() string {
	return filepath.Join(r.cache, "hub", strings.ReplaceAll(strings.TrimPrefix(r.URL, "http://"), ":", "_"), "team--blip")
}

func (r *rig) path(name string) string { return filepath.Join(r.dir(), "snapshots", r.commit, name) }

// nothing holds the cache to no file under the weights' name, and no blob that
// is not what its name says.
func (r *rig) nothing(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(r.path(weights)); err == nil {
		t.Error("a file stands under the weights' name")
	}
	blobs, err := os.ReadDir(filepath.Join(r.dir(), "blobs"))
	if err != nil || len(blobs) > 0 {
		t.Errorf("blobs: %v, %v", blobs, err)
	}
}

// partial is the size of the weights' partial file, -1 where there is none.
func (r *rig) partial() int64 {
	found, _ := filepath.Glob(filepath.Join(r.dir(), ".partial", "*"))
	for _, path := range found {
		if info, err := os.Stat(path); err == nil && !strings.HasSuffix(path, ".etag") {
			return info.Size()
		}
	}
	return -1
}

func isStore(r *http.Request) bool { return r.URL.Query().Get("signature") != "" }

// cut sends the header of a whole answer, n bytes of it from the asked offset,
// and breaks the connection.
func cut(w http.ResponseWriter, r *http.Request, data []byte, n int) {
	from := 0
	w.Header().Set("ETag", `"first"`)
	if text, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		from, _ = strconv.Atoi(strings.TrimSuffix(text, "-"))
		w.Header().Set("Content-Range", "bytes "+strconv.Itoa(from)+"-"+strconv.Itoa(len(data)-1)+"/"+strconv.Itoa(len(data)))
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(data)-from))
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	_, _ = w.Write(data[from:min(from+n, len(data))])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// times spoils the first n requests to the store.
func times(n int, spoil func(w http.ResponseWriter, r *http.Request)) func(http.ResponseWriter, *http.Request) bool {
	left := make(chan struct{}, n)
	for range n {
		left <- struct{}{}
	}
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !isStore(r) {
			return false
		}
		select {
		case <-left:
			spoil(w, r)
			return true
		default:
			return false
		}
	}
}

func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not say %q: %v", word, err)
		}
	}
}
