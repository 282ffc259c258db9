package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"sightline/store/fetch"
)

// raw is a server that writes what it likes to a connection.
func raw(t *testing.T, write func(net.Conn)) *httptest.Server {
	return handle(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		write(conn)
	})
}

// drip writes a byte every 5 ms until the other side has enough.
func drip(conn net.Conn, head string) {
	io.WriteString(conn, head)
	for range 2000 {
		if _, err := io.WriteString(conn, "x"); err != nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// reset closes a connection the hard way.
func reset(conn net.Conn) {
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

func TestHostileServers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	header := func(o *fetch.Options) { o.HeaderTimeout = 200 * time.Millisecond }
	noise := strings.Repeat("x", 64<<10)
	for name, tc := range map[string]struct {
		write func(net.Conn)
		want  fetch.Kind
		text  string
		limit func(*fetch.Options) // the one that ends it, short; a busy machine must not meet another
	}{
		"says nothing":        {func(c net.Conn) { io.Copy(io.Discard, c) }, fetch.KindTimeout, "", header},
		"header byte by byte": {func(c net.Conn) { drip(c, head+"X: ") }, fetch.KindTimeout, "", header},
		"endless header": {func(c net.Conn) {
			io.WriteString(c, head)
			for range 100 {
				if _, err := io.WriteString(c, "X-Y: "+noise+"\r\n"); err != nil {
					return
				}
			}
		}, fetch.KindConnection, "exceeded", nil},
		"no body": {func(c net.Conn) {
			io.WriteString(c, head+"Content-Length: 10\r\n\r\n")
			io.Copy(io.Discard, c)
		}, fetch.KindTimeout, "sends nothing for 200ms", func(o *fetch.Options) { o.IdleTimeout = 200 * time.Millisecond }},
		"body byte by byte": {func(c net.Conn) { drip(c, head+"Content-Length: 5000\r\n\r\n\xff\xd8\xff") }, fetch.KindTimeout, "takes longer than 600ms", func(o *fetch.Options) { o.Timeout = 600 * time.Millisecond }},
		"endless body": {func(c net.Conn) {
			io.WriteString(c, head+"\r\n\xff\xd8\xff")
			for range 10000 {
				if _, err := io.WriteString(c, noise); err != nil {
					return
				}
			}
		}, fetch.KindTooLarge, "more than 1048576 bytes", nil},
		"endless chunks": {func(c net.Conn) {
			io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n3\r\n\xff\xd8\xff\r\n")
			for range 10000 {
				if _, err := io.WriteString(c, "10000\r\n"+noise+"\r\n"); err != nil {
					return
				}
			}
		}, fetch.KindTooLarge, "more than 1048576 bytes", nil},
		"30 MB announced": {func(c net.Conn) {
			io.WriteString(c, head+"Content-Length: 31457280\r\n\r\n\xff\xd8\xff")
			io.Copy(io.Discard, c)
		}, fetch.KindTooLarge, "it has 31457280 bytes; the limit is 1048576", nil},
		"announces more than it sends": {func(c net.Conn) { io.WriteString(c, head+"Content-Length: 5000\r\n\r\n"+jpeg) }, fetch.KindConnection, "wrong length", nil},
		"announces no number":          {func(c net.Conn) { io.WriteString(c, head+"Content-Length: -5\r\n\r\n"+jpeg) }, fetch.KindConnection, "", nil},
		"two lengths":                  {func(c net.Conn) { io.WriteString(c, head+"Content-Length: 5\r\nContent-Length: 12\r\n\r\n"+jpeg) }, fetch.KindConnection, "", nil},
		"reset in the middle": {func(c net.Conn) {
			io.WriteString(c, head+"Content-Length: 5000\r\n\r\n"+jpeg)
			time.Sleep(20 * time.Millisecond)
			reset(c)
		}, fetch.KindConnection, "", nil},
		"reset at once":   {reset, fetch.KindConnection, "", nil},
		"no HTTP":         {func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.2p1\r\n") }, fetch.KindConnection, "", nil},
		"gzip":            {func(c net.Conn) { io.WriteString(c, head+"Content-Encoding: gzip\r\n\r\n"+jpeg) }, fetch.KindEncoding, `"gzip"`, nil},
		"brotli":          {func(c net.Conn) { io.WriteString(c, head+"Content-Encoding: br\r\n\r\n"+jpeg) }, fetch.KindEncoding, `"br"`, nil},
		"a page":          {func(c net.Conn) { io.WriteString(c, head+"Content-Type: image/jpeg\r\n\r\n<!doctype html><p>Log in") }, fetch.KindNotPicture, "text/html", nil},
		"an endless page": {func(c net.Conn) { drip(c, head+"\r\n<html>"+strings.Repeat(" ", 600)) }, fetch.KindNotPicture, "text/html", nil},
		"nothing":         {func(c net.Conn) { io.WriteString(c, head+"\r\n") }, fetch.KindNotPicture, "empty", nil},
		"switches protocols": {func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
		}, fetch.KindStatus, "101", nil},
		"a part not asked for": {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 206 Partial Content\r\n\r\n"+jpeg) }, fetch.KindStatus, "206", nil},
		"304 unconditionally":  {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 304 Not Modified\r\n\r\n") }, fetch.KindStatus, "304", nil},
		"300":                  {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 300 Multiple Choices\r\n\r\n") }, fetch.KindStatus, "300", nil},
		"redirect to nowhere":  {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 302 Found\r\n\r\n") }, fetch.KindRedirect, "nowhere", nil},
		"redirect to noise":    {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n") }, fetch.KindRedirect, "cannot be read", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := raw(t, tc.write)
			o := fetch.Options{MaxBytes: 1 << 20, Sniff: isJPEG, Attempts: 2}
			if tc.limit != nil {
				tc.limit(&o)
			}
			c := open(t, o, s)
			began := time.Now()
			_, err := get(t, c, s.URL)
			if e := wantKind(t, err, tc.want); !strings.Contains(e.Error(), tc.text) {
				t.Errorf("error %q does not say %q", e, tc.text)
			}
			if e, _ := errors.AsType[*fetch.Error](err); strings.Contains(e.Err.Error(), "127.0.0.1") {
				t.Errorf("error %q tells addresses", e)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if n := c.Stats().Failed[tc.want]; n != 1 {
				t.Errorf("%d failures counted", n)
			}
		})
	}
}

func TestStatuses(t *testing.T) {
	s := handle(t, func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.URL.Path[1:])
		w.WriteHeader(status)
	})
	c := open(t, fetch.Options{BreakerFailures: 1000}, s)
	for status, want := range map[int]struct {
		kind     fetch.Kind
		attempts int
	}{
		204: {fetch.KindStatus, 1}, 400: {fetch.KindStatus, 1}, 401: {fetch.KindDenied, 1}, 402: {fetch.KindDenied, 1}, 403: {fetch.KindDenied, 1},
		404: {fetch.KindNotFound, 1}, 408: {fetch.KindTimeout, 3}, 410: {fetch.KindNotFound, 1}, 418: {fetch.KindStatus, 1}, 429: {fetch.KindThrottled, 3},
		451: {fetch.KindDenied, 1}, 500: {fetch.KindServer, 3}, 501: {fetch.KindServer, 1}, 502: {fetch.KindServer, 3}, 503: {fetch.KindServer, 3},
		504: {fetch.KindServer, 3}, 505: {fetch.KindServer, 1}, 599: {fetch.KindServer, 3},
	} {
		_, err := get(t, c, fmt.Sprintf("%s/%d?token=secret#part", s.URL, status))
		e := wantKind(t, err, want.kind)
		if e.Attempts != want.attempts || e.Status != status {
			t.Errorf("%d: %+v, want %d attempts", status, e, want.attempts)
		}
		if text := e.Error(); strings.Contains(text, "secret") || !strings.Contains(text, "127.0.0.1") || !strings.Contains(text, "?…") {
			t.Errorf("address not redacted: %q", text)
		}
		if temporary := want.kind >= fetch.KindTimeout; e.Temporary() != temporary {
			t.Errorf("%d: temporary is %v", status, e.Temporary())
		}
	}
}

func TestRedirects(t *testing.T) {
	var header http.Header
	var s *httptest.Server
	s = handle(t, func(w http.ResponseWriter, r *http.Request) {
		switch n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/down/")); {
		case err == nil && n > 0:
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
			http.Redirect(w, r, fmt.Sprintf("%d", n-1), []int{301, 302, 303, 307, 308}[n%5])
		case r.URL.Path == "/a":
			http.Redirect(w, r, "/b", http.StatusFound)
		case r.URL.Path == "/b":
			http.Redirect(w, r, s.URL+"/a", http.StatusFound)
		default:
			header = r.Header
			fmt.Fprint(w, jpeg)
		}
	})
	c := open(t, fetch.Options{Contact: "https://shop.example/bot"}, s)
	r, err := get(t, c, s.URL+"/down/5")
	if err != nil || string(r.Data) != jpeg || r.FinalURL != s.URL+"/down/0" {
		t.Fatalf("%+v, %v", r, err)
	}
	if n := c.Stats().Redirects; n != 5 {
		t.Errorf("%d redirects counted", n)
	}
	want := http.Header{
		"User-Agent": {"Sightline/1 (+https://shop.example/bot)"}, "Accept": {"image/jpeg, image/png, image/webp, */*;q=0.1"}, "Accept-Encoding": {"identity"},
	}
	if fmt.Sprint(header) != fmt.Sprint(want) { // neither Referer nor Cookie
		t.Errorf("sent %v, want %v", header, want)
	}
	_, err = get(t, c, s.URL+"/down/6")
	wantKind(t, err, fetch.KindRedirect)
	_, err = get(t, c, s.URL+"/a")
	if e := wantKind(t, err, fetch.KindRedirect); !strings.Contains(e.Error(), "circles") {
		t.Error(e)
	}
	none := open(t, fetch.Options{MaxRedirects: -1}, s)
	_, err = get(t, none, s.URL+"/down/1")
	wantKind(t, err, fetch.KindRedirect)
}

func TestConditional(t *testing.T) {
	const etag, date = `"v1"`, "Wed, 25 Nov 2026 10:00:00 GMT"
	s := handle(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		w.Header().Set("ETag", etag)
		w.Header().Set("Last-Modified", date)
		http.ServeContent(w, r, "a.jpg", time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC), strings.NewReader(jpeg))
	})
	c := open(t, fetch.Options{}, s)
	first, err := get(t, c, s.URL)
	if err != nil || first.ETag != etag || first.LastModified != date || first.NotModified {
		t.Fatalf("%+v, %v", first, err)
	}
	for name, tc := range map[string]struct {
		request fetch.Request
		want    bool
	}{
		"etag":           {fetch.Request{ETag: etag}, true},
		"date":           {fetch.Request{LastModified: date}, true},
		"both":           {fetch.Request{ETag: etag, LastModified: date}, true},
		"moved":          {fetch.Request{ETag: etag, URL: "/moved"}, true},
		"other etag":     {fetch.Request{ETag: `"v0"`}, false},
		"older":          {fetch.Request{LastModified: "Tue, 24 Nov 2026 10:00:00 GMT"}, false},
		"broken etag":    {fetch.Request{ETag: "\"v1\"\r\nX: y"}, false},
		"etag too large": {fetch.Request{ETag: strings.Repeat("x", 2000)}, false},
	} {
		tc.request.URL = s.URL + tc.request.URL
		r, err := c.Get(t.Context(), tc.request)
		if err != nil || r.NotModified != tc.want || (r.Data == nil) != tc.want {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if st := c.Stats(); st.NotModified != 4 || st.Fetched != 9 {
		t.Errorf("%+v", st)
	}
}

func TestLimitIsExact(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		s := handle(t, func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.URL.Path[1:])
			if chunked {
				w.(http.Flusher).Flush()
			}
			w.Write(bytes.Repeat([]byte("x"), n))
		})
		c := open(t, fetch.Options{MaxBytes: 5000}, s)
		for _, n := range []int{0, 1, 511, 512, 513, 4999, 5000} {
			r, err := get(t, c, fmt.Sprintf("%s/%d", s.URL, n))
			if err != nil || len(r.Data) != n {
				t.Errorf("%d bytes (chunked %v): %d, %v", n, chunked, len(r.Data), err)
			}
		}
		_, err := get(t, c, s.URL+"/5001")
		wantKind(t, err, fetch.KindTooLarge)
	}
}

func TestCancel(t *testing.T) {
	s := handle(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := open(t, fetch.Options{BreakerFailures: 1}, s)
	why := errors.New("the import stops")
	for range 3 { // and the host is not blamed
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
		_, err := c.Get(ctx, fetch.Request{URL: s.URL})
		if _, isFault := errors.AsType[*fetch.Error](err); isFault || !errors.Is(err, why) {
			t.Errorf("got %v, want the cause of the ctx", err)
		}
	}
	if st := c.Stats(); st.Active != 0 || st.Waiting != 0 || st.HostsDown != 0 || len(st.Failed) != 0 {
		t.Errorf("%+v", st)
	}
}

func zipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
