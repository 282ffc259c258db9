package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Client fetches. All methods may be called at the same time, and should be
// called on one Client for all of a program: politeness is a matter of what a
// host sees in all.
type Client struct {
	options   Options
	guard     *guard
	hosts     *hosts
	transport *http.Transport
	count     counters
}

// New returns a client. It fails on options that make no sense.
func New(o Options) (*Client, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	g, err := newGuard(o)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	c := &Client{options: o, guard: g, hosts: newHosts(o)}
	if c.transport, err = newTransport(o, g); err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	return c, nil
}

// newTransport is used by RoundTrip only: http.Client adds what is not wanted
// here, its own redirects, cookies and the Referer.
func newTransport(o Options, g *guard) (*http.Transport, error) {
	d := &dialer{guard: g, resolver: o.Resolver, plain: *o.Dialer, timeout: o.ConnectTimeout}
	t := &http.Transport{
		DialContext:            d.dial,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true, // DialContext turns it off otherwise
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		TLSHandshakeTimeout:    o.ConnectTimeout,
		ResponseHeaderTimeout:  o.HeaderTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           2 * o.Concurrency,
		MaxIdleConnsPerHost:    o.PerHost,
		IdleConnTimeout:        30 * time.Second,
		// What an HTTP/2 server may send before anybody reads it; 4 MiB by default.
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 20, SendPingTimeout: 15 * time.Second},
	}
	if o.Proxy == nil {
		return t, nil
	}
	port := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[o.Proxy.Scheme]
	if port == "" || o.Proxy.Hostname() == "" {
		return nil, errors.New("the proxy must be http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT")
	}
	if o.Proxy.Port() != "" {
		port = o.Proxy.Port()
	}
	d.proxy = net.JoinHostPort(o.Proxy.Hostname(), port)
	t.Proxy = http.ProxyURL(o.Proxy)
	return t, nil
}

// Request is what to fetch. With the ETag or LastModified of an earlier
// Response, the answer may be NotModified.
type Request struct {
	URL          string
	ETag         string
	LastModified string
}

// Response is what an address holds.
type Response struct {
	Data         []byte // nil if NotModified
	NotModified  bool
	ETag         string // to be sent back as they are; "" where the server gives none
	LastModified string
	FinalURL     string // after redirects, with its query
	ContentType  string // as the server claims; not to be trusted
}

// Get fetches at most Options.MaxBytes. It waits for its host's turn, and
// tries again where that may help. Its errors are *Error, but for the cause of
// ctx when that ends, and ErrClosed.
func (c *Client) Get(ctx context.Context, req Request) (Response, error) {
	var out Response
	err := c.try(ctx, req.URL, func(t target) error {
		a := c.attempt(ctx, c.header(req, c.options.Accept, "identity"), c.options.Timeout)
		defer a.cancel(nil)
		r, err := a.follow(t)
		if err != nil {
			return err
		}
		out, err = c.receive(r, req)
		return a.finish(r, err)
	})
	if err != nil {
		return Response{}, err
	}
	c.count.fetched(out.NotModified)
	return out, nil
}

// receive reads a reply as the answer to req.
func (c *Client) receive(r *reply, req Request) (Response, error) {
	out := describe(r)
	if out.NotModified = isNotModified(r, req); out.NotModified {
		return out, nil
	}
	if err := statusFault(r.Response, http.StatusOK); err != nil {
		return Response{}, err
	}
	if _, err := checkEncoding(r.Response, false); err != nil {
		return Response{}, err
	}
	var err error
	out.Data, err = c.readAll(r)
	return out, err
}

func describe(r *reply) Response {
	return Response{
		ETag:         validator(r.Header.Get("ETag")),
		LastModified: validator(r.Header.Get("Last-Modified")),
		FinalURL:     r.target.url.String(),
		ContentType:  validator(r.Header.Get("Content-Type")),
	}
}

// validator drops what could not be sent back, or is too long to be kept.
func validator(value string) string {
	if !isHeaderValue(value) {
		return ""
	}
	return value
}

func isNotModified(r *reply, req Request) bool {
	return r.StatusCode == http.StatusNotModified && validator(req.ETag)+validator(req.LastModified) != ""
}

// header is all that a server is told: no cookies, no credentials, no Referer.
func (c *Client) header(req Request, accept, encoding string) http.Header {
	h := http.Header{
		"User-Agent":      {c.options.userAgent()},
		"Accept":          {accept},
		"Accept-Encoding": {encoding},
	}
	if etag := validator(req.ETag); etag != "" {
		h.Set("If-None-Match", etag)
	}
	if modified := validator(req.LastModified); modified != "" {
		h.Set("If-Modified-Since", modified)
	}
	return h
}

// Check tells, without asking the network, whether Get would refuse an
// address: nil, or an *Error. For answering early.
func (c *Client) Check(raw string) error {
	_, err := c.guard.parse(raw)
	if err == nil {
		return nil
	}
	return c.failure(raw, 0, classify(nil, err))
}

// Close ends the waiting of calls under way with ErrClosed and closes idle
// connections; what is being fetched goes on until its ctx ends.
func (c *Client) Close() error {
	c.hosts.close()
	c.transport.CloseIdleConnections()
	return nil
}
