package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"sightline/api/client"
)

// TestEvents: a stream that ends, or that a busy server refuses for now, is asked
// for again with the last id that came, also one without an event.
func TestEvents(t *testing.T) {
	var calls atomic.Int64
	var asked []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI()+" "+r.Header.Get("Last-Event-ID"))
		switch calls.Add(1) {
		case 1:
			fmt.Fprint(w, "retry: 2000\n\nid: 7\n\n")
		case 2:
			answer(w, 429, `{"detail":"Too many live streams."}`)
		case 3:
			fmt.Fprint(w, ": still here\n\nid: 8\ndata: {\"seq\":8,\"item\":\"a\",\n")
			fmt.Fprint(w, "data: \"state\":\"leased\"}\n\nid: 9\ndata: {\"seq\":9,\"state\":\"done\"}\n") // breaks off within an event
		default:
			fmt.Fprint(w, ": still here\r\n\r\nid: 9\r\ndata: {\"seq\":9,\"state\":\"done\"}\r\n\r\n")
		}
	})
	var got []string
	for e, err := range c.Events(t.Context(), client.EventOptions{Latest: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, fmt.Sprint(e.Seq, e.Item, e.State)); e.State == "done" {
			break
		}
	}
	if want := []string{"8aleased", "9done"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	const address = "/v1/jobs/events?from=latest "
	if want := []string{address, address + "7", address + "7", address + "8"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

// TestEventsEnd: a server that refuses, events that are none, and the end of ctx
// are the last that is yielded.
func TestEventsEnd(t *testing.T) {
	ended := errors.New("enough")
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, stop func())
		is     func(error) bool
	}{
		"refused": {func(w http.ResponseWriter, _ func()) { answer(w, 403, `{"detail":"no"}`) }, func(err error) bool {
			p, ok := errors.AsType[*client.Problem](err)
			return ok && p.Status == 403
		}},
		"always busy": {func(w http.ResponseWriter, _ func()) { answer(w, 429, `{}`) }, func(err error) bool {
			p, ok := errors.AsType[*client.Problem](err)
			return ok && p.Status == 429
		}},
		"no event": {func(w http.ResponseWriter, _ func()) { fmt.Fprint(w, "data: [\n\n") }, func(err error) bool { return err != nil }},
		"ctx": {func(w http.ResponseWriter, stop func()) {
			fmt.Fprint(w, ": still here\n\n")
			stop()
		}, func(err error) bool { return errors.Is(err, ended) }},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RequestURI() != "/v1/jobs/events?after=5" {
					t.Errorf("asked for %s", r.URL)
				}
				c.answer(w, func() { stop(ended) })
			})
			n := 0
			for e, err := range server.Events(ctx, client.EventOptions{After: 5}) {
				if n++; n > 1 || !c.is(err) {
					t.Errorf("%d: %+v, %v", n, e, err)
				}
			}
			if n != 1 {
				t.Errorf("yielded %d times", n)
			}
		})
	}
}
