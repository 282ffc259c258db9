package hub_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sightline/encoder/hub"
	"sightline/encoder/hub/hubtest"
)

// TestBrokenConnections: the rest is asked for by range and with the first
// part's validator, and nothing is sent twice.
func TestBrokenConnections(t *testing.T) {
	r := newRig(t)
	r.Spoil(times(3, func(w http.ResponseWriter, req *http.Request) { cut(w, req, r.files[weights], 50_000) }))
	if err := r.fetch(t, r.options(), weights); err != nil {
		t.Fatal(err)
	}
	r.whole(t, weights)
	var ranges []string
	for _, req := range r.Requests(weights) {
		if isStore(req) {
			ranges = append(ranges, req.Header.Get("Range")+" "+req.Header.Get("If-Range"))
		}
	}
	// The fourth answer is not a part: its ETag is another, so If-Range gets it all.
	want := []string{" ", `bytes=50000- "first"`, `bytes=100000- "first"`, `bytes=150000- "first"`}
	if strings.Join(ranges, ";") != strings.Join(want, ";") {
		t.Errorf("ranges %q, want %q", ranges, want)
	}
}

// TestResumedBytes: with one validator all along, every byte is sent once.
func TestResumedBytes(t *testing.T) {
	r := newRig(t)
	r.Spoil(func(w http.ResponseWriter, req *http.Request) bool {
		if isStore(req) {
			cut(w, req, r.files[weights], 120_000)
		}
		return false
	})
	var sent int64
	o := r.options()
	o.Progress = func(p hub.Progress) { sent = p.Done }
	if err := r.fetch(t, o, weights); err != nil {
		t.Fatal(err)
	}
	r.whole(t, weights)
	if n := len(r.Requests(weights)); n != 6 || sent != 300_000 { // each a redirect and a part
		t.Errorf("%d requests, %d bytes", n, sent)
	}
}

// TestFaults: whatever the server does wrong, the file is right in the end or
// there is none, and the error says why.
func TestFaults(t *testing.T) {
	good := noise(300_000, 1)
	other := noise(300_000, 7)
	half := func(w http.ResponseWriter, req *http.Request) { cut(w, req, good, 150_000) }
	cases := map[string]struct {
		first, then func(w http.ResponseWriter, req *http.Request)
		want        string // "": it goes well
	}{
		"ranges are not served": {first: half, then: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(good)
		}},
		"another file in between": {first: func(w http.ResponseWriter, req *http.Request) { cut(w, req, other, 150_000) }},
		"another file, If-Range is not heeded": {first: func(w http.ResponseWriter, req *http.Request) { cut(w, req, other, 150_000) }, then: func(w http.ResponseWriter, req *http.Request) {
			req.Header.Del("If-Range")
			hubtest.Serve(w, req, good)
		}},
		"another file, and no validators": {first: func(w http.ResponseWriter, req *http.Request) { cut(w, req, other, 150_000) }, then: func(w http.ResponseWriter, req *http.Request) {
			part(w, req, good)
		}},
		"always another file": {first: func(w http.ResponseWriter, req *http.Request) { cut(w, req, other, 150_000) }, then: func(w http.ResponseWriter, req *http.Request) {
			hubtest.Serve(w, req, other)
		}, want: "has hash"},
		"the wrong part": {first: half, then: func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Range") == "" {
				hubtest.Serve(w, req, good)
				return
			}
			w.Header().Set("Content-Range", "bytes 0-299999/300000")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(good)
		}},
		"416": {first: half, then: func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Range") == "" {
				hubtest.Serve(w, req, good)
				return
			}
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		}},
		"longer, announced":  {then: func(w http.ResponseWriter, req *http.Request) { hubtest.Serve(w, req, append(bytes.Clone(good), 1)) }, want: "300001 would come"},
		"shorter, announced": {then: func(w http.ResponseWriter, req *http.Request) { hubtest.Serve(w, req, good[1:]) }, want: "299999 would come"},
		"longer, chunked": {then: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(good)
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write([]byte("more"))
		}, want: "longer than the 300000 bytes"},
		"shorter, chunked": {then: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(good[:1000])
			_ = http.NewResponseController(w).Flush()
		}, want: "ended after 1000 of 300000 bytes"},
		"compressed unasked": {then: func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(good)
		}, want: "Content-Encoding"},
		"redirects in circles": {then: func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, req.URL.String(), http.StatusFound)
		}, want: "more than 10 times"},
		"503, then well": {first: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }},
		"503 for ever":   {then: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, want: "what was downloaded is kept"},
		"429 with a date": {first: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusTooManyRequests)
		}},
		"429 for an hour": {then: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}, want: "asks to wait for 1h0m0s"},
		"403 of the store": {then: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, want: "that answered so"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			once := times(1, func(w http.ResponseWriter, req *http.Request) { c.first(w, req) })
			r.Spoil(func(w http.ResponseWriter, req *http.Request) bool {
				if c.first != nil && once(w, req) {
					return true
				}
				if c.then == nil || !isStore(req) {
					return false
				}
				c.then(w, req)
				return true
			})
			err := r.fetch(t, r.options(), weights)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				r.whole(t, weights)
				return
			}
			wantError(t, err, weights, c.want)
			r.nothing(t)
		})
	}
}

