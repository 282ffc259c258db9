package fetch

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// AddressError says that a host leads to an address that is not asked. Its
// text names the kind of address only: what an inner name resolves to is
// nothing to tell a stranger. Address is for the operator's log.
type AddressError struct {
	Address netip.Addr
	what    string
}

// Error says what kind of address it is, and what to change.
func (e *AddressError) Error() string {
	return "its host leads to " + e.what + ", and only public addresses are asked; put the picture on a public server, or have this service's operator allow the host"
}

// guard knows which addresses and ports may be asked. It never changes.
type guard struct {
	special     []special
	allow, deny []netip.Prefix
	hosts       []string // allowed names; ".example.com" stands for all names below
	ports       []uint16
}

func newGuard(o Options) (*guard, error) {
	g := &guard{special: specials(), ports: append([]uint16{80, 443, 8080, 8443}, o.Ports...)}
	for _, text := range o.Allow {
		prefix, err := parsePrefix(text)
		if err == nil {
			g.allow = append(g.allow, prefix)
			continue
		}
		name, errName := allowedName(text)
		if errName != nil {
			return nil, fmt.Errorf("allow %q: it is neither a block of addresses (10.1.0.0/16), an address nor a host name (pictures.example, *.example): %w", text, errName)
		}
		g.hosts = append(g.hosts, name)
	}
	for _, text := range o.Deny {
		prefix, err := parsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("deny %q: give a block of addresses (192.0.2.0/24) or an address: %w", text, err)
		}
		g.deny = append(g.deny, prefix)
	}
	return g, nil
}

// parsePrefix reads a block, or one address as a block of one.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("the block has bits after its length; write %s", prefix.Masked())
	}
	return prefix, nil
}

func allowedName(text string) (string, error) {
	below, all := strings.CutPrefix(text, "*.")
	name, addr, err := normalizeHost(below)
	switch {
	case err != nil:
		return "", err
	case addr.IsValid():
		return "", errors.New("it is a number")
	case all:
		return "." + name, nil
	}
	return name, nil
}

// allowsName tells whether the operator trusts a normalised host name.
func (g *guard) allowsName(host string) bool {
	return slices.ContainsFunc(g.hosts, func(h string) bool {
		return h == host || h[0] == '.' && strings.HasSuffix(host, h)
	})
}

// check returns an *AddressError if a connection for host must not go to addr.
func (g *guard) check(host string, addr netip.Addr) error {
	if what := g.verdict(host, addr); what != "" {
		return &AddressError{Address: addr, what: what}
	}
	return nil
}

// verdict is empty for an address that may be asked. An allowed name opens
// only what a network of one's own is made of: who may change a name inside is
// not to reach the machine's credentials with it.
func (g *guard) verdict(host string, addr netip.Addr) string {
	contains := func(p netip.Prefix) bool { return p.Contains(addr) }
	found := slices.IndexFunc(g.special, func(s special) bool { return contains(s.prefix) })
	switch {
	case !addr.IsValid() || addr.Zone() != "":
		return "an address of one machine's own network card"
	case slices.ContainsFunc(g.deny, contains):
		return "an address that this service's operator has denied"
	case slices.ContainsFunc(g.allow, contains):
		return g.embedded(host, addr, found)
	case found >= 0 && g.special[found].inside && g.allowsName(host):
		return ""
	case found >= 0:
		return g.special[found].what
	case addr.Is6() && addr.As16()[0]>>5 != 1: // 2000::/3, RFC 4291 §2.4
		return "an address outside of what IANA has assigned for public use (RFC 4291)"
	}
	return g.isatap(host, addr)
}

// embedded judges the IPv4 address inside an allowed IPv6 block: allowing a
// NAT64 does not allow what is private behind it.
func (g *guard) embedded(host string, addr netip.Addr, found int) string {
	if found < 0 || g.special[found].embeds == 0 {
		return ""
	}
	bytes := addr.As16()
	inner, _ := netip.AddrFromSlice(bytes[g.special[found].embeds:][:4])
	return g.verdict(host, inner)
}

// isatap judges the IPv4 address that an interface identifier ::0:5efe:a.b.c.d
// or ::200:5efe:a.b.c.d tunnels to (RFC 5214 §6.1), in any block.
func (g *guard) isatap(host string, addr netip.Addr) string {
	bytes := addr.As16()
	if !addr.Is6() || bytes[8]&^2 != 0 || bytes[9] != 0 || bytes[10] != 0x5e || bytes[11] != 0xfe {
		return ""
	}
	inner, _ := netip.AddrFromSlice(bytes[12:])
	return g.verdict(host, inner)
}
