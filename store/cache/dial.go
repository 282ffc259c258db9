package cache

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
)

// Dialer dials as go-redis with o does, but hands out a connection that does not work
// instead of an error. go-redis prints each dialling error on standard error,
// and after many of them leaves a goroutine that dials once a second, also
// after Close, and lets nobody else dial meanwhile (9.23.0, internal/pool).
// Its callers decide for themselves when to try again, and the error comes out
// of the first write instead.
func Dialer(o *redis.Options) func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := redis.NewDialer(o)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			pipe, _ := net.Pipe()         // leads nowhere
			return broken{pipe, err}, nil //nolint:nilerr // it comes out of the first write
		}
		return c, nil
	}
}

// broken is a connection that could not be made.
type broken struct {
	net.Conn
	err error
}

// Read fails with what dialling failed with.
func (b broken) Read([]byte) (int, error) { return 0, b.err }

// Write fails with what dialling failed with.
func (b broken) Write([]byte) (int, error) { return 0, b.err }