// part answers a range without any validator.
func part(w http.ResponseWriter, req *http.Request, data []byte) {
	from, _ := strconv.Atoi(strings.Trim(req.Header.Get("Range"), "bytes=-"))
	if from == 0 {
		_, _ = w.Write(data)
		return
	}
	w.Header().Set("Content-Range", "bytes "+strconv.Itoa(from)+"-"+strconv.Itoa(len(data)-1)+"/"+strconv.Itoa(len(data)))
	w.WriteHeader(http.StatusPartialContent)
	_, _ = w.Write(data[from:])
}

func TestLiesOfTheListing(t *testing.T) {
	size := int64(300_000)
	right := noise(300_000, 1)
	cases := map[string]struct {
		l    hubtest.Listed
		want string
	}{
		"hash":     {hubtest.Listed{Size: size, SHA256: strings.Repeat("a", 64)}, "has hash"},
		"too long": {hubtest.Listed{Size: size + 1, SHA256: strings.Repeat("a", 64)}, "has 300001 bytes, and 300000 would come"},
		"no bytes": {hubtest.Listed{Size: 0, SHA256: strings.Repeat("a", 64)}, "has hash"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.files[weights] = right
			r.List(weights, c.l)
			wantError(t, r.fetch(t, r.options(), weights), c.want)
			r.nothing(t)
		})
	}
}

// TestStandstill: a connection that gives no byte any more is given up, and
// what came over it is not lost.
func TestStandstill(t *testing.T) {
	r := newRig(t)
	r.Spoil(times(1, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("ETag", `"first"`)
		w.Header().Set("Content-Length", "300000")
		_, _ = w.Write(r.files[weights][:100_000])
		_ = http.NewResponseController(w).Flush()
		<-req.Context().Done()
	}))
	o := r.options()
	o.Stall = 1500 * time.Millisecond // a server that is well must not stand still for so long on a busy machine
	if err := r.fetch(t, o, weights); err != nil {
		t.Fatal(err)
	}
	r.whole(t, weights)
	requests := r.Requests(weights)
	if last := requests[len(requests)-1].Header.Get("Range"); last != "bytes=100000-" {
		t.Errorf("the rest was asked for with %q", last)
	}
}

// TestStopped: Ctrl-C in the middle leaves what came, and no result; the next
// run asks for the rest.
func TestStopped(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	r.Spoil(times(1, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Length", "300000")
		_, _ = w.Write(r.files[weights][:200_000])
		_ = http.NewResponseController(w).Flush()
		for r.partial() < 200_000 && req.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
		<-req.Context().Done()
	}))
	s, err := r.open(t, r.options(), repo)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Fetch(ctx, weights); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	s.Close()
	r.nothing(t)
	if n := r.partial(); n != 200_000 {
		t.Errorf("%d bytes are kept", n)
	}
	if err := r.fetch(t, r.options(), weights); err != nil {
		t.Fatal(err)
	}
	r.whole(t, weights)
	requests := r.Requests(weights)
	if last := requests[len(requests)-1].Header.Get("Range"); last != "bytes=200000-" {
		t.Errorf("the rest was asked for with %q", last)
	}
}

// TestSpoiltPartial: bytes that were lost or added between two runs are found
// by the hash.
func TestSpoiltPartial(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"changed":  func(b []byte) []byte { b[10] ^= 1; return b },
		"too long": func(b []byte) []byte { return append(b, noise(400_000, 3)...) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			o := r.options()
			o.Attempts = 1
			r.Spoil(times(1, func(w http.ResponseWriter, req *http.Request) { cut(w, req, r.files[weights], 100_000) }))
			wantError(t, r.fetch(t, o, weights), "download model.safetensors")
			found, _ := filepath.Glob(filepath.Join(r.dir(), ".partial", strings.Repeat("?", 64)))
			if len(found) != 1 {
				t.Fatalf("partial files: %v", found)
			}
			data, err := os.ReadFile(found[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(found[0], spoil(data), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := r.fetch(t, r.options(), weights); err != nil {
				t.Fatal(err)
			}
			r.whole(t, weights)
		})
	}
}
