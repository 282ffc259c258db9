package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sightline/store/fetch"
)

// feed is noise that tells where it was cut.
func feed(size int) []byte {
	data := make([]byte, size)
	source := rand.NewChaCha8([32]byte{1})
	source.Read(data)
	return data
}

func readStream(t *testing.T, c *fetch.Client, address string) ([]byte, int64, error) {
	t.Helper()
	body, size, err := c.Open(t.Context(), address)
	if err != nil {
		return nil, 0, err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	return data, size, err
}

func TestStream(t *testing.T) {
	data := feed(3 << 20)
	small, bomb := zipped(t, data), zipped(t, make([]byte, 16<<20)) // before anybody waits for an answer
	broken := bytes.Clone(small)
	broken[len(broken)-6] ^= 1
	s := handle(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("Accept-Encoding %q", r.Header.Get("Accept-Encoding"))
		}
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/plain", http.StatusFound)
		case "/plain":
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data)
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(small)
		case "/large":
			w.Write(append(bytes.Clone(data), data...))
		case "/announced":
			w.Header().Set("Content-Length", fmt.Sprint(1<<40))
			w.Write(data)
		case "/bomb": // 16 MB in 16 KB
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb)
		case "/nogzip":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(data)
		case "/broken":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(broken)
		case "/zstd":
			w.Header().Set("Content-Encoding", "zstd")
			w.Write(data)
		default:
			http.NotFound(w, r)
		}
	})
	c := open(t, fetch.Options{MaxStreamBytes: 4 << 20}, s)
	for path, want := range map[string]struct {
		size int64
		kind fetch.Kind
	}{
		"/plain": {3 << 20, 0}, "/moved": {3 << 20, 0}, "/gzip": {-1, 0},
		"/large": {-1, fetch.KindTooLarge}, "/announced": {0, fetch.KindTooLarge}, "/bomb": {-1, fetch.KindTooLarge},
		"/nogzip": {0, fetch.KindEncoding}, "/broken": {-1, fetch.KindEncoding}, "/zstd": {0, fetch.KindEncoding}, "/none": {0, fetch.KindNotFound},
	} {
		got, size, err := readStream(t, c, s.URL+path)
		if kind := kindOf(t, err); kind != want.kind || size != want.size {
			t.Errorf("%s: size %d, %v; want %d, %v", path, size, err, want.size, want.kind)
		}
		if want.kind == 0 && !bytes.Equal(got, data) || len(got) > 4<<20 {
			t.Errorf("%s: %d bytes differ", path, len(got))
		}
	}
}

func TestStreamConditional(t *testing.T) {
	s := handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, r, "feed.csv", time.Time{}, strings.NewReader("id,title\n"))
	})
	c := open(t, fetch.Options{}, s)
	first, err := c.OpenStream(t.Context(), fetch.Request{URL: s.URL})
	if err != nil || first.ETag != `"v1"` || first.NotModified || first.Size != 9 {
		t.Fatalf("%+v, %v", first, err)
	}
	first.Close()
	again, err := c.OpenStream(t.Context(), fetch.Request{URL: s.URL, ETag: first.ETag})
	if err != nil || !again.NotModified {
		t.Fatalf("%+v, %v", again, err)
	}
	if n, err := io.Copy(io.Discard, again.Body); n != 0 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	again.Close()
}

// breaking serves data as a file whose connection breaks after each part.
type breaking struct {
	data      []byte
	part      int
	etag      func(request int64) string
	noRanges  bool
	shift     int // bytes by which ranges are answered wrongly
	encoding  string
	requests  atomic.Int64
	failAlso  func(request int64) bool // with 503
	lastRange atomic.Value
}

