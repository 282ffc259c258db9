package api_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"sightline/api"
)

// running is a server whose one route waits for release or the request's end.
type running struct {
	address  string
	entered  chan struct{}
	release  chan struct{}
	stop     context.CancelFunc
	finished chan error
}

func start(t *testing.T, drain time.Duration) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &running{"http://" + l.Addr().String(), make(chan struct{}, 1), make(chan struct{}), stop, make(chan error, 1)}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.entered <- struct{}{}
		select {
		case <-s.release:
			_, _ = io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	})
	go func() { s.finished <- api.Serve(ctx, l, h, api.ServeOptions{Drain: drain}) }()
	return s
}

func (s *running) get() (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(s.address)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func TestServeDrains(t *testing.T) {
	s := start(t, 10*time.Second)
	answer := make(chan string, 1)
	go func() {
		body, err := s.get()
		if err != nil {
			body = err.Error()
		}
		answer <- body
	}()
	<-s.entered
	s.stop()
	for { // until the listener is closed, new requests may still be accepted
		c, err := net.Dial("tcp", strings.TrimPrefix(s.address, "http://"))
		if err != nil {
			break
		}
		c.Close()
	}
	close(s.release)
	if got := <-answer; got != "done" {
		t.Errorf("the request under way got %q", got)
	}
	if err := <-s.finished; err != nil {
		t.Errorf("a complete drain is no error: %v", err)
	}
}

func TestServeEndsWhatDoesNotDrain(t *testing.T) {
	s := start(t, 50*time.Millisecond)
	left := make(chan struct{})
	go func() { _, _ = s.get(); close(left) }()
	<-s.entered
	s.stop()
	within(t, 5*time.Second, "the drain", func() {
		if err := <-s.finished; err == nil || !strings.Contains(err.Error(), "under way") {
			t.Errorf("error %v", err)
		}
		<-left
	})
}

func TestServeReportsABrokenListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := api.Serve(t.Context(), l, http.NotFoundHandler(), api.ServeOptions{Drain: time.Second}); err == nil {
		t.Error("no error")
	}
}
