package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// resumeAfter is how much a stream must have read since its connection last
// broke for its attempts to be counted anew: every resumption makes progress,
// so a server that breaks off all the time is given up.
const resumeAfter = 1 << 20

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

// rangeValidator is what If-Range may be sent with (RFC 9110 §13.1.5): a
// strong ETag, else the date; "" where the server serves no ranges.
func rangeValidator(h http.Header) string {
	if h.Get("Accept-Ranges") != "bytes" {
		return ""
	}
	if etag := validator(h.Get("ETag")); strings.HasPrefix(etag, `"`) {
		return etag
	}
	return validator(h.Get("Last-Modified"))
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

// source is the bytes of a stream as they are sent, over as many connections
// as it takes.
type source struct {
	client    *Client
	ctx       context.Context
	attempt   *attempt
	reply     *reply
	validator string
	size      int64 // -1 if unknown
	offset    int64
	tries     int   // resumptions since mark
	mark      int64 // offset at which tries was last 0
}

func (s *source) Read(p []byte) (int, error) {
	for {
		n, err := s.reply.body.Read(p)
		s.offset += int64(n)
		s.client.count.bytes.Add(uint64(n))
		if err == nil || errors.Is(err, io.EOF) || s.ctx.Err() != nil {
			return n, err
		}
		if n > 0 {
			return n, nil // the error comes again with the next read
		}
		if err := s.resume(s.attempt.fault(err)); err != nil {
			return 0, err
		}
	}
}

func (s *source) end() {
	s.attempt.cancel(nil)
	s.reply.body.close()
}

// resume asks for what is missing after f, or returns why that cannot be.
func (s *source) resume(f *fault) error {
	if s.offset-s.mark >= resumeAfter {
		s.mark, s.tries = s.offset, 0
	}
	for ; s.validator != "" && s.client.again(f) && s.tries < s.client.options.Attempts-1; s.tries++ {
		if err := sleep(s.ctx, s.client.pause(s.tries+1, f)); err != nil {
			return err
		}
		if f = s.reopen(); f == nil {
			s.tries++
			s.client.count.resumed.Add(1)
			return nil
		}
	}
	return f
}

func (s *source) reopen() *fault {
	s.end()
	header := s.attempt.header.Clone()
	header.Del("If-None-Match")
	header.Del("If-Modified-Since")
	header.Set("Range", "bytes="+strconv.FormatInt(s.offset, 10)+"-")
	header.Set("If-Range", s.validator)
	a := s.client.attempt(s.ctx, header, 0)
	r, err := a.follow(s.reply.target)
	if err != nil {
		a.cancel(nil)
		return a.fault(err)
	}
	if err := s.continues(r); err != nil {
		defer a.cancel(nil)
		return a.fault(a.finish(r, err))
	}
	r.place.leave(nil)
	s.attempt, s.reply = a, r
	return nil
}

// continues checks that a reply is the rest of what has been read.
func (s *source) continues(r *reply) error {
	if r.StatusCode == http.StatusOK || r.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return faultf(KindChanged, "it changed while it was being read, after %d bytes; read it again", s.offset)
	}
	if err := statusFault(r.Response, http.StatusPartialContent); err != nil {
		return err
	}
	start, size, ok := contentRange(r.Header.Get("Content-Range"))
	if !ok || start != s.offset || s.size >= 0 && size >= 0 && size != s.size {
		return faultf(KindChanged, "the server sends another part of it than was asked for, after %d bytes; read it again", s.offset)
	}
	return nil
}

// contentRange reads "bytes START-END/SIZE"; SIZE may be *, which is -1.
func contentRange(value string) (start, size int64, ok bool) {
	value, ok = strings.CutPrefix(value, "bytes ")
	span, total, hasTotal := strings.Cut(value, "/")
	first, _, hasEnd := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	if !ok || !hasTotal || !hasEnd || err != nil {
		return 0, 0, false
	}
	if total == "*" {
		return start, -1, true
	}
	size, err = strconv.ParseInt(total, 10, 64)
	return start, size, err == nil
}
