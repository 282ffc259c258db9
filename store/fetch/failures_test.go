package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"sightline/store/fetch"
)

// failing is a resolver that fails.
type failing struct{ err error }

func (f failing) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, f.err
}

func TestResolverFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		err      error
		want     fetch.Kind
		attempts int
	}{
		"no such host": {&net.DNSError{Err: "no such host", IsNotFound: true}, fetch.KindNoHost, 1},
		"servfail":     {&net.DNSError{Err: "server misbehaving", IsTemporary: true}, fetch.KindDNS, 3},
		"timeout":      {&net.DNSError{Err: "i/o timeout", IsTimeout: true}, fetch.KindDNS, 3},
		"no addresses": {nil, fetch.KindNoHost, 1},
	} {
		c := open(t, fetch.Options{Resolver: failing{tc.err}})
		_, err := get(t, c, "http://shop.example/")
		if e := wantKind(t, err, tc.want); e.Attempts != tc.attempts {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// hanging is a resolver that waits for its ctx.
type hanging struct{}

func (hanging) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestConnectTimeout(t *testing.T) {
	c := open(t, fetch.Options{Resolver: hanging{}, ConnectTimeout: 50 * time.Millisecond, Attempts: 2})
	_, err := get(t, c, "http://shop.example/")
	if e := wantKind(t, err, fetch.KindTimeout); e.Attempts != 2 || e.Err.Error()[:len("the server cannot be connected to within 50ms")] != "the server cannot be connected to within 50ms" {
		t.Errorf("%+v", e)
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for k := fetch.KindBadURL; k <= fetch.KindHostDown; k++ {
		if name := k.String(); seen[name] || name == "" || name == "unknown" {
			t.Errorf("kind %d is called %q", k, name)
		}
		seen[k.String()] = true
	}
	if fetch.Kind(0).String() != "unknown" || fetch.Kind(200).String() != "unknown" {
		t.Error("what is no kind has a name")
	}
}

// TestCancelWhileWaiting: neither back-off nor Retry-After hold anybody who
// leaves.
func TestCancelWhileWaiting(t *testing.T) {
	s := handle(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	c := open(t, fetch.Options{}, s)
	for range 2 { // in the back-off, then in the host's line
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := c.Get(ctx, fetch.Request{URL: s.URL})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	}
	if st := c.Stats(); st.Active != 0 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
}

// TestBreakerKeepsTheReason: the call that opens the breaker says what it saw.
func TestBreakerKeepsTheReason(t *testing.T) {
	s := handle(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	c := open(t, fetch.Options{Attempts: 5, BreakerFailures: 2}, s)
	_, err := get(t, c, s.URL)
	if e := wantKind(t, err, fetch.KindServer); e.Attempts != 2 || e.Status != http.StatusBadGateway {
		t.Errorf("%+v", e)
	}
	_, err = get(t, c, s.URL)
	wantKind(t, err, fetch.KindHostDown)
}

// TestStreamCancelledWhileBroken: a stream that waits to go on ends with its
// ctx, as such.
func TestStreamCancelledWhileBroken(t *testing.T) {
	b := &breaking{data: feed(4 << 20), part: 2 << 20, etag: same}
	s := handle(t, b.ServeHTTP)
	c := open(t, fetch.Options{Backoff: time.Hour, MaxBackoff: time.Hour}, s)
	ctx, cancel := context.WithCancelCause(t.Context())
	body, _, err := c.Open(ctx, s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	why := errors.New("the import stops")
	time.AfterFunc(200*time.Millisecond, func() { cancel(why) })
	if _, err := io.ReadAll(body); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

// TestStreamResumeIsRefused: what the rest redirects to is checked as well.
func TestStreamResumeIsRefused(t *testing.T) {
	data := feed(4 << 20)
	s := handle(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
			return
		}
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Accept-Ranges", "bytes")
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:2<<20])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	c := open(t, fetch.Options{}, s)
	_, _, err := readStream(t, c, s.URL)
	wantKind(t, err, fetch.KindRefused)
}
