package fetch

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// ErrClosed is returned by a Client that has been closed.
var ErrClosed = errors.New("the fetching of addresses has been closed")

// Kind says why an address could not be fetched.
type Kind uint8

// The kinds of failure. Those from KindTimeout to KindHostDown may pass by
// themselves.
const (
	KindBadURL     Kind = iota + 1 // no http or https address that can be read
	KindRefused                    // an address or port that is not asked
	KindNoHost                     // the host name does not exist
	KindNotFound                   // 404, 410
	KindDenied                     // 401, 402, 403, 407, 451: not for us
	KindStatus                     // any other status that is no answer
	KindRedirect                   // too many, in circles, to plain http, to nowhere
	KindTooLarge                   // more bytes than the limit
	KindNotPicture                 // bytes that Options.Sniff turns down
	KindEncoding                   // an encoding that was not asked for, or is broken
	KindTLS                        // certificate or handshake
	KindChanged                    // a stream's source changed before its end
	KindTimeout                    // one of the time limits
	KindDNS                        // the resolver failed
	KindConnection                 // refused, reset, cut short
	KindThrottled                  // 429, or told to wait longer than Options.MaxRetryAfter
	KindServer                     // 5xx
	KindHostDown                   // the host's breaker is open: not asked at all
	kinds          = int(iota) + 1
)

// kindCanceled is the caller's leaving, which is reported as the error of its
// ctx, not as an *Error.
const kindCanceled Kind = 255

// String is the kind in snake case, for reports and metrics.
func (k Kind) String() string {
	names := [kinds]string{
		"unknown", "bad_url", "refused_address", "no_such_host", "not_found", "denied", "unexpected_status", "redirect", "too_large", "not_a_picture",
		"encoding", "tls", "changed", "timeout", "dns", "connection", "throttled", "server_error", "host_down",
	}
	if int(k) >= kinds {
		return names[0]
	}
	return names[k]
}

// Error is why an address could not be fetched. Its text may be shown to whose
// address it is.
type Error struct {
	Kind     Kind
	URL      string // host and path of the address asked for; a query is left out, for it may be a secret
	Status   int    // of the last answer; 0 without one
	Attempts int    // requests for it, redirects not counted; 0 if none was sent
	// RetryAfter is how long the host asks to be left alone; 0 if it does not.
	RetryAfter time.Duration
	Err        error // what happened, and what to change
}

// Error says what happened, and what to change.
func (e *Error) Error() string {
	if e.Attempts > 1 {
		return fmt.Sprintf("fetch %s: %v (tried %d times)", e.URL, e.Err, e.Attempts)
	}
	return fmt.Sprintf("fetch %s: %v", e.URL, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary tells whether the same address may well be fetched later without
// anybody changing anything.
func (e *Error) Temporary() bool { return e.Kind >= KindTimeout }

// Address is where the host of a KindRefused error leads, for the operator's
// log, not for callers; the zero Addr if that is not why.
func (e *Error) Address() netip.Addr {
	if refused, ok := errors.AsType[*AddressError](e.Err); ok {
		return refused.Address
	}
	return netip.Addr{}
}

// fault is an error that already knows its kind.
type fault struct {
	kind   Kind
	status int
	after  time.Duration // that the server asks to wait
	err    error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func faultf(kind Kind, format string, args ...any) *fault {
	return &fault{kind: kind, err: fmt.Errorf(format, args...)}
}

// classify finds the kind of what a check, a round trip or a read ended with.
// cause is that of the attempt's ctx, which knows the time limit that ended it.
func classify(cause, err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	if f, ok := errors.AsType[*fault](cause); ok {
		return f
	}
	if refused, ok := errors.AsType[*AddressError](err); ok {
		return &fault{kind: KindRefused, err: refused}
	}
	if f := classifyDNS(err); f != nil {
		return f
	}
	err = withoutAddresses(err)
	if isTLS(err) {
		return faultf(KindTLS, "its TLS certificate or handshake fails: %w; have the server's certificate corrected", err)
	}
	if netError, ok := errors.AsType[net.Error](err); ok && netError.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) {
		return faultf(KindTimeout, "the server takes too long: %w; the picture must be served faster", err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return faultf(KindConnection, "the answer ends before it is complete: %w; the server cuts it off or announces a wrong length", err)
	}
	return faultf(KindConnection, "the connection fails: %w; check that the server is up and reachable from the internet", err)
}

// withoutAddresses leaves out that a connection ran from one of our inner
// addresses to one that its host's name stood for.
func withoutAddresses(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Err
	}
	return err
}

func classifyDNS(err error) *fault {
	dns, ok := errors.AsType[*net.DNSError](err)
	switch {
	case !ok:
		return nil
	case dns.IsNotFound:
		return faultf(KindNoHost, "its host does not exist; correct the host name")
	}
	return faultf(KindDNS, "its host cannot be looked up: %s; the domain's name servers do not answer", dns.Err)
}

// isTLS goes by the text where crypto/tls has no type for it: alerts.
func isTLS(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok || strings.Contains(err.Error(), "tls: ")
}
