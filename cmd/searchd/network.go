package main

import (
	"errors"
	"time"

	"github.com/spf13/pflag"

	"sightline/api"
	"sightline/cmd/internal/cli"
	"sightline/store/cache"
)

func networkFlags(fs *pflag.FlagSet) {
	fs.Duration("header-timeout", 10*time.Second, "time for the head of a request")
	fs.Duration("body-timeout", 30*time.Second, "time for all of a request; streams of lines have it for each 256 KiB")
	fs.Duration("idle-timeout", time.Minute, "time that a connection may stay open between requests")
	fs.Int("max-connections", 2048, "connections open at once; for one more, that one is closed on which nothing has been asked for longest")
}

func serveOptions(e cli.Env) api.ServeOptions {
	return api.ServeOptions{
		Drain: drain, Log: e.Log, MaxConnections: e.MaxConnections,
		HeaderTimeout: e.HeaderTimeout, BodyTimeout: e.BodyTimeout, IdleTimeout: e.IdleTimeout,
	}
}

// shrunkFor is how long a picture that was made smaller is kept. It is named by
// its content, so that it is never outdated; what nobody asks for need not stay.
const shrunkFor = 24 * time.Hour

// shrunk keeps pictures that were made smaller; nil parts keep none.
type shrunk struct {
	memory  *cache.Memory
	fetcher *cache.Fetcher
}

func newShrunk(mb int) (shrunk, error) {
	if mb == 0 {
		return shrunk{}, nil
	}
	memory, err := cache.NewMemory(cache.MemoryOptions{MaxBytes: mb << 20, TTL: shrunkFor})
	if err != nil {
		return shrunk{}, err
	}
	return shrunk{memory, cache.NewFetcher(memory, cache.FetcherOptions{})}, nil
}

func (s shrunk) answers() api.Answers {
	if s.fetcher == nil {
		return nil
	}
	return s.fetcher
}

// Close ends what is being made smaller.
func (s shrunk) Close() error {
	if s.fetcher == nil {
		return nil
	}
	return errors.Join(s.fetcher.Close(), s.memory.Close())
}
