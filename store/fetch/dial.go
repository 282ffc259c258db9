package fetch

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// nextAddress is how long one address of a host is tried alone before the
// next one is tried beside it (RFC 8305 §8).
const nextAddress = 250 * time.Millisecond

// maxAddresses bounds what is tried of a host's addresses.
const maxAddresses = 8

// dialer connects to hosts whose addresses the guard has passed.
type dialer struct {
	guard    *guard
	resolver Resolver
	plain    net.Dialer
	timeout  time.Duration
	proxy    string // host:port, the only one dialled, if not ""
}

// dial is the transport's DialContext. Names are resolved here, so that what
// is checked and what is dialled come from one answer; Control checks once
// more what the kernel is really asked for.
func (d *dialer) dial(ctx context.Context, _, address string) (net.Conn, error) {
	timeout := faultf(KindTimeout, "the server cannot be connected to within %v; check that it is up and reachable from the internet", d.timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, d.timeout, timeout)
	defer cancel()
	conn, err := d.connect(ctx, address)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return conn, err
}

func (d *dialer) connect(ctx context.Context, address string) (net.Conn, error) {
	if d.proxy != "" && address == d.proxy {
		return d.plain.DialContext(ctx, "tcp", address)
	}
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port of %s: %w", address, err)
	}
	addrs, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	return d.race(ctx, host, uint16(port), addrs)
}

// resolve returns the addresses of a host that may be dialled. Those that may
// not are left out rather than spoiling the others: where DNS64 adds addresses
// of a NAT64, every host has some.
func (d *dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, d.guard.check(host, addr)
	}
	found, err := d.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	refused := error(&net.DNSError{Err: "no addresses", Name: host, IsNotFound: true})
	for _, addr := range found {
		addr = addr.Unmap() // some resolvers give all IPv4 addresses mapped
		if err := d.guard.check(host, addr); err != nil {
			refused = err
		} else if !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	if len(addrs) == 0 {
		return nil, refused
	}
	return interleave(addrs), nil
}

// interleave alternates between the families (RFC 8305 §4), first come first.
func interleave(addrs []netip.Addr) []netip.Addr {
	var same, other []netip.Addr
	for _, a := range addrs {
		if a.Is4() == addrs[0].Is4() {
			same = append(same, a)
		} else {
			other = append(other, a)
		}
	}
	mixed := make([]netip.Addr, 0, len(addrs))
	for i := range max(len(same), len(other)) {
		mixed = append(mixed, same[min(i, len(same)):min(i+1, len(same))]...)
		mixed = append(mixed, other[min(i, len(other)):min(i+1, len(other))]...)
	}
	return mixed[:min(len(mixed), maxAddresses)]
}

type dialled struct {
	conn net.Conn
	err  error
}

// race tries the addresses one after the other, each with a head start, and
// returns the first connection; the first error if there is none.
func (d *dialer) race(ctx context.Context, host string, port uint16, addrs []netip.Addr) (net.Conn, error) {
	if len(addrs) == 1 {
		return d.one(ctx, host, netip.AddrPortFrom(addrs[0], port))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialled)
	next := time.NewTimer(0)
	defer next.Stop()
	var first error
	for started, ended := 0, 0; ended < len(addrs); {
		select {
		case <-next.C:
			if started < len(addrs) {
				go d.compete(ctx, host, netip.AddrPortFrom(addrs[started], port), results)
				started++
				next.Reset(nextAddress)
			}
		case r := <-results:
			if r.err == nil {
				return r.conn, nil
			}
			ended++
			if first == nil {
				first = r.err
			}
			next.Reset(0)
		case <-ctx.Done():
			return nil, cmp.Or(first, ctx.Err())
		}
	}
	return nil, first
}

// compete hands its result over, or closes it if another one was faster.
func (d *dialer) compete(ctx context.Context, host string, to netip.AddrPort, results chan<- dialled) {
	conn, err := d.one(ctx, host, to)
	select {
	case results <- dialled{conn, err}:
	case <-ctx.Done():
		if conn != nil {
			_ = conn.Close() // nobody wants it
		}
	}
}

// one connects to one address. Control runs between socket() and connect(),
// with the address that the kernel gets: nothing can change it any more.
func (d *dialer) one(ctx context.Context, host string, to netip.AddrPort) (net.Conn, error) {
	plain := d.plain
	plain.Timeout, plain.Deadline, plain.Resolver = 0, time.Time{}, nil
	own := d.plain.ControlContext
	if control := d.plain.Control; own == nil && control != nil {
		own = func(_ context.Context, network, address string, c syscall.RawConn) error {
			return control(network, address, c)
		}
	}
	plain.ControlContext = func(ctx context.Context, network, address string, c syscall.RawConn) error {
		if err := d.control(host, network, address); err != nil {
			return err
		}
		if own == nil {
			return nil
		}
		return own(ctx, network, address, c)
	}
	return plain.DialContext(ctx, "tcp", to.String())
}

func (d *dialer) control(host, network, address string) error {
	to, err := netip.ParseAddrPort(address)
	switch {
	case err != nil:
		return fmt.Errorf("address %q: %w", address, err)
	case network != "tcp4" && network != "tcp6":
		return fmt.Errorf("network %s is not dialled", network)
	case !slices.Contains(d.guard.ports, to.Port()):
		return fmt.Errorf("port %d is not dialled", to.Port())
	}
	return d.guard.check(host, to.Addr())
}
