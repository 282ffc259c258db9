package fetch

import "net/netip"

// special is a block of addresses that no picture is fetched from.
type special struct {
	prefix netip.Prefix
	what   string // "a private address (RFC 1918)"
	// inside marks what a network of one's own is made of: the only blocks
	// that an allowed host name may lead to.
	inside bool
	// embeds is the byte of an IPv6 address at which an IPv4 address is
	// wrapped into it; 0 where none is.
	embeds int
}

// specials lists the IANA IPv4 and IPv6 Special-Purpose Address Registries
// (https://www.iana.org/assignments/iana-ipv4-special-registry and
// iana-ipv6-special-registry, as of October 2025) with multicast, the
// withdrawn blocks of older RFCs and the one metadata service that lives in
// ordinary space. The few blocks there that are globally reachable hold no web
// servers and are refused too: 192.88.99.0/24 and what lies in 192.0.0.0/24
// and 2001::/23.
func specials() []special {
	return append(specials4(), specials6()...)
}

func specials4() []special {
	return []special{
		{prefix: block("0.0.0.0/8"), what: "an address of “this network” (RFC 791)"},
		{prefix: block("10.0.0.0/8"), what: "a private address (RFC 1918)", inside: true},
		{prefix: block("100.64.0.0/10"), what: "a carrier's shared address (RFC 6598)", inside: true},
		{prefix: block("127.0.0.0/8"), what: "a loopback address (RFC 1122)", inside: true},
		{prefix: block("168.63.129.16/32"), what: "the platform address of Azure's machines"},
		{prefix: block("169.254.0.0/16"), what: "a link-local address, where clouds keep their machines' credentials (RFC 3927)"},
		{prefix: block("172.16.0.0/12"), what: "a private address (RFC 1918)", inside: true},
		{prefix: block("192.0.0.0/24"), what: "an address for protocol assignments (RFC 6890)"},
		{prefix: block("192.0.2.0/24"), what: "an address for documentation (RFC 5737)"},
		{prefix: block("192.88.99.0/24"), what: "a withdrawn 6to4 relay address (RFC 7526)"},
		{prefix: block("192.168.0.0/16"), what: "a private address (RFC 1918)", inside: true},
		{prefix: block("198.18.0.0/15"), what: "an address for benchmarks (RFC 2544)"},
		{prefix: block("198.51.100.0/24"), what: "an address for documentation (RFC 5737)"},
		{prefix: block("203.0.113.0/24"), what: "an address for documentation (RFC 5737)"},
		{prefix: block("224.0.0.0/4"), what: "a multicast address (RFC 5771)"},
		{prefix: block("255.255.255.255/32"), what: "the broadcast address (RFC 919)"},
		{prefix: block("240.0.0.0/4"), what: "a reserved address (RFC 1112)"},
	}
}

func specials6() []special {
	return []special{
		{prefix: block("::/128"), what: "the unspecified address (RFC 4291)"},
		{prefix: block("::1/128"), what: "the loopback address (RFC 4291)", inside: true},
		{prefix: block("::ffff:0:0/96"), what: "an IPv4 address written as IPv6 (RFC 4291)", embeds: 12},
		{prefix: block("::/96"), what: "a withdrawn IPv4-compatible address (RFC 4291)", embeds: 12},
		{prefix: block("64:ff9b::/96"), what: "an IPv4 address behind NAT64 (RFC 6052)", embeds: 12},
		{prefix: block("64:ff9b:1::/48"), what: "an address behind a local NAT64 (RFC 8215)", embeds: 12},
		{prefix: block("100::/64"), what: "a discard address (RFC 6666)"},
		{prefix: block("100:0:0:1::/64"), what: "a dummy address (RFC 9780)"},
		{prefix: block("2001::/32"), what: "a Teredo address (RFC 4380)"},
		{prefix: block("2001:2::/48"), what: "an address for benchmarks (RFC 5180)"},
		{prefix: block("2001:10::/28"), what: "a withdrawn ORCHID address (RFC 4843)"},
		{prefix: block("2001::/23"), what: "an address for protocol assignments (RFC 2928)"},
		{prefix: block("2001:db8::/32"), what: "an address for documentation (RFC 3849)"},
		{prefix: block("2002::/16"), what: "a 6to4 address (RFC 3056)", embeds: 2},
		{prefix: block("3fff::/20"), what: "an address for documentation (RFC 9637)"},
		{prefix: block("5f00::/16"), what: "a segment routing address (RFC 9602)"},
		{prefix: block("fc00::/7"), what: "a unique local address (RFC 4193)", inside: true},
		{prefix: block("fe80::/10"), what: "a link-local address (RFC 4291)"},
		{prefix: block("fec0::/10"), what: "a withdrawn site-local address (RFC 3879)"},
		{prefix: block("ff00::/8"), what: "a multicast address (RFC 4291)"},
	}
}

// block is for the constants above, which the tests read all of.
func block(text string) netip.Prefix { return netip.MustParsePrefix(text) }
