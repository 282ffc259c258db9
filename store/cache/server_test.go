package cache_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"sightline/store/cache"
)

func newRedis(t testing.TB, o cache.RedisOptions) *cache.Redis {
	t.Helper()
	r, err := cache.NewRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// prefixes gives every cache its own keys in a shared server.
type prefixes struct{ last atomic.Int64 }

func (p *prefixes) next() string { return fmt.Sprintf("test%d:", p.last.Add(1)) }
