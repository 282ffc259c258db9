package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options of a Client; zero values mean the defaults.
type Options struct {
	Key  string // API key, for servers that ask for one
	HTTP *http.Client
	// Tries is how often a request is sent that the server was too busy for (429,
	// 503) or that did not get through; default 4, 1 for once. All requests of
	// this package may be repeated: writes are of whole items.
	Tries int
	// MaxWait bounds the pause before another try, whatever Retry-After says;
	// default 30 s.
	MaxWait time.Duration
}

// Client calls one server. It is safe for concurrent use.
type Client struct {
	base    string
	options Options
}

// requestTimeout is the default client's: longer than the server's own limits.
const requestTimeout = 2 * time.Minute

// maxAnswer bounds what is read of an answer: 1000 items with their reasons.
const maxAnswer = 16 << 20

// New returns a Client of the server at an http or https address.
func New(server string, o Options) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("address %q of the server: use http://HOST:PORT or https://HOST", server)
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: requestTimeout}
	}
	if o.Tries <= 0 {
		o.Tries = 4
	}
	if o.MaxWait <= 0 {
		o.MaxWait = 30 * time.Second
	}
	return &Client{base: strings.TrimRight(server, "/"), options: o}, nil
}

// FieldProblem is one thing wrong with one field. Detail continues its name.
type FieldProblem struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Problem is an answer that is no success (RFC 9457).
type Problem struct {
	Status    int            `json:"status"`
	Code      string         `json:"code"` // such as "invalid", "busy", "not_found"; "" where something before the server answered
	Title     string         `json:"title"`
	Detail    string         `json:"detail"`
	Errors    []FieldProblem `json:"errors"`
	RequestID string         `json:"request_id"` // for the server's log, and its trace
	Job       string         `json:"job"`        // what was queued all the same
	Stage     string         `json:"stage"`      // where a change failed
	Reason    string         `json:"reason"`     // why
	// RetryAfter is how long the server asks to be left alone; 0 if it does not.
	RetryAfter time.Duration `json:"-"`
}

// shownErrors bounds Error's text.
const shownErrors = 5

// Error says what the server says, on one line.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return fmt.Sprintf("the server answers %d %s", p.Status, cmp.Or(p.Title, http.StatusText(p.Status)))
	}
	var text strings.Builder
	text.WriteString(p.Detail)
	for i, e := range p.Errors {
		if i == shownErrors {
			text.WriteString(" …")
			break
		}
		text.WriteString(" " + e.Field + " " + e.Detail + ".")
	}
	return text.String()
}

// Temporary says that the same request may succeed later.
func (p *Problem) Temporary() bool {
	return p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
}

// request is one call.
type request struct {
	method, path string
	body         []byte
	media        string
	header       map[string]string
}

// do sends a request and reads its answer into v, nil for none.
func (c *Client) do(ctx context.Context, r request, v any) (http.Header, error) {
	for try := 1; ; try++ {
		header, err := c.once(ctx, r, v)
		wait, again := c.pause(err, try)
		if err == nil || !again || try >= c.options.Tries || ctx.Err() != nil {
			return header, err
		}
		if !rest(ctx, wait) {
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

// unreached is an error of the way to the server or back.
type unreached struct{ error }

func (u unreached) Unwrap() error { return u.error }

// pause is what to wait before another try. Tries without a Retry-After are
// spread, so that many callers do not come again at once.
func (c *Client) pause(err error, try int) (wait time.Duration, again bool) {
	var p *Problem
	var way unreached
	switch {
	case errors.As(err, &p) && p.Temporary():
		wait = p.RetryAfter
	case !errors.As(err, &way):
		return 0, false
	}
	backoff := time.Duration(1<<min(try, 8)) * 100 * time.Millisecond
	return min(max(wait, backoff/2+rand.N(backoff)), c.options.MaxWait), true //nolint:gosec // not a secret
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if r.media != "" {
		req.Header.Set("Content-Type", r.media)
	}
	for name, value := range r.header {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if c.options.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.options.Key) // net/http sends it to no other host that redirects lead to
	}
	return req, nil
}

func (c *Client) once(ctx context.Context, r request, v any) (http.Header, error) {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	res, err := c.options.HTTP.Do(req)
	if err != nil {
		return nil, unreached{fmt.Errorf("reach the server (is searchd running there?): %w", err)}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, unreached{fmt.Errorf("read the server's answer: %w", err)}
	case res.StatusCode >= http.StatusMultipleChoices:
		return nil, problemOf(res, body)
	case v == nil:
		return res.Header, nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return nil, fmt.Errorf("the server's answer is not what this program expects; are both of one version? %w", err)
	}
	return res.Header, nil
}

func problemOf(res *http.Response, body []byte) *Problem {
	p := &Problem{}
	if json.Unmarshal(body, p) != nil || p.Detail == "" {
		p = &Problem{Title: http.StatusText(res.StatusCode)}
	}
	p.Status = res.StatusCode
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return p
}

func (c *Client) postJSON(ctx context.Context, path string, body, v any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	_, err = c.do(ctx, request{method: http.MethodPost, path: path, body: data, media: "application/json"}, v)
	return err
}
