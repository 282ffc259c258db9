package hub

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	connectTimeout = 15 * time.Second
	maxRedirects   = 10
	userAgent      = "Sightline/1 (indexd model pull)"
)

func newTransport(o Options) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		DisableCompression:     true, // hashes and sizes are those of the bytes as they are
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		TLSHandshakeTimeout:    connectTimeout,
		ResponseHeaderTimeout:  o.Stall,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    o.Parallel,
		IdleConnTimeout:        30 * time.Second,
	}
}

// authorised adds the token where a request goes to the endpoint itself. The
// token is never a header of the request that http.Client sees, so that no
// rule about redirects (that of net/http passes it on to subdomains) can carry
// it elsewhere.
type authorised struct {
	next   http.RoundTripper
	origin string
	token  string
}

// RoundTrip implements http.RoundTripper.
func (a *authorised) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", userAgent)
	if a.token != "" && origin(r.URL) == a.origin {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	return a.next.RoundTrip(r)
}

// errRedirect marks a redirect that is not followed: trying again leads to it again.
var errRedirect = errors.New("the server redirects")

func checkRedirect(r *http.Request, via []*http.Request) error {
	r.Header.Del("Referer") // the address before may be signed
	last := via[len(via)-1].URL
	switch {
	case len(via) >= maxRedirects:
		return fmt.Errorf("%w more than %d times", errRedirect, maxRedirects)
	case r.URL.Scheme != "https" && r.URL.Scheme != "http":
		return fmt.Errorf("%w to an address that is not http", errRedirect)
	case last.Scheme == "https" && r.URL.Scheme != "https":
		return fmt.Errorf("%w from https to http at %s, which is not followed", errRedirect, r.URL.Host)
	}
	return nil
}
