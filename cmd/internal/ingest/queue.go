package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"

	"sightline/cmd/internal/cli"
	"sightline/indexer/queue"
	"sightline/indexer/queue/redis"
	"sightline/indexer/queue/sqlite"
)

// QueueFlags adds the flags of the commands that take or do changes.
func QueueFlags(fs *pflag.FlagSet) {
	fs.String("queue", "embedded", "where changes wait: embedded (a file of the data folder, one program at a time) or redis (several programs; see --redis-url)")
	fs.Int("workers", 4, "changes done at a time; 0: none here, other programs do them")
}

// Queue is the queue of --queue, with what it needs.
type Queue struct {
	queue.Queue

	client *goredis.Client // nil for an embedded one
}

// patience bounds the look at a Redis at the start. One that is away is no
// error: it is used when it comes.
const patience = 5 * time.Second

// OpenQueue opens the queue that the settings name.
func OpenQueue(ctx context.Context, e cli.Env) (*Queue, error) {
	if e.Queue != "redis" {
		q, err := sqlite.Open(ctx, sqlite.Options{Dir: e.Data})
		if err != nil {
			return nil, fmt.Errorf("open queue: %w", err)
		}
		return &Queue{Queue: e.Tracing.Queue(q)}, nil
	}
	client, err := cli.DialRedis(e)
	if err != nil {
		return nil, err
	}
	q, err := redis.Open(ctx, redis.Options{Client: client, Prefix: e.RedisPrefix})
	if err != nil {
		return nil, errors.Join(cli.Usagef("--queue redis: %w", err), client.Close())
	}
	look, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	warnings, err := q.Warnings(look)
	if err != nil {
		e.Log.WarnContext(ctx, "the queue's Redis could not be looked at; it is used when it comes", "error", err)
	}
	for _, w := range warnings {
		e.Log.WarnContext(ctx, w)
	}
	return &Queue{Queue: e.Tracing.Queue(q), client: client}, nil
}

// Close closes the queue and its connections.
func (q *Queue) Close() error {
	err := q.Queue.Close()
	if q.client != nil {
		err = errors.Join(err, q.client.Close())
	}
	return err
}
