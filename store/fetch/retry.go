package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// try calls use until it succeeds, fails for good, or has failed Attempts
// times.
func (c *Client) try(ctx context.Context, raw string, use func(target) error) error {
	t, err := c.guard.parse(raw)
	if err != nil {
		return c.failure(raw, 0, classify(nil, err))
	}
	var last *fault
	for n := 1; ; n++ {
		err := use(t)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("fetch %s: %w", redact(raw), context.Cause(ctx))
		case errors.Is(err, ErrClosed):
			return ErrClosed
		}
		f := classify(nil, err)
		if f.kind == KindHostDown { // was not asked
			return c.failure(raw, n-1, cmp.Or(last, f))
		}
		last = f
		if n >= c.options.Attempts || !c.again(f) {
			return c.failure(raw, n, f)
		}
		c.count.retries.Add(1)
		if err := sleep(ctx, c.pause(n)); err != nil {
			return fmt.Errorf("fetch %s: %w", redact(raw), err)
		}
	}
}

func (c *Client) failure(raw string, attempts int, f *fault) error {
	c.count.failed[f.kind].Add(1)
	return &Error{Kind: f.kind, URL: redact(raw), Status: f.status, Attempts: attempts, RetryAfter: f.after, Err: f.err}
}

// again tells whether trying once more may help, soon enough.
func (c *Client) again(f *fault) bool {
	switch f.kind {
	case KindTimeout, KindDNS, KindConnection, KindThrottled:
		return f.after <= c.options.MaxRetryAfter
	case KindServer:
		return f.after <= c.options.MaxRetryAfter && f.status != http.StatusNotImplemented && f.status != http.StatusHTTPVersionNotSupported
	}
	return false
}

// pause is how long to wait after the n-th failure: a random part of a bound
// that doubles, so that callers who failed together do not come back together
// (AWS's “full jitter”). Retry-After is waited for in the host's line.
func (c *Client) pause(n int) time.Duration {
	bound := min(c.options.Backoff<<min(n-1, 20), c.options.MaxBackoff)
	return rand.N(bound + 1) //nolint:gosec // spreads load, hides nothing
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// statusFault is nil for a status of want.
func statusFault(r *http.Response, want int) error {
	if r.StatusCode == want {
		return nil
	}
	f := describeStatus(r.StatusCode)
	f.status = r.StatusCode
	if r.StatusCode == http.StatusTooManyRequests || r.StatusCode == http.StatusServiceUnavailable {
		f.after = retryAfter(r.Header.Get("Retry-After"), time.Now())
	}
	return f
}

func describeStatus(status int) *fault {
	switch {
	case status == http.StatusNotFound || status == http.StatusGone:
		return faultf(KindNotFound, "there is nothing at this address (status %d); correct the address or put the picture there", status)
	case status == http.StatusTooManyRequests:
		return faultf(KindThrottled, "the server allows no more requests now (status 429); have it allow more, or fetch more slowly")
	case status == http.StatusUnauthorized || status == http.StatusPaymentRequired || status == http.StatusForbidden ||
		status == http.StatusProxyAuthRequired || status == http.StatusUnavailableForLegalReasons:
		return faultf(KindDenied, "the server does not hand it out (status %d); make it public, or allow our User-Agent", status)
	case status == http.StatusRequestTimeout:
		return faultf(KindTimeout, "the server gave up waiting (status 408)")
	case status >= 500:
		return faultf(KindServer, "the server fails (status %d); check its logs", status)
	}
	return faultf(KindStatus, "the server answers with status %d, not with 200; check the address in a browser", status)
}

// retryAfter reads both forms of RFC 9110 §10.2.3, seconds and a date, as a
// time from now; 0 for neither.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(date.Sub(now), 0)
}
