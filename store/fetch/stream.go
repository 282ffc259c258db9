package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Stream is an open feed.
type Stream struct {
	Response           // without Data
	Size     int64     // bytes of Body; -1 if unknown, as with gzip
	Body     io.Reader // fails with *Error; http.NoBody if NotModified
	close    func()
}

// Close ends the stream. Body must not be read any more.
func (s *Stream) Close() error {
	s.close()
	return nil
}

// Open streams an address of any size with the safety of Get: it is OpenStream
// without conditions. The size is -1 if unknown.
func (c *Client) Open(ctx context.Context, address string) (body io.ReadCloser, size int64, err error) {
	s, err := c.OpenStream(ctx, Request{URL: address})
	if err != nil {
		return nil, 0, err
	}
	return struct {
		io.Reader
		io.Closer
	}{s.Body, s}, s.Size, nil
}

// OpenStream opens an address for reading as slowly as its reader likes, of at
// most Options.MaxStreamBytes after the gzip that servers may apply. It holds
// its host's place until the header has come, so that a feed and the pictures
// it names may lie on one host. Where the server has a strong ETag or a date,
// and serves ranges, a broken connection is made anew and reading goes on. The
// stream ends with ctx. The caller closes it.
func (c *Client) OpenStream(ctx context.Context, req Request) (*Stream, error) {
	var out *Stream
	err := c.try(ctx, req.URL, func(t target) (err error) {
		out, err = c.open(ctx, t, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.count.streams.Add(1)
	return out, nil
}

func (c *Client) open(ctx context.Context, t target, req Request) (*Stream, error) {
	a := c.attempt(ctx, c.header(req, "*/*", "gzip"), 0)
	r, err := a.follow(t)
	if err != nil {
		a.cancel(nil)
		return nil, err
	}
	if isNotModified(r, req) {
		defer a.cancel(nil)
		s := &Stream{Response: describe(r), Body: http.NoBody, close: func() {}}
		s.NotModified = true
		return s, a.finish(r, nil)
	}
	s, err := c.begin(ctx, a, r)
	if err != nil {
		defer a.cancel(nil)
		return nil, a.finish(r, err)
	}
	r.place.leave(nil)
	return s, nil
}

// begin makes a stream of a reply.
func (c *Client) begin(ctx context.Context, a *attempt, r *reply) (*Stream, error) {
	if err := statusFault(r.Response, http.StatusOK); err != nil {
		return nil, err
	}
	zipped, err := checkEncoding(r.Response, true)
	if err != nil {
		return nil, err
	}
	limit := c.options.MaxStreamBytes
	if r.ContentLength > limit {
		return nil, faultf(KindTooLarge, "it has %d bytes; the limit is %d: split the feed, or have the limit raised", r.ContentLength, limit)
	}
	source := &source{client: c, ctx: ctx, attempt: a, reply: r, validator: rangeValidator(r.Header), size: r.ContentLength}
	s := &Stream{Response: describe(r), Size: r.ContentLength, close: source.end}
	var body io.Reader = source
	if zipped {
		s.Size = -1
		if body, err = unzip(source); err != nil {
			return nil, err
		}
	}
	s.Body = &streamBody{client: c, url: s.FinalURL, source: source, from: &boundedReader{from: body, limit: limit, left: limit}}
	return s, nil
}

// streamBody turns what goes wrong while reading into *Error.
type streamBody struct {
	client *Client
	url    string
	source *source
	from   io.Reader
	err    error
}

func (b *streamBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.from.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		b.err = err
		return n, err
	}
	f := b.source.attempt.fault(err)
	if f.kind == kindCanceled {
		b.err = fmt.Errorf("fetch %s: %w", redact(b.url), f.err)
	} else {
		b.err = b.client.failure(b.url, b.source.tries+1, f)
	}
	return n, b.err
}
