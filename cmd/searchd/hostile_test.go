package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sightline/cmd/internal/clitest"
)

// hostile is a searchd whose limits are short, and what it looked like when
// nobody had asked anything.
type hostile struct {
	*server

	address    string
	data, temp string
	goroutines int
	heap       uint64
	files      map[string]bool
}

// room that the runtime, ONNX Runtime and pools of buffers may take.
const (
	spareGoroutines = 4
	spareHeap       = 24 << 20
)

func newHostile(t *testing.T) *hostile {
	t.Helper()
	environ := clitest.Environ(t)
	h := &hostile{data: ownData(t, environ), temp: t.TempDir()}
	t.Setenv("TMPDIR", h.temp)
	h.server = serve(t, environ, "--data", h.data, "--model", model(t), "--log-level", "error",
		"--header-timeout", "1s", "--body-timeout", "2s", "--idle-timeout", "2s", "--max-connections", "64", "--max-searches", "8")
	h.address = strings.TrimPrefix(h.url, "http://")
	h.works(t) // what is made when it is first needed is made
	h.client.CloseIdleConnections()
	h.goroutines, h.heap, h.files = runtime.NumGoroutine(), heapInUse(), h.left(t)
	return h
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what the first one found is swept then, pools too
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// left are temporary files, and files in the data folder that are being written.
func (h *hostile) left(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, dir := range []string{h.temp, h.data} {
		err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() && !strings.HasSuffix(path, "-wal") && !strings.HasSuffix(path, "-shm") {
				found[path] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// works asks for one of each of what is attacked.
func (h *hostile) works(t *testing.T) {
	t.Helper()
	if got := h.search(t, map[string]any{"text": "a red mug", "deadline_ms": 30_000}); len(got.Hits) == 0 {
		t.Error("no hits")
	}
	for _, path := range []string{"/v1/items/p0074/image?width=64", "/v1/items?limit=1", "/v1/jobs"} {
		if code := h.get(t, path, nil); code != http.StatusOK {
			t.Errorf("%s: %d\n%s", path, code, h.log)
		}
	}
}

// calm waits until nothing is left of an attack, and then asks.
func (h *hostile) calm(t *testing.T) {
	t.Helper()
	h.client.CloseIdleConnections()
	clitest.Eventually(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= h.goroutines+spareGoroutines })
	for file := range h.left(t) {
		if !h.files[file] {
			t.Errorf("left behind: %s", file)
		}
	}
	if now := heapInUse(); now > h.heap+spareHeap {
		t.Errorf("heap of %d MB, %d before", now>>20, h.heap>>20)
	}
	h.works(t)
}

// raw opens a connection and says something.
func (h *hostile) raw(t *testing.T, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", h.address)
	if err != nil {
		t.Error(err)
		return nil
	}
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Error(err)
	}
	_, _ = io.WriteString(c, text) // it may have been closed already, which is a right answer too
	return c
}

// drip sends a byte now and then until the server has had enough, and returns
// what it answered.
func drip(c net.Conn, text string) string {
	answered := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(c) // it ends with a reset, too
		answered <- string(all)
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	defer c.Close()
	for i := 0; ; i++ {
		select {
		case got := <-answered:
			return got
		case <-tick.C:
			_, _ = io.WriteString(c, text[i%len(text):i%len(text)+1])
		}
	}
}

// many runs an attack by several at once.
func many(n int, attack func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { attack(i) })
	}
	wg.Wait()
}

func head(method, path, contentType string, length int) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", method, path, contentType, length)
}

const formType = "multipart/form-data; boundary=frontier"

