package redis

import (
	"context"
	"net"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// NewClient makes a client as a queue needs it: o with the client's own retries
// off, because the queue knows better which of its calls to repeat, contexts
// heeded, and dialling that prints nothing.
func NewClient(o goredis.Options) *goredis.Client {
	o.MaxRetries, o.DialerRetries = -1, 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	plain := o
	dial := goredis.NewDialer(&plain)
	o.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			pipe, _ := net.Pipe()         // leads nowhere
			return broken{pipe, err}, nil //nolint:nilerr // it comes out of the first write
		}
		return c, nil
	}
	return goredis.NewClient(&o)
}

// broken is a connection that could not be made. A dialling error would make
// go-redis 9.23 print a line, and after as many as the pool has places let one
// goroutine dial once a second and everybody else fail meanwhile.
type broken struct {
	net.Conn
	err error
}

// Read fails with what dialling failed with.
func (b broken) Read([]byte) (int, error) { return 0, b.err }

// Write fails with what dialling failed with.
func (b broken) Write([]byte) (int, error) { return 0, b.err }
