package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// resumeAfter is how much a stream must have read since its connection last
// broke for its attempts to be counted anew: every resumption makes progress,
// so a server that breaks off all the time is given up.
const resumeAfter = 1 << 20

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
		if err := sleep(s.ctx, s.client.pause(s.tries+1)); err != nil {
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
