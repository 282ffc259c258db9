package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ServeOptions of Serve. Zero fields mean the defaults.
type ServeOptions struct {
	Drain time.Duration // for requests under way once ctx has ended; 0 for none
	Log   *slog.Logger
	// HeaderTimeout is for the head of a request, BodyTimeout for all of it, but
	// for streams that have a limit of their own, IdleTimeout for a connection
	// between requests. Defaults: 10, 30 and 60 s.
	HeaderTimeout, BodyTimeout, IdleTimeout time.Duration
	// MaxConnections are open at once; for one more, that one is closed on which
	// nobody has waited for an answer for longest. Default 2048.
	MaxConnections int
}

func (o ServeOptions) withDefaults() ServeOptions {
	o.HeaderTimeout = cmp.Or(o.HeaderTimeout, 10*time.Second)
	o.BodyTimeout = cmp.Or(o.BodyTimeout, defaultBodyTimeout)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, time.Minute)
	o.MaxConnections = cmp.Or(o.MaxConnections, 2048)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// A request may spend BodyTimeout on its body and then maxDeadline on its search;
// what is left is for the caller to take the answer. It counts from the end of
// the head.
const answerTime = maxDeadline + 15*time.Second

const (
	defaultBodyTimeout = 30 * time.Second
	maxHeaderBytes     = 32 << 10
)

// serving is what handlers may know of their server.
type serving struct {
	stop <-chan struct{} // closed when it takes no more requests
	body time.Duration
}

type servingKey struct{}

// draining is closed when the server takes no more requests: what would go on
// for ever ends then. nil, which never is, outside of Serve.
func draining(ctx context.Context) <-chan struct{} {
	s, _ := ctx.Value(servingKey{}).(serving)
	return s.stop
}

// bodyTimeout is ServeOptions.BodyTimeout, for a body that has it for each of its
// parts.
func bodyTimeout(ctx context.Context) time.Duration {
	s, _ := ctx.Value(servingKey{}).(serving)
	return cmp.Or(s.body, defaultBodyTimeout)
}

// Serve answers requests on l until ctx ends. Then it takes no new ones and
// lets those under way finish for at most o.Drain, after which it cancels them.
// It closes l. A drain that was cut short is an error; an ended ctx is none.
func Serve(ctx context.Context, l net.Listener, h http.Handler, o ServeOptions) error {
	o = o.withDefaults()
	// Requests must outlive ctx, whose end only begins the drain.
	base, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), servingKey{}, serving{ctx.Done(), o.BodyTimeout}))
	defer cancel()
	srv := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnState:         newDoor(o.MaxConnections).changed,
		ReadHeaderTimeout: o.HeaderTimeout, ReadTimeout: o.BodyTimeout, WriteTimeout: o.BodyTimeout + answerTime, IdleTimeout: o.IdleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	limit, stop := context.WithTimeout(base, o.Drain)
	defer stop()
	err := srv.Shutdown(limit)
	if err != nil {
		cancel()
		err = errors.Join(fmt.Errorf("requests were still under way after %s: %w", o.Drain, err), srv.Close())
	}
	<-ended //nolint:errcheck // http.ErrServerClosed
	return err
}
