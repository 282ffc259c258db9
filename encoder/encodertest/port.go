package encodertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// FreePort is a loopback TCP port for a program that is told where to listen,
// and may be killed there and started again. Until release nobody gets it
// meanwhile: neither whoever listens on port 0 nor a client, for the system
// gives these ports above 32767, nor another caller of FreePort in any process,
// for who has the UDP port of the same number has the TCP port.
func FreePort(ctx context.Context) (port string, release func(), err error) {
	var errs []error
	var config net.ListenConfig
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(12_000))
		address := net.JoinHostPort("127.0.0.1", port)
		held, err := config.ListenPacket(ctx, "udp", address)
		if err == nil {
			var l net.Listener
			if l, err = config.Listen(ctx, "tcp", address); err == nil {
				_ = l.Close() // nobody has connected
				return port, func() { _ = held.Close() }, nil
			}
			_ = held.Close()
		}
		errs = append(errs, err)
	}
	return "", nil, fmt.Errorf("no free port: %w", errors.Join(errs...))
}
