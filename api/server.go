package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Timeouts of the server. A request may spend readTimeout on its body and then
// maxDeadline on its search; writeTimeout counts from the end of its headers.
const (
	headerTimeout  = 10 * time.Second
	readTimeout    = 30 * time.Second
	writeTimeout   = readTimeout + maxDeadline + 15*time.Second
	idleTimeout    = 60 * time.Second
	maxHeaderBytes = 32 << 10
)

type drainKey struct{}

// draining is closed when the server takes no more requests: what would go on
// for ever ends then. nil, which never is, outside of Serve.
func draining(ctx context.Context) <-chan struct{} {
	done, _ := ctx.Value(drainKey{}).(<-chan struct{})
	return done
}

// Serve answers requests on l until ctx ends. Then it takes no new ones and
// lets those under way finish for at most drain, after which it cancels them.
// It closes l. A drain that was cut short is an error; an ended ctx is none.
func Serve(ctx context.Context, l net.Listener, h http.Handler, drain time.Duration, log *slog.Logger) error {
	// Requests must outlive ctx, whose end only begins the drain.
	base, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), drainKey{}, ctx.Done()))
	defer cancel()
	srv := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	limit, stop := context.WithTimeout(base, drain)
	defer stop()
	err := srv.Shutdown(limit)
	if err != nil {
		cancel()
		err = errors.Join(fmt.Errorf("requests were still under way after %s: %w", drain, err), srv.Close())
	}
	<-ended //nolint:errcheck // http.ErrServerClosed
	return err
}
