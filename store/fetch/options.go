package fetch

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// Resolver looks names up; *net.Resolver does. What it answers is checked
// before and at the connect, so it need not be trusted.
type Resolver interface {
	// LookupNetIP returns the addresses of a host; network is "ip".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options say what may be fetched, how much of it and how politely. Zero
// values stand for the defaults named here.
type Options struct {
	MaxBytes       int64 // of what Get returns; 10 MiB
	MaxStreamBytes int64 // of what a stream gives, decompressed; 8 GiB
	MaxRedirects   int   // 5; -1 for none

	// Timeout bounds one attempt of Get as a whole, redirects and body
	// included, waiting for the host's turn not; 60 s.
	Timeout        time.Duration
	ConnectTimeout time.Duration // look-up and connect; 10 s; the TLS handshake gets as long again
	HeaderTimeout  time.Duration // from the request to the end of the answer's header; 20 s
	IdleTimeout    time.Duration // without a byte of the body; 15 s

	Attempts   int           // in all, for failures that may pass; 3; 1 turns retries off
	Backoff    time.Duration // upper bound of the first wait, doubled with each; 500 ms
	MaxBackoff time.Duration // 10 s
	// MaxRetryAfter is the longest that a call waits because a server said
	// Retry-After; told to wait longer, calls fail with KindThrottled until
	// that time has passed; 30 s.
	MaxRetryAfter time.Duration

	Concurrency int     // requests at a time; 32
	PerHost     int     // of them for one host; 4
	Rate        float64 // requests a second for one host; 0 for no limit
	// BreakerFailures is after how many failures in a row (connection, DNS,
	// TLS, timeout, 429, 502 to 504) a host is not asked for BreakerPause; 10
	// and 30 s.
	BreakerFailures int
	BreakerPause    time.Duration

	// Contact is an address or e-mail in the User-Agent, for server operators
	// to complain at: "https://shop.example/bot".
	Contact string
	// Accept is the Accept header of Get; JPEG, PNG and WebP by default. A CDN
	// that may choose then does not choose AVIF.
	Accept string
	// Sniff tells from the first 512 bytes (or fewer, if that is all) whether
	// Get wants the body. nil wants any.
	Sniff func(head []byte) bool

	Ports []uint16 // allowed besides 80, 443, 8080 and 8443
	// Allow lists what is asked though it is not public: blocks (10.1.0.0/16),
	// addresses, and host names (pictures.example, *.example), which may lead
	// to loopback, private, shared and unique local addresses.
	Allow []string
	Deny  []string // blocks and addresses never asked; wins over Allow
	// AllowDowngrade follows redirects from https to http.
	AllowDowngrade bool
	// Proxy sends everything through an http, https or socks5 proxy, which then
	// resolves the names, and must itself refuse inner addresses. The
	// environment is never asked for one. nil for none.
	Proxy   *url.URL
	RootCAs *x509.CertPool // nil for the system's

	Resolver Resolver // nil for the system's
	// Dialer is copied and connects; its Control runs after the check of the
	// address, and its Timeout does not count. nil for a plain one.
	Dialer *net.Dialer
}

func (o Options) withDefaults() (Options, error) {
	for _, n := range []int64{
		o.MaxBytes, o.MaxStreamBytes, int64(o.Timeout), int64(o.ConnectTimeout), int64(o.HeaderTimeout), int64(o.IdleTimeout), int64(o.Attempts),
		int64(o.Backoff), int64(o.MaxBackoff), int64(o.MaxRetryAfter), int64(o.Concurrency), int64(o.PerHost), int64(o.BreakerFailures), int64(o.BreakerPause),
	} {
		if n < 0 {
			return o, errors.New("limits of fetching must not be negative")
		}
	}
	if o.Rate < 0 || o.Rate != o.Rate {
		return o, errors.New("the rate of requests must be a number of 0 or more")
	}
	if !isHeaderValue(o.Contact) || !isHeaderValue(o.Accept) {
		return o, errors.New("the contact and what is accepted are sent as headers: they must be printable, of at most 1,024 bytes")
	}
	o.MaxBytes = cmp.Or(o.MaxBytes, 10<<20)
	o.MaxStreamBytes = cmp.Or(o.MaxStreamBytes, 8<<30)
	o.MaxRedirects = max(cmp.Or(o.MaxRedirects, 5), 0)
	o.Attempts = cmp.Or(o.Attempts, 3)
	o.Concurrency = cmp.Or(o.Concurrency, 32)
	o.PerHost = cmp.Or(o.PerHost, 4)
	o.BreakerFailures = cmp.Or(o.BreakerFailures, 10)
	o.Accept = cmp.Or(o.Accept, "image/jpeg, image/png, image/webp, */*;q=0.1")
	return o.withTimes(), nil
}

func (o Options) withTimes() Options {
	o.Timeout = cmp.Or(o.Timeout, 60*time.Second)
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, 10*time.Second)
	o.HeaderTimeout = cmp.Or(o.HeaderTimeout, 20*time.Second)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 15*time.Second)
	o.Backoff = cmp.Or(o.Backoff, 500*time.Millisecond)
	o.MaxBackoff = cmp.Or(o.MaxBackoff, 10*time.Second)
	o.MaxRetryAfter = cmp.Or(o.MaxRetryAfter, 30*time.Second)
	o.BreakerPause = cmp.Or(o.BreakerPause, 30*time.Second)
	if o.Resolver == nil {
		o.Resolver = net.DefaultResolver
	}
	if o.Dialer == nil {
		o.Dialer = &net.Dialer{}
	}
	return o
}

func (o Options) userAgent() string {
	if o.Contact == "" {
		return "Sightline/1 (picture search; fetches what a shop's catalogue names)"
	}
	return "Sightline/1 (+" + o.Contact + ")"
}

// isHeaderValue holds for what RFC 9110 §5.5 lets a field value be, ASCII only.
func isHeaderValue(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return len(value) <= 1024
}
