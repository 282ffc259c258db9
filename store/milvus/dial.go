package milvus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	retry "github.com/grpc-ecosystem/go-grpc-middleware/retry"
	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"github.com/milvus-io/milvus-proto/go-api/v2/milvuspb"
	"github.com/milvus-io/milvus-sdk-go/v2/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"sightline/store"
)

// maxReply bounds one answer. A page of the largest window, 16,384 items of 4 KB
// with their embeddings, has 80 MB.
const maxReply = 512 << 20

// server is a connection and what is known of its other end.
type server struct {
	client.Client
	options Options
	lite    bool            // Milvus Lite, the Python program
	base    context.Context // of flushes that no caller waits for
	release context.CancelFunc
}

// dial connects and asks for the version. The SDK's own first call is turned
// off: where that fails the SDK forgets to close the connection, which then
// dials for ever (2.4.2, client.NewClient).
func dial(ctx context.Context, o Options) (*server, error) {
	options, err := dialOptions(o)
	if err != nil {
		return nil, err
	}
	sdk, err := client.NewClient(ctx, client.Config{
		Address: o.Address, DBName: o.Database, Username: o.Username, Password: string(o.Password), APIKey: string(o.Token),
		EnableTLSAuth: o.TLS, DialOptions: options, DisableConn: true, RetryRateLimit: &client.RetryRateLimitOption{},
	})
	if err != nil {
		return nil, fmt.Errorf("%w options: Milvus address %q: %w", store.ErrInvalid, o.Address, err)
	}
	s := &server{Client: sdk, options: o}
	s.base, s.release = context.WithCancel(context.WithoutCancel(ctx))
	err = s.call(ctx, o.ConnectTimeout, func(ctx context.Context) error {
		version, err := sdk.GetVersion(ctx)
		s.lite = strings.HasPrefix(version, "milvus_lite")
		return err
	})
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *server) close() error {
	s.release()
	return s.Close()
}

// dialOptions replaces the SDK's, which ping every 10 s also without a call, so
// that servers hang up (too_many_pings), and which block until the server is
// there. The SDK's retry is off too: it sleeps up to 14 s between two tries.
func dialOptions(o Options) ([]grpc.DialOption, error) {
	options := []grpc.DialOption{
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 10 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 3 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply), retry.Disable()),
		grpc.WithChainUnaryInterceptor(intercept),
	}
	if o.Calls != nil {
		options = append(options, grpc.WithStatsHandler(o.Calls))
	}
	if o.CAFile == "" {
		return options, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the authority of Milvus: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%w options: %s holds no PEM certificate", store.ErrInvalid, o.CAFile)
	}
	// Behind the SDK's own choice, so that it wins.
	credential := credentials.NewTLS(&tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12})
	return append(options, grpc.WithTransportCredentials(credential)), nil
}

type orderedKey struct{}

// ordered makes queries under the context return rows in the order of their
// ids. The SDK gives that to its own iterators only, which quote no ids.
func ordered(ctx context.Context) context.Context {
	return context.WithValue(ctx, orderedKey{}, true)
}

// intercept is the outermost layer around each call.
func intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if query, ok := req.(*milvuspb.QueryRequest); ok && ctx.Value(orderedKey{}) != nil {
		query.QueryParams = append(query.QueryParams,
			&commonpb.KeyValuePair{Key: "iterator", Value: "true"}, &commonpb.KeyValuePair{Key: "reduce_stop_for_best", Value: "true"})
	}
	if err := invoke(ctx, method, req, reply, cc, opts...); err != nil {
		return err
	}
	switch reply := reply.(type) {
	case *commonpb.Status:
		return checkStatus(reply)
	case interface{ GetStatus() *commonpb.Status }:
		return checkStatus(reply.GetStatus())
	}
	return nil
}
