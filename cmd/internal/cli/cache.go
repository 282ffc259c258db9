package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"

	"sightline/indexer/queue/redis"
	"sightline/store/cache"
)

// nearTTL bounds the age of an answer in memory where Redis holds it too: one
// can reach the age of both together.
const nearTTL = time.Minute

// RedisFlags adds the flags of every command that may use Redis.
func RedisFlags(fs *pflag.FlagSet) {
	fs.String("redis-url", "redis://127.0.0.1:6379/0", "Redis, for --cache redis; rediss:// for TLS; the password comes from "+cache.PasswordVariable+" or "+cache.PasswordVariable+"_FILE")
	fs.String("redis-prefix", "sightline:", "begins every key in Redis; two catalogues in one Redis need two")
	fs.String("redis-ca", "", "PEM file of the authority to trust with rediss://, instead of the system's")
}

// WriterFlags adds the flags of the commands that change a catalogue which
// others serve.
func WriterFlags(fs *pflag.FlagSet) {
	fs.String("cache", "none", "with --store milvus, redis tells every searchd of the change at once and takes turns with other writers: none or redis")
	RedisFlags(fs)
}

// CacheFlags adds the flags of the commands that keep answers.
func CacheFlags(fs *pflag.FlagSet) {
	fs.String("cache", "memory", "where answers are kept: memory, redis (memory in front of a Redis that several searchd share) or none")
	fs.Int("cache-mb", 64, "memory for kept answers, in MB")
	fs.Duration("cache-ttl", 10*time.Minute, "age at which an answer is forgotten; a write to the catalogue makes it unreachable at once")
	fs.Duration("cache-fresh", 0, "age from which an answer is still given out but worked out anew in the background (0: never)")
	RedisFlags(fs)
}

// checkCache is Check's part for CacheFlags.
func (s Settings) checkCache(p *problems) {
	p.add(!oneOf(s.Cache, "", "memory", "redis", "none"), "--cache %q: use memory, redis or none", s.Cache)
	p.add(s.CacheMB < 0 || s.CacheMB > 1<<20, "--cache-mb %d: use 1 to 1048576, or 0 for 64", s.CacheMB)
	p.add(s.CacheTTL < 0, "--cache-ttl %s: it must not be negative; --cache none keeps nothing", s.CacheTTL)
	p.add(s.CacheFresh < 0, "--cache-fresh %s: it must not be negative", s.CacheFresh)
	p.add(s.CacheFresh > 0 && s.CacheTTL > 0 && s.CacheFresh >= s.CacheTTL,
		"--cache-fresh %s: it must be below --cache-ttl (%s) to have a use", s.CacheFresh, s.CacheTTL)
}

// Caches are the open caches of one program. Those that the settings leave out
// are nil.
type Caches struct {
	Answers    *cache.Fetcher
	Embeddings *cache.Embeddings // of query texts; always in memory
	Memory     *cache.Memory
	Redis      *cache.Redis

	all cache.Cache // Memory, or Memory and Redis
}

// OpenCaches opens what --cache asks for. A Redis that does not answer is no
// error: it is used when it comes.
func OpenCaches(ctx context.Context, e Env) (*Caches, error) {
	c := &Caches{}
	if e.Cache == "none" || e.Cache == "" { // "": a command without CacheFlags
		return c, nil
	}
	ttl := e.CacheTTL
	if e.Cache == "redis" {
		ttl = min(ttl, nearTTL)
	}
	var err error
	if c.Embeddings, err = cache.NewEmbeddings(0); err != nil {
		return nil, err
	}
	if c.Memory, err = cache.NewMemory(cache.MemoryOptions{MaxBytes: e.CacheMB << 20, TTL: ttl}); err != nil {
		return nil, err
	}
	c.all = c.Memory
	if e.Cache == "redis" {
		if c.Redis, err = OpenRedis(ctx, e); err != nil {
			return nil, errors.Join(err, c.Memory.Close())
		}
		c.all = cache.NewLayered(c.Memory, c.Redis)
	}
	c.Answers = cache.NewFetcher(c.all, cache.FetcherOptions{FreshFor: e.CacheFresh})
	return c, nil
}

// OpenRedis makes the client of --redis-url. It does not dial.
func OpenRedis(ctx context.Context, e Env) (*cache.Redis, error) {
	password, err := cache.RedisPassword(Getenv(e.Environ))
	if err != nil {
		return nil, Usagef("%w", err)
	}
	r, err := cache.NewRedis(ctx, cache.RedisOptions{
		URL: e.RedisURL, Password: password, CAFile: e.RedisCA, Prefix: e.RedisPrefix, TTL: e.CacheTTL,
		Changed: func(breaker string, cause error) { logBreaker(ctx, e.Log, breaker, cause) },
		Hook:    e.Tracing.Redis(),
	})
	if err != nil {
		return nil, Usagef("--redis-url: %w", err)
	}
	return r, nil
}

// DialRedis makes a client of --redis-url for what must not be lost: it does not
// dial yet, and is patient, where the cache's is quick to give up.
func DialRedis(e Env) (*goredis.Client, error) {
	password, err := cache.RedisPassword(Getenv(e.Environ))
	if err != nil {
		return nil, Usagef("%w", err)
	}
	o, err := cache.RedisOptions{URL: e.RedisURL, Password: password, CAFile: e.RedisCA}.Connection()
	if err != nil {
		return nil, Usagef("--redis-url: %w", err)
	}
	client := redis.NewClient(*o)
	if hook := e.Tracing.Redis(); hook != nil {
		client.AddHook(hook)
	}
	return client, nil
}

func logBreaker(ctx context.Context, log *slog.Logger, breaker string, cause error) {
	switch breaker {
	case "closed":
		log.InfoContext(ctx, "Redis is in use again")
	case "open":
		log.WarnContext(ctx, "Redis is left alone for a second; searches do without it", "error", cause)
	}
}

// Close ends searches that run for the cache, writes what waits and closes all.
func (c *Caches) Close() error {
	if c.Answers == nil {
		return nil
	}
	if err := errors.Join(c.Answers.Close(), c.all.Close()); err != nil {
		return fmt.Errorf("close caches: %w", err)
	}
	return nil
}
