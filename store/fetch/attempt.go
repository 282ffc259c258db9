package fetch

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// attempt is one try at an address, over all of its redirects.
type attempt struct {
	client *Client
	caller context.Context // the caller's own
	ctx    context.Context // ended by the caller and by the time limits
	cancel context.CancelCauseFunc
	header http.Header
	left   time.Duration // of Options.Timeout; 0 for no limit beyond that of each step
	clock  *time.Timer   // runs while a place is held
	since  time.Time
}

// reply is an answer that is no redirect. It holds its place until closed.
type reply struct {
	*http.Response
	target target
	place  *place
	body   *patientBody
}

func (c *Client) attempt(ctx context.Context, header http.Header, limit time.Duration) *attempt {
	a := &attempt{client: c, caller: ctx, header: header, left: limit}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	return a
}

// follow asks for t, and for what it redirects to.
func (a *attempt) follow(t target) (*reply, error) {
	seen := []string{t.url.String()}
	for {
		r, err := a.ask(t)
		if err != nil {
			return nil, err
		}
		if !isRedirect(r.StatusCode) {
			return r, nil
		}
		next, err := a.client.next(t, r.Header.Get("Location"))
		if err = a.finish(r, err); err != nil {
			return nil, err
		}
		t = next
		switch address := t.url.String(); {
		case slices.Contains(seen, address):
			return nil, faultf(KindRedirect, "it redirects in circles; give the address of the picture itself (cookies are not kept)")
		case len(seen) > a.client.options.MaxRedirects:
			return nil, faultf(KindRedirect, "it redirects more than %d times; give the address that it ends at", a.client.options.MaxRedirects)
		default:
			seen = append(seen, address)
			a.client.count.redirects.Add(1)
		}
	}
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// next checks the target of a redirect like a first address.
func (c *Client) next(from target, location string) (target, error) {
	if location == "" || len(location) > maxURL {
		return target{}, faultf(KindRedirect, "it redirects to nowhere; give the address of the picture itself")
	}
	u, err := url.Parse(location)
	if err != nil {
		return target{}, faultf(KindRedirect, "it redirects to an address that cannot be read; give the address of the picture itself")
	}
	t, err := c.guard.admit(from.url.ResolveReference(u))
	if err != nil {
		return target{}, redirected(err)
	}
	if from.url.Scheme == "https" && t.url.Scheme == "http" && !c.options.AllowDowngrade {
		return target{}, faultf(KindRedirect, "it redirects from https to http, where anybody on the way could change the picture; serve it with https")
	}
	return t, nil
}

// redirected says that the complaint is about the target of a redirect.
func redirected(err error) error {
	if f, ok := errors.AsType[*fault](err); ok {
		return faultf(f.kind, "it redirects, and there %w", f.err)
	}
	return faultf(KindRefused, "it redirects, and there %w", err)
}

// ask sends one request, when it is its host's turn.
func (a *attempt) ask(t target) (*reply, error) {
	p, err := a.client.hosts.enter(a.caller, t.host)
	if err != nil {
		return nil, err
	}
	a.start()
	a.client.count.requests.Add(1)
	response, err := a.client.transport.RoundTrip(a.request(t)) //nolint:bodyclose // finish and source.end close it
	if err != nil {
		f := a.fault(err)
		p.leave(f)
		a.stop()
		return nil, f
	}
	return &reply{Response: response, target: t, place: p, body: a.patient(response)}, nil
}

func (a *attempt) request(t target) *http.Request {
	r := &http.Request{Method: http.MethodGet, URL: t.url, Host: t.url.Host, Header: a.header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	return r.WithContext(a.ctx)
}

// start lets the attempt's time run. It stands still while waiting for a
// place: that the service is busy is not the picture's fault.
func (a *attempt) start() {
	if a.left == 0 {
		return
	}
	limit := a.client.options.Timeout
	a.since = time.Now()
	a.clock = time.AfterFunc(a.left, func() {
		a.cancel(faultf(KindTimeout, "it takes longer than %v; the picture must be served faster or be smaller", limit))
	})
}

func (a *attempt) stop() {
	if a.clock == nil {
		return
	}
	a.clock.Stop()
	a.clock = nil
	a.left = max(a.left-time.Since(a.since), 1)
}

// fault classifies what a request or its body ended with.
func (a *attempt) fault(err error) *fault {
	if a.caller.Err() != nil {
		return &fault{kind: kindCanceled, err: context.Cause(a.caller)}
	}
	return classify(context.Cause(a.ctx), err)
}

// finish ends a reply with what became of it: its body is closed and its
// place given back. A short rest of the body is read for the connection to be
// used again.
func (a *attempt) finish(r *reply, err error) error {
	if r.ContentLength >= 0 && r.ContentLength <= maxRest && a.ctx.Err() == nil {
		r.body.drain()
	}
	r.body.close()
	a.stop()
	if err == nil {
		r.place.leave(nil)
		return nil
	}
	f := a.fault(err)
	r.place.leave(f)
	return f
}