func (b *breaking) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := b.requests.Add(1)
	b.lastRange.Store(r.Header.Get("Range"))
	if b.failAlso != nil && b.failAlso(n) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	h := w.Header()
	h.Set("ETag", b.etag(n))
	if b.encoding != "" {
		h.Set("Content-Encoding", b.encoding)
	}
	from := 0
	if !b.noRanges {
		h.Set("Accept-Ranges", "bytes")
		if r.Header.Get("If-Range") == b.etag(n) {
			fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		}
	}
	rest := b.data[from:]
	h.Set("Content-Length", fmt.Sprint(len(rest)))
	if from > 0 {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from+b.shift, len(b.data)-1, len(b.data)))
		w.WriteHeader(http.StatusPartialContent)
	}
	w.Write(rest[:min(len(rest), b.part)])
	if len(rest) > b.part {
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

func same(int64) string { return `"v1"` }

func TestStreamGoesOnAfterBreaks(t *testing.T) {
	data := feed(10 << 20)
	every := func(n int64) bool { return n > 1 && n%2 == 0 }
	for name, b := range map[string]*breaking{
		"plain":           {data: data, part: 2 << 20, etag: same},
		"failing between": {data: data, part: 2 << 20, etag: same, failAlso: every},
		"gzip":            {data: zipped(t, data), part: 2 << 20, etag: same, encoding: "gzip"},
	} {
		s := handle(t, b.ServeHTTP)
		c := open(t, fetch.Options{}, s)
		got, _, err := readStream(t, c, s.URL)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if n := c.Stats().Resumed; n < 4 {
			t.Errorf("%s: resumed %d times", name, n)
		}
		if st := c.Stats(); st.Active != 0 {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

func TestStreamThatCannotGoOn(t *testing.T) {
	data := feed(4 << 20)
	for name, tc := range map[string]struct {
		server *breaking
		want   fetch.Kind
	}{
		"changes":       {&breaking{data: data, part: 2 << 20, etag: func(n int64) string { return fmt.Sprintf(`"v%d"`, n) }}, fetch.KindChanged},
		"no ranges":     {&breaking{data: data, part: 2 << 20, etag: same, noRanges: true}, fetch.KindConnection},
		"weak":          {&breaking{data: data, part: 2 << 20, etag: func(int64) string { return `W/"v1"` }}, fetch.KindConnection},
		"wrong range":   {&breaking{data: data, part: 2 << 20, etag: same, shift: 1}, fetch.KindChanged},
		"little by bit": {&breaking{data: data, part: 100, etag: same}, fetch.KindConnection},
	} {
		s := handle(t, tc.server.ServeHTTP)
		c := open(t, fetch.Options{}, s)
		got, _, err := readStream(t, c, s.URL)
		wantKind(t, err, tc.want)
		if !bytes.HasPrefix(data, got) {
			t.Errorf("%s: %d bytes are not the feed's", name, len(got))
		}
		if n := tc.server.requests.Load(); n > 3 {
			t.Errorf("%s: %d requests", name, n)
		}
		if st := c.Stats(); st.Active != 0 {
			t.Errorf("%s: %+v", name, st)
		}
	}
}

// TestStreamSparesPlaces: the feed and its pictures may lie on one host, of
// which one request at a time is allowed.
func TestStreamSparesPlaces(t *testing.T) {
	s := handle(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/feed" {
			w.Write(feed(8 << 20))
		}
		fmt.Fprint(w, jpeg)
	})
	c := open(t, fetch.Options{PerHost: 1, Concurrency: 1}, s)
	body, _, err := c.Open(t.Context(), s.URL+"/feed")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	for range 3 {
		if _, err := io.CopyN(io.Discard, body, 1<<20); err != nil {
			t.Fatal(err)
		}
		if _, err := get(t, c, s.URL); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStreamEndsWithItsContext(t *testing.T) {
	s := raw(t, func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin")
		io.Copy(io.Discard, c)
	})
	c := open(t, fetch.Options{}, s)
	ctx, cancel := context.WithCancelCause(t.Context())
	body, size, err := c.Open(ctx, s.URL)
	if err != nil || size != 100 {
		t.Fatal(size, err)
	}
	defer body.Close()
	why := errors.New("the import stops")
	time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
	if _, err := io.ReadAll(body); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	// Without a cause the idle time ends it; it is no time limit of Get's.
	c = open(t, fetch.Options{IdleTimeout: 100 * time.Millisecond}, s)
	body, _, err = c.Open(t.Context(), s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	_, err = io.ReadAll(body)
	wantKind(t, err, fetch.KindTimeout)
	if _, again := body.Read(make([]byte, 1)); again == nil || again.Error() != err.Error() {
		t.Errorf("the error does not stay: %v", again)
	}
}
