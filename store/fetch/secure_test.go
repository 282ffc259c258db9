package fetch_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"sightline/store/fetch"
)

// secure starts an HTTPS server and returns its certificate.
func secure(t *testing.T, h http.HandlerFunc) (*httptest.Server, *x509.CertPool) {
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s, pool
}

func TestTLS(t *testing.T) {
	plain := handle(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, jpeg) })
	s, pool := secure(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/plain":
			http.Redirect(w, r, plain.URL, http.StatusFound)
		case "/huge":
			w.Write(bytes.Repeat([]byte(jpeg), 1<<20))
		default:
			w.Header().Set("Proto", r.Proto)
			fmt.Fprint(w, r.Proto)
		}
	})
	c := open(t, fetch.Options{RootCAs: pool, MaxBytes: 1 << 20}, s, plain)
	r, err := get(t, c, s.URL)
	if err != nil || string(r.Data) != "HTTP/2.0" {
		t.Fatalf("%q, %v", r.Data, err)
	}
	_, err = get(t, c, s.URL+"/plain")
	if e := wantKind(t, err, fetch.KindRedirect); !strings.Contains(e.Error(), "https to http") {
		t.Error(e)
	}
	_, err = get(t, c, s.URL+"/huge")
	wantKind(t, err, fetch.KindTooLarge)
	lax := open(t, fetch.Options{RootCAs: pool, AllowDowngrade: true}, s, plain)
	if r, err = get(t, lax, s.URL+"/plain"); err != nil || r.FinalURL != plain.URL+"/" {
		t.Errorf("%+v, %v", r, err)
	}

	unknown := open(t, fetch.Options{}, s, plain)
	_, err = get(t, unknown, s.URL)
	if e := wantKind(t, err, fetch.KindTLS); e.Attempts != 1 || e.Temporary() {
		t.Errorf("%+v", e)
	}
	wrongName := open(t, fetch.Options{RootCAs: pool, Resolver: resolver(map[string][]string{"wrong.test": {"127.0.0.1"}})}, s)
	_, err = get(t, wrongName, strings.Replace(s.URL, "127.0.0.1", "wrong.test", 1))
	wantKind(t, err, fetch.KindTLS)
	_, err = get(t, unknown, strings.Replace(plain.URL, "http:", "https:", 1))
	wantKind(t, err, fetch.KindTLS)
}

// TestProxy: the one of the environment (see TestMain) is not used, the one
// of the options is.
func TestProxy(t *testing.T) {
	var proxied atomic.Int64
	proxy := handle(t, func(w http.ResponseWriter, r *http.Request) {
		proxied.Add(1)
		fmt.Fprint(w, r.URL.String())
	})
	s := handle(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, jpeg) })
	// By name: what the environment names is not used for loopback addresses.
	direct := open(t, fetch.Options{Resolver: resolver(map[string][]string{"shop.example": {"127.0.0.1"}})}, s)
	if r, err := get(t, direct, fmt.Sprintf("http://shop.example:%d/", portOf(t, s.URL))); err != nil || string(r.Data) != jpeg {
		t.Fatalf("%q, %v", r.Data, err)
	}
	proxyURL := mustParse(t, proxy.URL)
	c := open(t, fetch.Options{Proxy: proxyURL, Allow: []string{}})
	r, err := get(t, c, "http://shop.example/a.jpg")
	if err != nil || string(r.Data) != "http://shop.example/a.jpg" || proxied.Load() != 1 {
		t.Fatalf("%q, %v", r.Data, err)
	}
	_, err = get(t, c, "http://169.254.169.254/") // not left to the proxy
	wantKind(t, err, fetch.KindRefused)
	if _, err := fetch.New(fetch.Options{Proxy: mustParse(t, "ftp://proxy")}); err == nil {
		t.Error("a proxy of no kind was taken")
	}
}
