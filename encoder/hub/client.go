package hub

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// DefaultEndpoint is the server that is asked where none is named.
const DefaultEndpoint = "https://huggingface.co"

// Options say what is asked, and how patiently. Zero values stand for the
// defaults named here.
type Options struct {
	Endpoint string // http or https address of the server; DefaultEndpoint
	Token    string // sent to the endpoint alone, never to where it redirects
	Cache    string // folder; needed
	Offline  bool   // use what is in the cache and ask nothing

	Parallel int // files at a time; 4
	// Attempts in a row without a megabyte of progress, in all; 8.
	Attempts      int
	Backoff       time.Duration // upper bound of the first wait, doubled with each; 1 s
	MaxBackoff    time.Duration // 30 s
	MaxRetryAfter time.Duration // the longest wait that a server may ask for; 5 min
	Stall         time.Duration // without a byte, after which a connection is given up; 30 s

	// FreeBytes asks for the free bytes of a folder's disk; nil asks the system.
	FreeBytes func(dir string) (int64, error)
	RootCAs   *x509.CertPool // nil for the system's

	Log *slog.Logger // nil is silent
	// Progress, where set, is called from several goroutines, one at a time, at
	// most five times a second and at the end.
	Progress func(Progress)
}

// Client asks one server. It may be used by several goroutines.
type Client struct {
	options  Options
	endpoint *url.URL
	http     *http.Client
	close    func()
}

// New makes a client. It connects to nothing.
func New(o Options) (*Client, error) {
	o = o.withDefaults()
	endpoint, err := parseEndpoint(o.Endpoint)
	if err != nil {
		return nil, err
	}
	if o.Cache == "" {
		return nil, errors.New("no cache folder: set SIGHTLINE_CACHE_DIR, or HOME")
	}
	if o.Token != "" && endpoint.Scheme == "http" && !isLoopback(endpoint.Hostname()) {
		return nil, fmt.Errorf("HF_ENDPOINT is %s, where a token could be read on its way: use https, or unset HF_TOKEN and HF_TOKEN_PATH", o.Endpoint)
	}
	if strings.Trim(o.Token, printable()) != "" {
		return nil, errors.New("the token of HF_TOKEN or HF_TOKEN_PATH has characters that no token has: copy it again")
	}
	t := newTransport(o)
	signed := &authorised{next: t, origin: origin(endpoint), token: o.Token}
	return &Client{
		options: o, endpoint: endpoint, close: t.CloseIdleConnections,
		http: &http.Client{Transport: signed, CheckRedirect: checkRedirect},
	}, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.close() }

func (o Options) withDefaults() Options {
	o.Endpoint = cmp.Or(strings.TrimRight(o.Endpoint, "/"), DefaultEndpoint)
	o.Parallel = max(cmp.Or(o.Parallel, 4), 1)
	o.Attempts = max(cmp.Or(o.Attempts, 8), 1)
	o.Backoff = cmp.Or(o.Backoff, time.Second)
	o.MaxBackoff = cmp.Or(o.MaxBackoff, 30*time.Second)
	o.MaxRetryAfter = cmp.Or(o.MaxRetryAfter, 5*time.Minute)
	o.Stall = cmp.Or(o.Stall, 30*time.Second)
	if o.FreeBytes == nil {
		o.FreeBytes = freeBytes
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func parseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("HF_ENDPOINT is %q: give the server's address alone, like %s", text, DefaultEndpoint)
	}
	return u, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// printable is what RFC 6750 lets a bearer token be made of, and a little more.
func printable() string {
	var b strings.Builder
	for c := byte('!'); c <= '~'; c++ {
		b.WriteByte(c)
	}
	return b.String()
}

// at is an address of the endpoint; parts are escaped, one each.
func (c *Client) at(parts ...string) string {
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.TrimRight(c.endpoint.String(), "/") + "/" + strings.Join(parts, "/")
}

// repoParts are the parts of an address that name a repository.
func repoParts(repo string) []string { return strings.Split(repo, "/") }

// origin is scheme, host and port, as browsers compare them.
func origin(u *url.URL) string {
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
