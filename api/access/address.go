// Package access holds what tells one caller from another, apart from keys:
// addresses behind proxies, limits for each caller, certificates that change,
// and the record of who wrote what. Package api puts it between a request and
// its handler.
package access

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Headers in which proxies say whom they speak for.
const (
	XForwardedFor = "x-forwarded-for"
	Forwarded     = "forwarded" // RFC 7239
)

// Proxies are those whose word on the caller's address counts. One header is
// read and never the other: a proxy that writes the one passes the other on as
// a caller made it up. The zero value trusts nobody.
type Proxies struct {
	trusted   []netip.Prefix
	forwarded bool
}

// ParseProxies reads addresses and blocks, and the header that these proxies
// write: XForwardedFor, which "" stands for, or Forwarded. All bad entries are
// named at once.
func ParseProxies(list []string, header string) (Proxies, error) {
	p := Proxies{forwarded: header == Forwarded}
	var problems []error
	if header != "" && header != Forwarded && header != XForwardedFor {
		problems = append(problems, fmt.Errorf("header %q: use %s or %s", header, XForwardedFor, Forwarded))
	}
	for _, text := range list {
		block, err := parseBlock(text)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		p.trusted = append(p.trusted, block)
	}
	return p, errors.Join(problems...)
}

func parseBlock(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = plain(addr)
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	block, err := netip.ParsePrefix(text)
	switch {
	case err != nil || block.Addr().Is4In6():
		return block, fmt.Errorf("%q is neither an address nor a block such as 10.0.0.0/8", text)
	case block.Bits() == 0:
		return block, fmt.Errorf("%s would trust every caller", text)
	}
	return block.Masked(), nil
}

// plain is an address in the one form in which addresses are compared.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func (p Proxies) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p.trusted, func(block netip.Prefix) bool { return block.Contains(a) })
}

// Client is the address that a request came from: the connection's, or where
// that is a trusted proxy's the right-most address of the header that is not.
// What stands further left, a caller may have made up. Where the header cannot be
// read on, it is the last address that could. The zero Addr means unknown.
func (p Proxies) Client(r *http.Request) netip.Addr {
	peer := peerOf(r)
	if !p.trusts(peer) {
		return peer
	}
	hops := p.hops(r)
	for _, hop := range slices.Backward(hops) {
		addr, ok := parseHop(hop)
		if !ok {
			return peer
		}
		if peer = addr; !p.trusts(peer) {
			return peer
		}
	}
	return peer
}

func peerOf(r *http.Request) netip.Addr {
	if at, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return plain(at.Addr())
	}
	return netip.Addr{}
}

// hops are the addresses that the proxies noted, the nearest last.
func (p Proxies) hops(r *http.Request) []string {
	if !p.forwarded {
		return strings.Split(strings.Join(r.Header.Values(XForwardedFor), ","), ",")
	}
	var hops []string
	elements, _ := parseForwarded(strings.Join(r.Header.Values(Forwarded), ",")) // none of a broken one
	for _, e := range elements {
		hops = append(hops, e.node)
	}
	return hops
}

// parseHop reads an address with or without a port, IPv6 in brackets or not.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.Trim(text, " \t")
	if at, err := netip.ParseAddrPort(text); err == nil {
		return plain(at.Addr()), true
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if text, ok = strings.CutSuffix(inner, "]"); !ok {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(text)
	return plain(addr), err == nil
}

// Encrypted tells whether the caller's way was encrypted: up to here, or up to a
// trusted proxy that says so.
func (p Proxies) Encrypted(r *http.Request) bool {
	if r.TLS != nil || !p.trusts(peerOf(r)) {
		return r.TLS != nil
	}
	scheme := r.Header.Get("X-Forwarded-Proto")
	if p.forwarded {
		scheme = ""
		if elements, _ := parseForwarded(strings.Join(r.Header.Values(Forwarded), ",")); len(elements) > 0 {
			scheme = elements[len(elements)-1].proto
		}
	}
	return strings.EqualFold(scheme, "https")
}

// Network is the address by which a caller is counted: one caller may have a
// whole /64 of IPv6.
func Network(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	block, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return block.Addr()
}
