package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"
)

// stream is one request, given up where its answer stands still.
type stream struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	stall  time.Duration
	timer  *time.Timer
	body   io.ReadCloser
}

func (c *Client) newStream(ctx context.Context) *stream {
	s := &stream{stall: c.options.Stall}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.timer = time.AfterFunc(s.stall, func() {
		s.cancel(fmt.Errorf("the server sends nothing for %v", s.stall))
	})
	s.timer.Stop()
	return s
}

// open sends the request and returns the answer's header. Read then gives its body.
func (s *stream) open(client *http.Client, address string, header http.Header) (*http.Response, error) {
	r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	maps.Copy(r.Header, header)
	res, err := client.Do(r)
	if err != nil {
		return nil, s.cause(err)
	}
	s.body = res.Body
	return res, nil
}

// Read implements io.Reader. The time between reads does not count: the disk
// may be slow.
func (s *stream) Read(p []byte) (int, error) {
	s.timer.Reset(s.stall)
	n, err := s.body.Read(p)
	s.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = s.cause(err)
	}
	return n, err
}

// cause prefers why the stream was ended to what net/http makes of it.
func (s *stream) cause(err error) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return err
}

func (s *stream) end(err error) {
	s.timer.Stop()
	s.cancel(err)
	if s.body != nil {
		_ = s.body.Close() // what was only read cannot be lost
	}
}
