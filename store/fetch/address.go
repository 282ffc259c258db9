package fetch

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// maxURL bounds an address. Browsers and CDNs stop at 8 KB or below.
const maxURL = 8192

// target is an address that has passed the checks that need no network.
type target struct {
	url  *url.URL // http or https, with a normalised host, no user, no fragment
	host string   // as in url, without port
}

// parse checks an address as a feed or a caller gives it.
func (g *guard) parse(raw string) (target, error) {
	raw = strings.TrimSpace(raw)
	if len(raw) > maxURL {
		return target{}, faultf(KindBadURL, "the address has %d bytes; the limit is %d", len(raw), maxURL)
	}
	u, err := url.Parse(raw)
	if err != nil {
		var inner *url.Error // its text repeats the address, query and all
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return target{}, faultf(KindBadURL, "the address cannot be read: %w; write https://HOST/PATH", err)
	}
	return g.admit(u)
}

// admit checks and normalises a parsed address, first or of a redirect.
func (g *guard) admit(u *url.URL) (target, error) {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return target{}, faultf(KindBadURL, "%q addresses are not read; give an http or https address", u.Scheme)
	case u.Opaque != "" || u.Hostname() == "":
		return target{}, faultf(KindBadURL, "the address has no host; write https://HOST/PATH")
	case u.User != nil:
		return target{}, faultf(KindBadURL, "the address holds a user name or password, which is not sent; remove what stands before the @")
	}
	host, addr, err := normalizeHost(u.Hostname())
	if err != nil {
		return target{}, &fault{kind: KindBadURL, err: err}
	}
	port, err := g.port(u)
	if err != nil {
		return target{}, err
	}
	if addr.IsValid() {
		if err := g.check(host, addr); err != nil {
			return target{}, err
		}
	}
	return target{url: rebuild(u, host, port), host: host}, nil
}

func (g *guard) port(u *url.URL) (uint16, error) {
	text := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || !slices.Contains(g.ports, uint16(port)) {
		return 0, faultf(KindRefused, "port %s is not asked; serve it on port 80, 443, 8080 or 8443, or have this service's operator allow the port", text)
	}
	return uint16(port), nil
}

// rebuild returns u with its host in normal form, without a port that its
// scheme implies, and without user and fragment.
func rebuild(u *url.URL, host string, port uint16) *url.URL {
	clean := &url.URL{Scheme: u.Scheme, Host: host, Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery, ForceQuery: u.ForceQuery}
	if strings.Contains(host, ":") {
		clean.Host = "[" + host + "]"
	}
	if implied := u.Scheme == "http" && port == 80 || u.Scheme == "https" && port == 443; !implied {
		clean.Host += ":" + strconv.Itoa(int(port))
	}
	if clean.Path == "" {
		clean.Path = "/"
	}
	return clean
}

// normalizeHost brings a host into the form that is resolved: lower-case ASCII
// without the last dot, or an address in any of the ways that C libraries and
// browsers read (inet_aton, WHATWG URL §3.5), which is then returned too.
func normalizeHost(host string) (string, netip.Addr, error) {
	none := netip.Addr{}
	ascii, err := toASCII(host)
	if err != nil {
		return "", none, err
	}
	if strings.Contains(ascii, ":") {
		addr, err := netip.ParseAddr(ascii)
		if err != nil || addr.Zone() != "" {
			return "", none, errors.New("the host is not an IPv6 address without zone; give a host name")
		}
		return addr.String(), addr, nil
	}
	ascii = strings.TrimSuffix(ascii, ".")
	if isNumeric(ascii[strings.LastIndexByte(ascii, '.')+1:]) {
		addr, err := parseNumeric(ascii)
		if err != nil {
			return "", none, err
		}
		return addr.String(), addr, nil
	}
	return ascii, none, checkName(ascii)
}

// toASCII lower-cases and maps international names (UTS 46, RFC 5891). Full-width
// digits and ideographic dots become what they look like, so that “１２７。0。0。1”
// is seen for what it is.
func toASCII(host string) (string, error) {
	if !strings.ContainsFunc(host, func(r rune) bool { return r > 0x7e }) {
		return strings.ToLower(host), nil
	}
	// Not strict about ASCII: pictures lie under names with underscores.
	profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false))
	ascii, err := profile.ToASCII(host)
	if err != nil {
		return "", fmt.Errorf("the host is not a domain name: %w; correct it", err)
	}
	return strings.ToLower(ascii), nil
}

// checkName applies RFC 1035's lengths, and the letters that occur in practice.
func checkName(name string) error {
	if name == "" || len(name) > 253 {
		return errors.New("the host is not a domain name: it must have 1 to 253 letters")
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return errors.New("the host is not a domain name: there must be 1 to 63 letters between dots")
		}
	}
	if i := strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	}); i >= 0 {
		return fmt.Errorf("the host is not a domain name: it holds %q", name[i])
	}
	return nil
}

// isNumeric tells whether a last label makes its host an IPv4 address for
// those who read addresses like C libraries do.
func isNumeric(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}

// parseNumeric reads 1 to 4 decimal, octal or hexadecimal parts, of which the
// last fills the bytes that are left: 127.1, 0x7f000001, 017700000001.
func parseNumeric(text string) (netip.Addr, error) {
	parts := strings.Split(text, ".")
	if len(parts) > 4 {
		return netip.Addr{}, errors.New("the host looks like an IPv4 address with more than 4 parts; correct it")
	}
	var value uint64
	for i, part := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (5 - len(parts))
		}
		n, err := parsePart(part, bits)
		if err != nil {
			return netip.Addr{}, fmt.Errorf("the host looks like an IPv4 address, but %q is no part of one; correct it", part)
		}
		value = value<<bits | n
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), nil
}

func parsePart(part string, bits int) (uint64, error) {
	hex, isHex := strings.CutPrefix(part, "0x")
	switch {
	case isHex && hex == "":
		return 0, nil // as WHATWG has it
	case isHex:
		return strconv.ParseUint(hex, 16, bits)
	case len(part) > 1 && part[0] == '0':
		return strconv.ParseUint(part, 8, bits)
	}
	return strconv.ParseUint(part, 10, bits)
}
