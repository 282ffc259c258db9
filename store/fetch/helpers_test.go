package fetch_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sightline/store/fetch"
)

// TestMain names a proxy that is not there, once for all tests, for net/http
// reads its variables once: nothing may use it.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		os.Setenv(name, "http://127.0.0.1:1")
	}
	os.Unsetenv("NO_PROXY")
	goleak.VerifyTestMain(m)
}

// jpeg is enough for a sniffer.
const jpeg = "\xff\xd8\xff\xe0picture"

func isJPEG(head []byte) bool { return len(head) > 3 && string(head[:3]) == "\xff\xd8\xff" }

// names is a resolver: each look-up of a name takes the next of its answers,
// the last one again and again.
type names struct {
	mu      sync.Mutex
	answers map[string][][]netip.Addr
	asked   map[string]int
}

func resolver(answers map[string][]string) *names {
	n := &names{answers: map[string][][]netip.Addr{}, asked: map[string]int{}}
	for name, texts := range answers {
		for _, text := range texts {
			n.answers[name] = append(n.answers[name], addresses(text))
		}
	}
	return n
}

// addresses reads "1.2.3.4,::1".
func addresses(text string) []netip.Addr {
	var out []netip.Addr
	for one := range strings.SplitSeq(text, ",") {
		out = append(out, netip.MustParseAddr(one))
	}
	return out
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.answers[host]
	if len(list) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	i := min(n.asked[host], len(list)-1)
	n.asked[host]++
	return list[i], nil
}

func portOf(t testing.TB, address string) uint16 {
	t.Helper()
	port, err := strconv.ParseUint(mustParse(t, address).Port(), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(port)
}

// serve starts a server on a loopback address.
func serve(t testing.TB, at string, h http.Handler) *httptest.Server {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(at, "0"))
	if err != nil {
		t.Skipf("%s is not there: %v", at, err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	s.Listener = l
	s.Config.ErrorLog = quiet()
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func handle(t testing.TB, h http.HandlerFunc) *httptest.Server { return serve(t, "127.0.0.1", h) }

// open returns a client that may ask the servers, with short waits.
func open(t testing.TB, o fetch.Options, servers ...*httptest.Server) *fetch.Client {
	t.Helper()
	for _, s := range servers {
		o.Ports = append(o.Ports, portOf(t, s.URL))
	}
	if o.Allow == nil {
		o.Allow = []string{"127.0.0.1"}
	}
	if o.Backoff == 0 {
		o.Backoff = time.Millisecond
	}
	c, err := fetch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func get(t testing.TB, c *fetch.Client, address string) (fetch.Response, error) {
	t.Helper()
	return c.Get(t.Context(), fetch.Request{URL: address})
}

// kindOf is the kind of an error, 0 for none; other errors fail the test.
func kindOf(t testing.TB, err error) fetch.Kind {
	t.Helper()
	if err == nil {
		return 0
	}
	e, ok := errors.AsType[*fetch.Error](err)
	if !ok {
		t.Fatalf("error %v (%T) is no *fetch.Error", err, err)
	}
	return e.Kind
}

func wantKind(t testing.TB, err error, want fetch.Kind) *fetch.Error {
	t.Helper()
	if got := kindOf(t, err); got != want {
		t.Fatalf("got kind %v (%v), want %v", got, err, want)
	}
	e, _ := errors.AsType[*fetch.Error](err)
	return e
}

func mustParse(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// quiet keeps a server from printing what its clients did to it on purpose.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
