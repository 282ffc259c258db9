package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"sightline/store/fetch"
)

// hostile holds addresses that nothing may be dialled for, none of them
// allowed, with the kind of refusal. Names resolve as in hostileNames.
func hostile() map[string]fetch.Kind {
	const (
		refused = fetch.KindRefused
		bad     = fetch.KindBadURL
	)
	return map[string]fetch.Kind{
		"http://127.0.0.1/":                           refused,
		"http://127.255.255.254/":                     refused,
		"http://127.0.0.1:8080/":                      refused,
		"http://127.1/":                               refused,
		"http://2130706433/":                          refused, // decimal
		"http://0x7f000001/":                          refused, // hexadecimal
		"http://0x7F.0.0.0x1/":                        refused,
		"http://017700000001/":                        refused, // octal
		"http://0177.0.0.01/":                         refused,
		"http://127.0.0.1./":                          refused,
		"http://１２７.0.0.1/":                           refused, // full width
		"http://127。0。0。1/":                           refused, // ideographic dots
		"http://①②⑦.0.0.1/":                           refused,
		"http://0/":                                   refused,
		"http://0.0.0.0/":                             refused,
		"http://0.1.2.3/":                             refused,
		"http://10.0.0.1/":                            refused,
		"http://10.255.255.255/":                      refused,
		"http://172.16.0.1/":                          refused,
		"http://172.31.255.255/":                      refused,
		"http://192.168.1.1/":                         refused,
		"http://192.168.257/":                         refused, // 192.168.1.1
		"http://169.254.169.254/latest/meta-data/":    refused,
		"http://0xa9fea9fe/latest/meta-data/":         refused,
		"http://2852039166/":                          refused,
		"http://168.63.129.16/":                       refused, // Azure
		"http://100.64.0.1/":                          refused,
		"http://100.100.100.200/":                     refused, // Alibaba's metadata
		"http://192.0.0.192/":                         refused, // Oracle's metadata
		"http://192.0.2.1/":                           refused,
		"http://198.18.0.1/":                          refused,
		"http://198.51.100.7/":                        refused,
		"http://203.0.113.7/":                         refused,
		"http://192.88.99.1/":                         refused,
		"http://224.0.0.1/":                           refused,
		"http://239.255.255.250/":                     refused,
		"http://240.0.0.1/":                           refused,
		"http://255.255.255.255/":                     refused,
		"http://[::]/":                                refused,
		"http://[::1]/":                               refused,
		"http://[0:0:0:0:0:0:0:1]:8080/":              refused,
		"http://[::ffff:127.0.0.1]/":                  refused,
		"http://[::ffff:7f00:1]/":                     refused,
		"http://[::ffff:8.8.8.8]/":                    refused,
		"http://[::ffff:0:127.0.0.1]/":                refused, // RFC 2765's translated form
		"http://[::127.0.0.1]/":                       refused,
		"http://[64:ff9b::7f00:1]/":                   refused,
		"http://[64:ff9b::10.0.0.1]/":                 refused,
		"http://[64:ff9b:1::a00:1]/":                  refused,
		"http://[2002:7f00:1::]/":                     refused, // 6to4 of 127.0.0.1
		"http://[2002:a9fe:a9fe::1]/":                 refused,
		"http://[2001:0:7f00:1::1]/":                  refused, // Teredo
		"http://[2001:db8::1]/":                       refused,
		"http://[3fff::1]/":                           refused,
		"http://[5f00::1]/":                           refused,
		"http://[100::1]/":                            refused,
		"http://[fe80::1]/":                           refused,
		"http://[fec0::1]/":                           refused,
		"http://[fc00::1]/":                           refused,
		"http://[fd00:ec2::254]/latest/meta-data/":    refused, // AWS over IPv6
		"http://[ff02::1]/":                           refused,
		"http://[4000::1]/":                           refused, // not assigned
		"http://[2606:4700::200:5efe:10.0.0.1]/":      refused, // ISATAP
		"http://localhost/":                           refused,
		"http://LOCALHOST./":                          refused,
		"http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/":                           refused,
		"http://inside.example/":                      refused,
		"http://both-inside.example/":                 refused,
		"http://mapped.example/":                      refused,
		"http://nat64.example/":                       refused,
		"http://metadata.example/":                    refused,
		"http://sixtofour.example/":                   refused,
		"http://8.8.8.8:22/":                          refused,
		"http://8.8.8.8:6379/":                        refused,
		"http://8.8.8.8:0/":                           refused,
		"http://8.8.8.8:65616/":                       refused, // 80 in 16 bits
		"http://missing.example/":                     fetch.KindNoHost,
		"http://8.8.8.8:80@127.0.0.1/":                bad,
		"http://user:secret@8.8.8.8/":                 bad,
		"http://127.0.0.1\\@8.8.8.8/":                 bad,
		"http://8.8.8.8%00.example/":                  bad,
		"http://%31%32%37.0.0.1/":                     bad,
		"http://[fe80::1%25eth0]/":                    bad,
		"http://[::1%25lo]/":                          bad,
		"http://256.1.1.1/":                           bad,
		"http://1.2.3.4.5/":                           bad,
		"http://127.0.0.1.0x/":                        bad,
		"http://4294967296/":                          bad,
		"http://a..example/":                          bad,
		"http://.example/":                            bad,
		"http://" + strings.Repeat("a", 64) + ".de/":  bad,
		"http://8.8.8.8/" + strings.Repeat("a", 9000): bad,
		"http:///etc/passwd":                          bad,
		"http:127.0.0.1":                              bad,
		"//127.0.0.1/":                                bad,
		"127.0.0.1":                                   bad,
		"file:///etc/passwd":                          bad,
		"gopher://127.0.0.1:6379/_FLUSHALL":           bad,
		"ftp://8.8.8.8/":                              bad,
		"jar:http://8.8.8.8!/":                        bad,
		"unix:///var/run/docker.sock":                 bad,
		"javascript:alert(1)":                         bad,
		"http://8.8.8.8\r\nHost: inside/":             bad,
		"":                                            bad,
	}
}

