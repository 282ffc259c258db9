package api_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// upload writes a request by hand and breaks off.
func upload(t *testing.T, address, head, body string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, head+"\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// Uploads that break off leave nothing, wherever they do; of lines, only whole
// ones count.
func TestTruncatedUploads(t *testing.T) {
	contentType, form := parts(t, "item", `{"title":"x"}`, "image", pngBytes, "images", pngBytes+"2")
	batch := `{"items":[{"id":"a","image":"data:image/png;base64,iVBORw0KGgo="}]}`
	s := newShop(t)
	srv := httptest.NewServer(s.handler())
	defer srv.Close()
	address := srv.Listener.Addr().String()
	for _, c := range [][4]string{
		{"PUT", "/v1/items/a", contentType, form},
		{"PUT", "/v1/items/a", "application/json", `{"image":"data:image/png;base64,iVBORw0KGgo="}`},
		{"POST", "/v1/items:batch", "application/json", batch},
		{"POST", "/v1/items:batch", "application/x-ndjson", strings.TrimSuffix(lineOf(1), "\n")},
		{"POST", "/v1/items:delete", "application/json", `{"ids":["a"]}`},
	} {
		for cut := 0; cut < len(c[3]); cut += max(1, len(c[3])/7) {
			head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n", c[0], c[1], c[2])
			plain := upload(t, address, head+fmt.Sprintf("Content-Length: %d", len(c[3])), c[3][:cut])
			chunked := upload(t, address, head+"Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s", len(c[3]), c[3][:cut]))
			if plain.StatusCode != 400 || chunked.StatusCode != 400 {
				t.Errorf("%s %s cut at %d: status %d, chunked %d", c[0], c[1], cut, plain.StatusCode, chunked.StatusCode)
			}
		}
	}
	s.nothing("cut uploads")
	// A form whose body is whole and whose end is missing.
	for _, body := range []string{form[:len(form)-4], form[:len(form)/2], ""} {
		w := s.send("PUT", "/v1/items/a", contentType, body)
		refused(t, w, 400, "malformed")
	}
	s.nothing("cut forms")
	var lines strings.Builder
	for i := range 700 {
		lines.WriteString(lineOf(i))
	}
	res := upload(t, address, "POST /v1/items:batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000000", lines.String())
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 400 || !strings.Contains(string(body), "first 500 changes were queued") || s.total() != 500 {
		t.Errorf("status %d, %s (%v); %d jobs", res.StatusCode, body, err, s.total())
	}
}

// slowReader fails as a connection does whose deadline has come.
type failingBody struct {
	text string
	err  error
}

func (f *failingBody) Read(p []byte) (int, error) {
	if f.text == "" {
		return 0, f.err
	}
	n := copy(p, f.text)
	f.text = f.text[n:]
	return n, nil
}

type timeoutError struct{ error }

func (timeoutError) Is(target error) bool { return target.Error() == "i/o timeout" }

func TestSlowBodies(t *testing.T) {
	contentType, form := parts(t, "item", `{"title":"x"}`, "image", pngBytes)
	for _, c := range [][4]string{
		{"PUT", "/v1/items/a", contentType, form[:len(form)-10]},
		{"PUT", "/v1/items/a", "application/json", shoe[:10]},
		{"POST", "/v1/items:batch", "application/json", mixedBatch[:30]},
		{"POST", "/v1/items:batch", "application/x-ndjson", lineOf(1)[:30]},
		{"POST", "/v1/items:delete", "application/json", `{"ids":`},
	} {
		s := newShop(t)
		w := send(s.handler(), c[0], c[1], c[2], &failingBody{c[3], timeoutError{errors.New("slow")}})
		refused(t, w, http.StatusRequestTimeout, "slow_body")
		s.nothing(c[1])
	}
}

func TestManyUploads(t *testing.T) {
	s := newShop(t)
	s.opts.MaxUploads = 1
	h := s.handler()
	body, feed := io.Pipe()
	ended := make(chan int)
	go func() {
		ended <- send(h, "POST", "/v1/items:batch", "application/x-ndjson", body).Code
	}()
	if _, err := io.WriteString(feed, lineOf(1)); err != nil {
		t.Fatal(err)
	}
	w := send(h, "PUT", "/v1/items/a", "application/json", io.MultiReader(strings.NewReader(shoe)))
	refused(t, w, http.StatusTooManyRequests, "busy")
	read(t, send(h, "PUT", "/v1/items/a", "application/json", strings.NewReader(shoe)), 202)
	feed.Close()
	if code := <-ended; code != 202 {
		t.Errorf("status %d", code)
	}
}
