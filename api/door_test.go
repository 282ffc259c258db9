package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"sightline/api"
)

// TestDoor: connections that are open for nothing make way for those that ask,
// the longest silent first, and requests under way are left alone.
func TestDoor(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			entered <- struct{}{}
			<-release
		}
		_, _ = io.WriteString(w, "done")
	})
	go func() { ended <- api.Serve(ctx, l, h, api.ServeOptions{Drain: time.Minute, MaxConnections: 4}) }()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	busy := dial()
	fmt.Fprint(busy, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	silent := make([]net.Conn, 8)
	for i := range silent {
		silent[i] = dial()
	}
	for i, c := range silent[:5] {
		if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
			t.Errorf("silent connection %d is still open: %v", i, err)
		}
	}
	client := http.Client{Transport: &http.Transport{}}
	for range 3 {
		res, err := client.Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	client.CloseIdleConnections()
	close(release)
	answer := make([]byte, len("HTTP/1.1 200 OK"))
	if _, err := io.ReadFull(busy, answer); err != nil || string(answer) != "HTTP/1.1 200 OK" {
		t.Errorf("the request under way: %q, %v", answer, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