func hostileNames() map[string][]string {
	return map[string][]string{
		"localhost":           {"127.0.0.1,::1"},
		"inside.example":      {"10.1.2.3"},
		"both-inside.example": {"192.168.0.1,fd00::1"},
		"mapped.example":      {"::ffff:10.1.2.3"},
		"nat64.example":       {"64:ff9b::a9fe:a9fe"},
		"metadata.example":    {"169.254.169.254"},
		"sixtofour.example":   {"2002:c0a8:101::1"},
	}
}

// watch returns a dialer that reports what is dialled and connects nowhere.
func watch(dialled func(address string)) *net.Dialer {
	return &net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		dialled(address)
		return errors.New("nothing is dialled in this test")
	}}
}

func TestHostileAddresses(t *testing.T) {
	c := open(t, fetch.Options{
		Allow: []string{}, Resolver: resolver(hostileNames()), BreakerFailures: 1000,
		Dialer: watch(func(address string) { t.Errorf("%s was dialled", address) }),
	})
	for address, want := range hostile() {
		_, err := get(t, c, address)
		if got := kindOf(t, err); got != want {
			t.Errorf("%q: %v (%v), want %v", address, got, err, want)
		}
		if _, _, err := c.Open(t.Context(), address); kindOf(t, err) != want {
			t.Errorf("stream of %q: %v, want %v", address, err, want)
		}
	}
	if n := len(hostile()); n < 90 {
		t.Errorf("only %d addresses", n)
	}
}

