package fetch

import (
	"net/netip"
	"testing"
)

func mustGuard(t testing.TB, o Options) *guard {
	t.Helper()
	g, err := newGuard(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// lastOf is the last address of a block.
func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for i := p.Bits(); i < len(bytes)*8; i++ {
		bytes[i/8] |= 1 << (7 - i%8)
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}

// TestBlocks tries both ends of every block, and what stands beside it unless
// another block does.
func TestBlocks(t *testing.T) {
	g := mustGuard(t, Options{})
	for _, s := range g.special {
		first, last := s.prefix.Addr(), lastOf(s.prefix)
		for _, addr := range []netip.Addr{first, last, first.WithZone("eth0")} {
			if g.check("", addr) == nil {
				t.Errorf("%v, of %v, may be asked", addr, s.prefix)
			}
		}
		for _, addr := range []netip.Addr{first.Prev(), last.Next()} {
			if got, want := g.check("", addr) != nil, !isOrdinary(addr); got != want {
				t.Errorf("%v, beside %v: refused is %v", addr, s.prefix, got)
			}
		}
	}
	if g.check("", netip.Addr{}) == nil {
		t.Error("no address may be asked")
	}
}

func TestAllowAndDeny(t *testing.T) {
	g := mustGuard(t, Options{
		Allow: []string{"10.1.0.0/16", "fd00:1::/32", "64:ff9b::/96", "169.254.7.7", "shop.internal", "*.pictures.internal"},
		Deny:  []string{"10.1.9.0/24", "8.8.8.8"},
	})
	for _, tc := range []struct {
		host, addr string
		want       bool
	}{
		{"", "10.1.2.3", true},
		{"", "10.1.9.1", false}, // denied
		{"", "8.8.8.8", false},  // denied
		{"", "8.8.4.4", true},
		{"", "10.2.0.1", false},
		{"", "::ffff:10.1.2.3", false},
		{"", "fd00:1::5", true},
		{"", "fd00:2::5", false},
		{"", "169.254.7.7", true},
		{"", "64:ff9b::8.8.4.4", true},
		{"", "64:ff9b::8.8.8.8", false}, // denied behind it
		{"", "64:ff9b::169.254.169.254", false},
		{"", "64:ff9b::10.2.0.1", false},
		{"", "64:ff9b::10.1.0.1", true},
		{"shop.internal", "192.168.0.1", true},
		{"shop.internal", "127.0.0.1", true},
		{"shop.internal", "::1", true},
		{"shop.internal", "fd00:2::5", true},
		{"shop.internal", "10.1.9.1", false},
		{"shop.internal", "169.254.169.254", false}, // a name opens no metadata
		{"shop.internal", "168.63.129.16", false},
		{"shop.internal", "0.0.0.0", false},
		{"shop.internal", "fe80::1", false},
		{"shop.internal", "224.0.0.1", false},
		{"xshop.internal", "192.168.0.1", false},
		{"a.pictures.internal", "192.168.0.1", true},
		{"a.b.pictures.internal", "192.168.0.1", true},
		{"pictures.internal", "192.168.0.1", false},
		{"evilpictures.internal", "192.168.0.1", false},
	} {
		if got := g.check(tc.host, netip.MustParseAddr(tc.addr)) == nil; got != tc.want {
			t.Errorf("%s for %q: %v, want %v", tc.addr, tc.host, got, tc.want)
		}
	}
}

func TestNormalizeHost(t *testing.T) {
	for host, want := range map[string]string{
		"Shop.Example": "shop.example", "shop.example.": "shop.example", "BÜCHER.example": "xn--bcher-kva.example", "a_b.example": "a_b.example",
		"1.2.3.4": "1.2.3.4", "1.2.3": "1.2.0.3", "1.2": "1.0.0.2", "0x1.02.0X3": "1.2.0.3", "16909060": "1.2.3.4", "0x": "0.0.0.0", "1.0x.3.4": "1.0.3.4",
		"037777777777": "255.255.255.255", "2001:DB8::0:1": "2001:db8::1", "1.2.3.4.": "1.2.3.4", "1a.example": "1a.example", "example.0xg": "example.0xg",
	} {
		if got, _, err := normalizeHost(host); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", host, got, err, want)
		}
	}
	for _, host := range []string{"", ".", "a b", "a..b", "08", "0x100000000", "1.2.3.256", "a.1", "1.2.3.4..", "fe80::1%lo", "a:b", "a/b", "a\x00b", "xn--a\u00ad.\u2028"} {
		if got, addr, err := normalizeHost(host); err == nil {
			t.Errorf("%q: became %q, %v", host, got, addr)
		}
	}
}

func TestRedact(t *testing.T) {
	for raw, want := range map[string]string{
		"https://a.example/b.jpg":              "https://a.example/b.jpg",
		"https://a.example/b.jpg?sig=secret#x": "https://a.example/b.jpg?…",
		"https://u:secret@a.example/b@2x.jpg":  "https://a.example/b@2x.jpg",
		"https://u:sec/ret@a.example/":         "…@a.example/",
		"https://u:sec%ret@a.example/?secret":  "…@a.example/?…",
		"http:u:secret@a.example":              "…@a.example",
		"http://a.example/\x00?secret":         "http://a.example/\uFFFD?…",
		"http://a.example/%zz#secret":          "http://a.example/%zz?…",
	} {
		if got := redact(" " + raw + "\n"); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

// isOrdinary is written apart from the guard, byte by byte, to find what its
// table lacks: an address of the public internet, and nothing else.
func isOrdinary(addr netip.Addr) bool {
	if !addr.IsValid() || addr.Zone() != "" {
		return false
	}
	if addr.Is4() {
		return isOrdinary4(addr.As4())
	}
	b := addr.As16()
	word := func(i int) uint16 { return uint16(b[2*i])<<8 | uint16(b[2*i+1]) }
	isatap := b[8]&0xfd == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
	switch {
	case b[0] < 0x20 || b[0] > 0x3f:
		return false
	case word(0) == 0x2001 && word(1) < 0x0200, word(0) == 0x2001 && word(1) == 0x0db8, word(0) == 0x2002, word(0) == 0x3fff && word(1) < 0x1000:
		return false
	case isatap:
		return isOrdinary4([4]byte(b[12:]))
	}
	return true
}

func isOrdinary4(b [4]byte) bool {
	switch {
	case b[0] == 0, b[0] == 10, b[0] == 127, b[0] >= 224:
		return false
	case b[0] == 100 && b[1] >= 64 && b[1] < 128, b[0] == 169 && b[1] == 254, b[0] == 172 && b[1] >= 16 && b[1] < 32, b[0] == 192 && b[1] == 168:
		return false
	case b[0] == 192 && b[1] == 0 && (b[2] == 0 || b[2] == 2), b[0] == 192 && b[1] == 88 && b[2] == 99:
		return false
	case b[0] == 198 && (b[1] == 18 || b[1] == 19), b[0] == 198 && b[1] == 51 && b[2] == 100, b[0] == 203 && b[1] == 0 && b[2] == 113:
		return false
	}
	return b != [4]byte{168, 63, 129, 16}
}
