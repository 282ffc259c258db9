package fetch

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
)

// fixed is a resolver that answers every name alike.
type fixed []netip.Addr

func (f fixed) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) { return f, nil }

var errProbe = errors.New("reached the kernel")

// FuzzAddress: whatever an address looks like, and whatever the resolver
// answers, what is dialled is an ordinary public address and an allowed port.
// Its own Control stands where the kernel would.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		"http://shop.example/a.jpg", "https://8.8.8.8/", "http://2130706433/", "http://0x7f.1/", "http://[::ffff:7f00:1]/", "http://[64:ff9b::1]:8080/",
		"http://u@h/", "http://１２７。0。0。1/", "http://[fe80::1%25lo]/", "http://h:22/", "http:\\\\127.0.0.1/", "http://127.0.0.1.%2e/", "HTTP://LOCALHOST./", "//h", "http://a?b#c@d",
	} {
		f.Add(seed, "8.8.8.8", "10.0.0.1")
		f.Add(seed, "::ffff:169.254.169.254", "2606:4700::1")
	}
	f.Fuzz(func(t *testing.T, raw, first, second string) {
		var answer fixed
		for _, text := range []string{first, second} {
			if addr, err := netip.ParseAddr(text); err == nil {
				answer = append(answer, addr)
			}
		}
		probe := func(_ context.Context, network, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !isOrdinary(to.Addr()) {
				t.Errorf("%q dials %s %s (%v)", raw, network, address, err)
			}
			if p := to.Port(); p != 80 && p != 443 && p != 8080 && p != 8443 {
				t.Errorf("%q dials port %d", raw, p)
			}
			return errProbe
		}
		c, err := New(Options{Attempts: 1, Resolver: answer, Dialer: &net.Dialer{ControlContext: probe}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.Get(t.Context(), Request{URL: raw})
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Fatalf("%q: %v is no *Error", raw, err)
		}
		if checked := c.Check(raw); checked != nil && errors.Is(err, errProbe) {
			t.Errorf("%q was dialled, though it is refused: %v", raw, checked)
		}
		if i := strings.IndexByte(raw, '?'); i >= 0 && len(raw) > i+12 && strings.Contains(e.URL, raw[i+1:]) {
			t.Errorf("%q is shown with its query: %s", raw, e.URL)
		}
	})
}

// FuzzContentRange: what is read is what is written.
func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"bytes 0-1/2", "bytes 5-9/*", "bytes */5", "bytes", "bytes 1/2", "bytes 99999999999999999999-1/2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		start, size, ok := contentRange(value)
		if ok && (start < 0 || size < -1) {
			t.Errorf("%q: %d of %d", value, start, size)
		}
	})
}
