package cli

import (
	"log/slog"
	"testing"
)

// TestSharing: processes that share a Redis see each other's writes at once, and
// take turns where they write.
func TestSharing(t *testing.T) {
	for _, c := range []struct {
		cache, queue  string
		onlyReads     bool
		strong, turns bool
	}{
		{cache: "memory", queue: "embedded"},
		{cache: "none"},
		{cache: "redis", queue: "embedded", strong: true, turns: true},
		{cache: "none", queue: "redis", strong: true, turns: true},
		{cache: "redis", queue: "redis", onlyReads: true, strong: true},
	} {
		e := Env{Settings: Settings{Store: "milvus", Cache: c.cache, Queue: c.queue, RedisURL: "redis://127.0.0.1:1/0"}, Log: slog.New(slog.DiscardHandler), OnlyReads: c.onlyReads}
		o, err := milvusOptions(e)
		if err != nil {
			t.Fatal(err)
		}
		p := &Place{}
		if err := p.share(t.Context(), e, &o); err != nil {
			t.Fatal(err)
		}
		if o.Strong != c.strong || (o.Turns != nil) != c.turns || (o.Counter != nil) != (c.cache == "redis") {
			t.Errorf("%+v: strong %v, turns %v, counter %v", c, o.Strong, o.Turns, o.Counter)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}