// TestHostileClients: whatever callers do, nothing of it stays, and the next one
// is served.
func TestHostileClients(t *testing.T) {
	h := newHostile(t)
	picture := samplePicture(t, "p0074")
	form := "--frontier\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\n" + string(picture)
	for _, attack := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"heads that never end", func(t *testing.T) {
			many(20, func(int) { drip(h.raw(t, "GET /v1/search?q=mug HTTP/1.1\r\nHost: a\r\nX-Slow: "), "x") })
		}},
		{"bodies that never end", func(t *testing.T) {
			many(6, func(i int) {
				kind := []string{"application/json", formType, "application/x-ndjson"}[i%3]
				path := []string{"/v1/search", "/v1/search", "/v1/items:batch"}[i%3]
				text := []string{`{"text":"`, "--frontier\r\n", `{"id":"`}[i%3]
				if got := drip(h.raw(t, head("POST", path, kind, 100_000)+text), "x"); !strings.Contains(got, " 408 ") || !strings.Contains(got, "slow_body") {
					t.Errorf("%s: %s", kind, got)
				}
			})
		}},
		{"bodies that are too large", func(t *testing.T) {
			many(4, func(i int) {
				kind := []string{"application/json", formType}[i%2]
				c := h.raw(t, head("POST", "/v1/search", kind, 1<<30))
				defer c.Close()
				_, _ = io.Copy(c, io.LimitReader(endless{}, 64<<20)) // until the server hangs up
				answer, _ := io.ReadAll(io.LimitReader(c, 1<<12))
				// Letters are no form; and a slow machine does not read 16 MB in the time of a body.
				right := regexp.MustCompile("^HTTP/1.1 (400|408|413) ")
				if len(answer) > 0 && !right.Match(answer) {
					t.Errorf("%s: %.300q", kind, answer)
				}
			})
		}},
		{"bodies that are cut", func(t *testing.T) {
			many(30, func(i int) {
				kind := []string{"application/json", formType, "application/x-ndjson"}[i%3]
				path := []string{"/v1/search", "/v1/search", "/v1/items:batch"}[i%3]
				text := []string{`{"text":"red"`, form[:len(form)/2], `{"id":"a","title":`}[i%3]
				if i%2 == 1 && i%3 == 1 {
					path, text = "/v1/items/new", strings.Replace(form, `"image"; filename="a"`, `"item"`, 1)[:200]
				}
				method := map[bool]string{true: "PUT", false: "POST"}[path == "/v1/items/new"]
				h.raw(t, head(method, path, kind, 1<<20)+text).Close()
			})
		}},
		{"callers who leave while they are answered", func(t *testing.T) {
			many(40, func(i int) {
				c := h.raw(t, fmt.Sprintf("GET /v1/search?q=mug+%d&depth=200&deadline_ms=30000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", i))
				c.Close()
			})
		}},
		{"connections that are silent", func(t *testing.T) {
			var open []net.Conn
			for range 300 {
				open = append(open, h.raw(t, ""))
			}
			h.works(t) // behind them
			for _, c := range open {
				_, _ = io.Copy(io.Discard, c) // the server hangs up, on the last ones when their time is over
				c.Close()
			}
		}},
		{"connections that are kept and idle", func(t *testing.T) {
			many(40, func(int) {
				c := h.raw(t, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
				defer c.Close()
				if all, _ := io.ReadAll(c); !bytes.Contains(all, []byte(" 200 ")) {
					t.Errorf("%q", all)
				}
			})
		}},
		{"watchers who go away", func(t *testing.T) {
			for range 3 { // more than may watch at once, if any stayed
				many(20, func(int) {
					c := h.raw(t, "GET /v1/jobs/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
					defer c.Close()
					first := make([]byte, 12)
					if _, err := io.ReadFull(c, first); err != nil || string(first) != "HTTP/1.1 200" {
						t.Errorf("%q, %v", first, err)
					}
				})
				h.client.CloseIdleConnections()
				clitest.Eventually(t, "streams to end", func() bool { return runtime.NumGoroutine() <= h.goroutines+spareGoroutines })
			}
		}},
		{"answers that nobody takes", func(t *testing.T) {
			many(20, func(int) {
				h.raw(t, strings.Repeat("GET /v1/items/p0074/image HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 50)).Close()
			})
		}},
	} {
		t.Run(attack.name, func(t *testing.T) {
			attack.run(t)
			h.calm(t)
		})
	}
}

// endless are letters.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}
