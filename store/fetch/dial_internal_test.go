package fetch

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// listen returns a port of 127.0.0.1 that accepts and says nothing.
func listen(t *testing.T) uint16 {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// TestControlStandsAlone: even if everything before it were wrong, the last
// check is of what the kernel is asked for.
func TestControlStandsAlone(t *testing.T) {
	port := listen(t)
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	own := 0
	d := &dialer{guard: mustGuard(t, Options{Ports: []uint16{port}}), plain: net.Dialer{
		Timeout: 1, // does not count
		Control: func(string, string, syscall.RawConn) error { own++; return nil },
	}}
	_, err := d.one(t.Context(), "host", to)
	if refused, ok := errors.AsType[*AddressError](err); !ok || refused.Address != to.Addr() {
		t.Errorf("connected to loopback: %v", err)
	}
	d.guard = mustGuard(t, Options{Allow: []string{"127.0.0.1"}})
	if _, err = d.one(t.Context(), "host", to); err == nil || own != 0 {
		t.Errorf("connected to a port that is not allowed: %v", err)
	}
	d.guard = mustGuard(t, Options{Allow: []string{"127.0.0.1"}, Ports: []uint16{port}})
	conn, err := d.one(t.Context(), "host", to)
	if err != nil || own != 1 {
		t.Fatalf("%v after %d calls of the template's Control", err, own)
	}
	conn.Close()
	for _, network := range []string{"udp4", "unix", "ip"} {
		if d.control("host", network, to.String()) == nil {
			t.Errorf("%s may be dialled", network)
		}
	}
}

func TestInterleave(t *testing.T) {
	read := func(texts ...string) (out []netip.Addr) {
		for _, text := range texts {
			out = append(out, netip.MustParseAddr(text))
		}
		return out
	}
	got := interleave(read("::1", "::2", "::3", "1.1.1.1", "1.1.1.2"))
	if want := read("::1", "1.1.1.1", "::2", "1.1.1.2", "::3"); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	var many []netip.Addr
	for i := range 100 {
		many = append(many, netip.AddrFrom4([4]byte{1, 1, 1, byte(i)}))
	}
	if got := interleave(many); len(got) != maxAddresses || got[0] != many[0] {
		t.Errorf("%v", got)
	}
}

// TestRace: an address that does not answer costs its head start, and one that
// refuses nothing.
func TestRace(t *testing.T) {
	port := listen(t)
	hang := netip.MustParseAddr("127.0.0.9")
	d := &dialer{timeout: 5 * time.Second, guard: mustGuard(t, Options{Allow: []string{"127.0.0.0/8"}, Ports: []uint16{port}}), plain: net.Dialer{
		ControlContext: func(ctx context.Context, _, address string, _ syscall.RawConn) error {
			if netip.MustParseAddrPort(address).Addr() == hang {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		},
	}}
	dial := func(texts ...string) (time.Duration, error) {
		d.resolver = fixed(nil)
		for _, text := range texts {
			d.resolver = append(d.resolver.(fixed), netip.MustParseAddr(text))
		}
		began := time.Now()
		conn, err := d.dial(t.Context(), "tcp", net.JoinHostPort("host", strconv.Itoa(int(port))))
		if err == nil {
			conn.Close()
		}
		return time.Since(began), err
	}
	if took, err := dial("127.0.0.9", "127.0.0.1"); err != nil || took < nextAddress || took > 2*time.Second {
		t.Errorf("%v after %v", err, took)
	}
	if took, err := dial("127.0.0.8", "127.0.0.7", "127.0.0.1"); err != nil || took > time.Second {
		t.Errorf("%v after %v", err, took)
	}
	if _, err := dial("127.0.0.8", "127.0.0.7"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
	d.timeout = 400 * time.Millisecond
	_, err := dial("127.0.0.9", "127.0.0.9", "127.0.0.8")
	if f := classify(nil, err); f.kind != KindTimeout {
		t.Errorf("got %v", err)
	}
}