// TestPublicAddressesAreDialled is the other side: what is refused is refused
// for a reason.
func TestPublicAddressesAreDialled(t *testing.T) {
	names := resolver(map[string][]string{
		"shop.example": {"1.1.1.1"}, "xn--mnchen-3ya.example": {"8.8.8.8"}, "my_bucket.example": {"9.9.9.9"},
		"mixed.example": {"10.0.0.1,1.0.0.1,::1,2606:4700::1111"},
	})
	for address, want := range map[string][]string{
		"http://8.8.8.8/":               {"8.8.8.8:80"},
		"http://8.8.8.8#@127.0.0.1:22/": {"8.8.8.8:80"},
		"https://8.8.4.4/":              {"8.8.4.4:443"},
		"http://8.8.4.4:8080":           {"8.8.4.4:8080"},
		"http://134744072/":             {"8.8.8.8:80"},
		"http://[2606:4700::1111]/":     {"[2606:4700::1111]:80"},
		"  HTTP://Shop.Example.:80/a b": {"1.1.1.1:80"},
		"http://MÜNCHEN.example/":       {"8.8.8.8:80"},
		"http://my_bucket.example/":     {"9.9.9.9:80"},
		"http://mixed.example/":         {"1.0.0.1:80", "[2606:4700::1111]:80"},
	} {
		t.Run(address, func(t *testing.T) {
			dialled := make(chan string, 8)
			c := open(t, fetch.Options{Allow: []string{}, Resolver: names, Attempts: 1, Dialer: watch(func(a string) { dialled <- a })})
			_, err := get(t, c, address)
			wantKind(t, err, fetch.KindConnection)
			close(dialled)
			seen := map[string]bool{}
			for a := range dialled {
				seen[a] = true
			}
			if len(seen) != len(want) {
				t.Fatalf("dialled %v, want %v", seen, want)
			}
			for _, a := range want {
				if !seen[a] {
					t.Errorf("dialled %v, want %v", seen, want)
				}
			}
		})
	}
}

func TestRedirectsToHostileAddresses(t *testing.T) {
	const here = "127.0.0.3" // so that 127.0.0.1 stays refused
	var location atomic.Value
	s := serve(t, here, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location.Load().(string))
		w.WriteHeader(http.StatusFound)
	}))
	c := open(t, fetch.Options{
		Allow: []string{here}, Resolver: resolver(hostileNames()),
		Dialer: &net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			if !strings.HasPrefix(address, here) {
				t.Errorf("%s was dialled", address)
			}
			return nil
		}},
	}, s)
	tried := 0
	for address, want := range hostile() {
		if strings.ContainsAny(address, "\r\n") || !strings.Contains(address, "://") {
			continue // no header, or not absolute
		}
		tried++
		location.Store(address)
		_, err := get(t, c, s.URL)
		if got := kindOf(t, err); got != want && (want != fetch.KindBadURL || got != fetch.KindRedirect) {
			t.Errorf("redirect to %q: %v (%v), want %v", address, got, err, want)
		}
	}
	t.Logf("%d addresses, %d as redirects", len(hostile()), tried)
	if tried < 80 {
		t.Errorf("only %d redirects", tried)
	}
}

func TestRebinding(t *testing.T) {
	var inside atomic.Int64
	outer := serve(t, "127.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close") // the next request looks up again
		fmt.Fprint(w, jpeg)
	}))
	inner := http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) })}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.2:%d", portOf(t, outer.URL)))
	if err != nil {
		t.Skipf("127.0.0.2 is not there: %v", err)
	}
	go inner.Serve(l)
	t.Cleanup(func() { inner.Close() })

	n := resolver(map[string][]string{
		"rebind.example": {"127.0.0.1", "127.0.0.2"},
		"mixed.example":  {"127.0.0.2,127.0.0.1,::1"},
		"late.example":   {"127.0.0.1", "127.0.0.1", "::ffff:127.0.0.2,64:ff9b::7f00:2"},
	})
	c := open(t, fetch.Options{Resolver: n, Attempts: 3}, outer)
	at := func(host string) string { return fmt.Sprintf("http://%s:%d/", host, portOf(t, outer.URL)) }

	if _, err := get(t, c, at("rebind.example")); err != nil {
		t.Fatal(err)
	}
	_, err = get(t, c, at("rebind.example"))
	e := wantKind(t, err, fetch.KindRefused)
	if e.Address().String() != "127.0.0.2" || strings.Contains(e.Error(), "127.0.0.2") {
		t.Errorf("the error is to know the address and not to tell it: %v, %v", e.Address(), e)
	}
	for range 5 { // of a mixed answer only what is allowed is dialled
		if _, err := get(t, c, at("mixed.example")); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := get(t, c, at("late.example")); err != nil {
			t.Fatal(err)
		}
	}
	_, err = get(t, c, at("late.example"))
	wantKind(t, err, fetch.KindRefused)
	if n := inside.Load(); n != 0 {
		t.Errorf("%d requests reached the inside", n)
	}
}
