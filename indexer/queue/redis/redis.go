package redis

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"sightline/indexer/queue"
)

//go:embed lua/*.lua
var lua embed.FS

// expireAtOnce bounds how many expired leases one script takes back.
const expireAtOnce = 100

// Options say which Redis to use.
type Options struct {
	// Client is one of NewClient's and stays the caller's to close, after the
	// queue. Its timeouts bound one try; no command blocks its connection.
	Client *goredis.Client
	Prefix string // begins every key; "" stands for "sightline:"
	// Poll bounds how late a wake-up that was lost, with its connection, is made
	// up for; 0 stands for 1 s.
	Poll time.Duration
	// RetryFor is how long a call goes on trying while Redis cannot be reached,
	// if its ctx lets it; 0 stands for 30 s. Repeating is safe: scripts know a
	// call that they have seen.
	RetryFor time.Duration
	Settings queue.Settings
}

// Queue is a queue.Queue in a Redis.
type Queue struct {
	client   *goredis.Client
	prefix   string
	poll     time.Duration
	retryFor time.Duration
	settings queue.Settings
	ids      queue.IDs
	scripts  scripts
	wake     *wake
}

type scripts struct{ enqueue, lease, report, retry, forget *goredis.Script }

// Open makes a queue. It does not dial: a Redis that is not there yet is used
// when it comes. Warnings tells what is wrong with it.
func Open(ctx context.Context, o Options) (*Queue, error) {
	settings, err := o.Settings.WithDefaults()
	if err != nil {
		return nil, err
	}
	if o.Client == nil || o.Poll < 0 || o.RetryFor < 0 || strings.ContainsAny(o.Prefix, "{}") {
		return nil, errors.New("a queue in Redis needs a client, no negative times and a prefix without { and }")
	}
	q := &Queue{client: o.Client, poll: o.Poll, retryFor: o.RetryFor, settings: settings}
	if o.Prefix == "" {
		o.Prefix = "sightline:"
	}
	// In braces, so that a Redis Cluster keeps all keys on one node.
	q.prefix = "{" + o.Prefix + "queue}:"
	if q.poll == 0 {
		q.poll = time.Second
	}
	if q.retryFor == 0 {
		q.retryFor = 30 * time.Second
	}
	for name, script := range map[string]**goredis.Script{
		"enqueue": &q.scripts.enqueue, "lease": &q.scripts.lease, "report": &q.scripts.report, "retry": &q.scripts.retry, "forget": &q.scripts.forget,
	} {
		if *script, err = readScript(name); err != nil {
			return nil, err
		}
	}
	q.wake = listen(context.WithoutCancel(ctx), q.client, q.prefix+"wake")
	return q, nil
}

func readScript(name string) (*goredis.Script, error) {
	var text strings.Builder
	for _, part := range []string{"prelude", name} {
		b, err := lua.ReadFile("lua/" + part + ".lua")
		if err != nil {
			return nil, fmt.Errorf("read script: %w", err)
		}
		text.Write(b)
	}
	return goredis.NewScript(text.String()), nil
}

// Close is queue.Queue's. It does not wait for running calls, and leaves the
// client open.
func (q *Queue) Close() error {
	if err := q.wake.close(); err != nil {
		return fmt.Errorf("close queue: %w", err)
	}
	return nil
}

// Warnings tells what in the Redis's settings may lose jobs, or fails where the
// Redis is too old or cannot be reached.
func (q *Queue) Warnings(ctx context.Context) (warnings []string, err error) {
	var info string
	err = q.try(ctx, func(ctx context.Context) (err error) {
		info, err = q.client.Info(ctx).Result()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look at Redis: %w", err)
	}
	fields := make(map[string]string)
	for line := range strings.SplitSeq(info, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = value
	}
	var major, minor int
	if _, err := fmt.Sscanf(fields["redis_version"], "%d.%d", &major, &minor); err != nil || major < 6 || major == 6 && minor < 2 {
		return nil, fmt.Errorf("the queue needs Redis 6.2 or newer, this is %q", fields["redis_version"])
	}
	if fields["aof_enabled"] != "1" {
		warnings = append(warnings, "Redis keeps no append-only file: when it ends, queued jobs are lost; set appendonly yes")
	}
	if policy := fields["maxmemory_policy"]; strings.HasPrefix(policy, "allkeys-") {
		warnings = append(warnings, "Redis may evict queued jobs (maxmemory-policy "+policy+"); set noeviction, or volatile-lru where it also holds the cache")
	}
	return warnings, nil
}

// now is for scripts: 0 for Redis's own time.
func (q *Queue) now() int64 {
	if q.settings.Now == nil {
		return 0
	}
	return q.settings.Now().UnixMilli()
}
