package access_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sightline/api/access"
)

func proxies(t testing.TB, header string, list ...string) access.Proxies {
	t.Helper()
	p, err := access.ParseProxies(list, header)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// from makes a request from an address; headers come as pairs.
func from(remote string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = remote
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestClient(t *testing.T) {
	const xff, fwd = "X-Forwarded-For", "Forwarded"
	p := proxies(t, "", "10.0.0.0/8", "192.0.2.1", "2001:db8:1::/48")
	for name, c := range map[string]struct {
		remote  string
		headers []string
		want    string
	}{
		"nobody in between":           {"203.0.113.9:1", nil, "203.0.113.9"},
		"made up by a caller":         {"203.0.113.9:1", []string{xff, "1.1.1.1"}, "203.0.113.9"},
		"one proxy":                   {"10.1.1.1:1", []string{xff, "203.0.113.9"}, "203.0.113.9"},
		"made up left of the proxy's": {"10.1.1.1:1", []string{xff, "1.1.1.1, 203.0.113.9"}, "203.0.113.9"},
		"trusted made up further off": {"10.1.1.1:1", []string{xff, "10.9.9.9, 203.0.113.9"}, "203.0.113.9"},
		"two proxies":                 {"10.1.1.1:1", []string{xff, "1.1.1.1,203.0.113.9 , 192.0.2.1"}, "203.0.113.9"},
		"over two lines":              {"10.1.1.1:1", []string{xff, "1.1.1.1", xff, "203.0.113.9, 10.2.2.2"}, "203.0.113.9"},
		"proxies only":                {"10.1.1.1:1", []string{xff, "10.3.3.3, 10.2.2.2"}, "10.3.3.3"},
		"no header":                   {"10.1.1.1:1", nil, "10.1.1.1"},
		"unreadable":                  {"10.1.1.1:1", []string{xff, "203.0.113.9, nonsense"}, "10.1.1.1"},
		"unreadable behind a proxy":   {"10.1.1.1:1", []string{xff, "nonsense, 10.2.2.2"}, "10.2.2.2"},
		"empty at the end":            {"10.1.1.1:1", []string{xff, "203.0.113.9,"}, "10.1.1.1"},
		"with a port":                 {"10.1.1.1:1", []string{xff, "203.0.113.9:4711"}, "203.0.113.9"},
		"IPv6":                        {"[2001:db8:1::1]:1", []string{xff, "2001:db8:2::9"}, "2001:db8:2::9"},
		"IPv6 in brackets":            {"10.1.1.1:1", []string{xff, "[2001:db8:2::9]"}, "2001:db8:2::9"},
		"IPv6 with a port":            {"10.1.1.1:1", []string{xff, "[2001:db8:2::9]:1"}, "2001:db8:2::9"},
		"half a bracket":              {"10.1.1.1:1", []string{xff, "[2001:db8:2::9"}, "10.1.1.1"},
		"mapped IPv4":                 {"[::ffff:10.1.1.1]:1", []string{xff, "::ffff:203.0.113.9"}, "203.0.113.9"},
		"with a zone":                 {"[fe80::1%eth0]:1", nil, "fe80::1"},
		"the other header":            {"10.1.1.1:1", []string{fwd, "for=1.1.1.1"}, "10.1.1.1"},
		"no address":                  {"@", []string{xff, "203.0.113.9"}, "invalid IP"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := p.Client(from(c.remote, c.headers...)).String(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	if got := (access.Proxies{}).Client(from("10.1.1.1:1", xff, "1.1.1.1")).String(); got != "10.1.1.1" {
		t.Errorf("with no proxies: %s", got)
	}
}

func TestForwarded(t *testing.T) {
	p := proxies(t, access.Forwarded, "10.0.0.0/8")
	for header, want := range map[string]string{
		`for=203.0.113.9`: "203.0.113.9",
		`For="203.0.113.9:4711";proto=https;by=10.1.1.1`:     "203.0.113.9",
		`for="[2001:db8:2::9]:4711"`:                         "2001:db8:2::9",
		`for="[2001:db8:2::9]"`:                              "2001:db8:2::9",
		`for=1.1.1.1, for=203.0.113.9;by=x , for="10.2.2.2"`: "203.0.113.9",
		`for="\1\9\8.51.100.7"`:                              "198.51.100.7",
		`for=unknown`:                                        "10.1.1.1",
		`for=_hidden, for=10.2.2.2`:                          "10.2.2.2",
		`for=203.0.113.9;for=1.1.1.1`:                        "10.1.1.1",
		`for="203.0.113.9`:                                   "10.1.1.1",
		`for="1.1.1.1, for=203.0.113.9`:                      "10.1.1.1",
		`for=203.0.113.9, `:                                  "10.1.1.1",
		`for=203.0.113.9 for=1.1.1.1`:                        "10.1.1.1",
		`proto=https`:                                        "10.1.1.1",
		``:                                                   "10.1.1.1",
		`for=1.1.1.1;x="a,b;c=\"", for=203.0.113.9;host="a b,c"`: "203.0.113.9",
	} {
		if got := p.Client(from("10.1.1.1:1", "Forwarded", header, "X-Forwarded-For", "8.8.8.8")).String(); got != want {
			t.Errorf("%s: %s, want %s", header, got, want)
		}
	}
}

func TestEncrypted(t *testing.T) {
	x, f := proxies(t, "", "10.0.0.0/8"), proxies(t, access.Forwarded, "10.0.0.0/8")
	for name, c := range map[string]struct {
		proxies access.Proxies
		r       *http.Request
		want    bool
	}{
		"a proxy says so":        {x, from("10.1.1.1:1", "X-Forwarded-Proto", "https"), true},
		"a proxy says not":       {x, from("10.1.1.1:1", "X-Forwarded-Proto", "http"), false},
		"a caller says so":       {x, from("203.0.113.9:1", "X-Forwarded-Proto", "https"), false},
		"Forwarded":              {f, from("10.1.1.1:1", "Forwarded", "proto=http, for=x;proto=HTTPS"), true},
		"Forwarded, not nearest": {f, from("10.1.1.1:1", "Forwarded", "proto=https, for=x"), false},
		"the other header":       {f, from("10.1.1.1:1", "X-Forwarded-Proto", "https"), false},
		"nobody":                 {access.Proxies{}, from("10.1.1.1:1", "X-Forwarded-Proto", "https"), false},
	} {
		if got := c.proxies.Encrypted(c.r); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	r := from("203.0.113.9:1")
	r.TLS = &tls.ConnectionState{}
	if !x.Encrypted(r) {
		t.Error("TLS is not noticed")
	}
}

func TestParseProxies(t *testing.T) {
	_, err := access.ParseProxies([]string{"10.0.0.0/8", "10.0.0.0/33", "proxy.example", "0.0.0.0/0", "::/0", "::ffff:10.0.0.0/104"}, "x-real-ip")
	if err == nil {
		t.Fatal("no error")
	}
	for _, word := range []string{"x-real-ip", "10.0.0.0/33", "proxy.example", "0.0.0.0/0", "::/0", "::ffff:10.0.0.0/104"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not name %s", err, word)
		}
	}
}

func TestNetwork(t *testing.T) {
	p := access.Proxies{}
	for remote, want := range map[string]string{
		"203.0.113.9:1": "203.0.113.9", "[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::", "[::ffff:203.0.113.9]:1": "203.0.113.9", "@": "invalid IP",
	} {
		if got := access.Network(p.Client(from(remote))).String(); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}

// FuzzForwarded: whatever a caller sends through a trusted proxy that adds
// itself at the end, the caller's address is what that proxy saw.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{`for=1.1.1.1`, `for="[2001:db8::1]:1";proto=https`, `for="`, `a=b;;c=d`, `for=1.1.1.1,`, `"`, `for="\`} {
		f.Add(seed)
	}
	fwd, xff := proxies(f, access.Forwarded, "10.0.0.0/8"), proxies(f, access.XForwardedFor, "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, text string) {
		r := from("10.1.1.1:1", "Forwarded", text, "Forwarded", "for=203.0.113.9", "X-Forwarded-For", text, "X-Forwarded-For", "203.0.113.9")
		if got := xff.Client(r).String(); got != "203.0.113.9" {
			t.Errorf("X-Forwarded-For: %s", got)
		}
		// A broken header is passed over as a whole, so that it is the proxy's own
		// address then; it is never one that the caller chose.
		if got := fwd.Client(r).String(); got != "203.0.113.9" && got != "10.1.1.1" {
			t.Errorf("Forwarded: %s", got)
		}
		fwd.Encrypted(r)
	})
}
