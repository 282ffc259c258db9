package redis_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"sightline/indexer/queue"
	"sightline/indexer/queue/queuetest"
	"sightline/indexer/queue/redis"
	"sightline/store/cache/redistest"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(childVariable); address != "" {
		child(address)
		return
	}
	goleak.VerifyTestMain(m)
}

// newClient makes a client of a server's, closed with the test.
func newClient(t testing.TB, address string) *goredis.Client {
	t.Helper()
	c := redis.NewClient(goredis.Options{Addr: address})
	t.Cleanup(func() { c.Close() })
	return c
}

// opener makes queues of one server, each with its own keys.
func opener(t testing.TB) queuetest.Open {
	t.Helper()
	server := redistest.Start(t)
	client := newClient(t, server.Address())
	var last atomic.Int64
	return func(t testing.TB, s queue.Settings) queue.Queue {
		t.Helper()
		q, err := redis.Open(t.Context(), redis.Options{Client: client, Prefix: fmt.Sprintf("test%d:", last.Add(1)), Settings: s})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
}

func TestQueue(t *testing.T) { queuetest.Test(t, opener(t)) }

func BenchmarkQueue(b *testing.B) { queuetest.Bench(b, opener(b)) }
