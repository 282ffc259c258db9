package turns

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/semaphore"
)

//go:embed lua/*.lua
var lua embed.FS

// ErrUnavailable says that Redis did not answer for Options.Patience.
var ErrUnavailable = errors.New("the Redis that says whose turn it is to write does not answer")

// Options say which turns and how long.
type Options struct {
	// Client is the caller's to close, after the last turn. Its timeouts bound
	// one question.
	Client *redis.Client
	Prefix string // begins every key; "" stands for "sightline:"
	// TTL is how long after the death of a process its turn ends; 0 stands for
	// 15 s. It has to be much longer than one step of what is done in turns.
	TTL time.Duration
	// Patience is how long Take goes on asking a Redis that does not answer; 0
	// stands for 30 s. A Redis that answers is asked until ctx ends.
	Patience time.Duration
}

// Turns hands out turns. It is safe for concurrent use: callers in one process
// take turns too.
type Turns struct {
	options               Options
	keys                  []string
	take, renew, released *redis.Script
	local                 *semaphore.Weighted
}

// New makes the turns under a prefix. It does not dial.
func New(o Options) (*Turns, error) {
	if o.Client == nil || o.TTL < 0 || o.Patience < 0 || strings.ContainsAny(o.Prefix, "{}") {
		return nil, errors.New("turns need a client, no negative times and a prefix without { and }")
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&o.TTL, 15 * time.Second}, {&o.Patience, 30 * time.Second}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Prefix == "" {
		o.Prefix = "sightline:"
	}
	// In braces, so that a Redis Cluster keeps all keys on one node.
	slot := "{" + o.Prefix + "turn}:"
	t := &Turns{options: o, keys: []string{slot + "holder", slot + "line", slot + "seen"}, local: semaphore.NewWeighted(1)}
	for name, script := range map[string]**redis.Script{"take": &t.take, "renew": &t.renew, "release": &t.released} {
		text, err := lua.ReadFile("lua/" + name + ".lua")
		if err != nil {
			return nil, fmt.Errorf("read script: %w", err)
		}
		*script = redis.NewScript(string(text))
	}
	return t, nil
}

// One who waits asks again after firstPause, then more rarely, up to lastPause; one
// who has not asked for forgotten is waited for no more.
const (
	firstPause = time.Millisecond
	lastPause  = 20 * time.Millisecond
	forgotten  = time.Second
)

// Take waits until it is this caller's turn: until ctx ends, or with
// ErrUnavailable. held says whether it still is, without asking Redis; release
// ends it and has to be called once.
func (t *Turns) Take(ctx context.Context) (held func() bool, release func(), err error) {
	if err := t.local.Acquire(ctx, 1); err != nil {
		return nil, nil, fmt.Errorf("wait for the turn to write: %w", err)
	}
	token := rand.Text()
	since, err := t.wait(ctx, token)
	if err != nil {
		t.end(ctx, token)
		t.local.Release(1)
		return nil, nil, err
	}
	one := &turn{turns: t, token: token, renewed: since}
	one.keep(context.WithoutCancel(ctx))
	return one.held, func() {
		one.stop()
		t.end(ctx, token)
		t.local.Release(1)
	}, nil
}

// wait returns the time from which the turn counts.
func (t *Turns) wait(ctx context.Context, token string) (time.Time, error) {
	answered := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		asked := time.Now()
		mine, err := t.take.Run(ctx, t.options.Client, t.keys, token, t.options.TTL.Milliseconds(), forgotten.Milliseconds()).Int()
		switch {
		case err == nil && mine == 1:
			return asked, nil
		case err == nil:
			answered = time.Now()
		case ctx.Err() == nil && time.Since(answered) > t.options.Patience:
			return asked, fmt.Errorf("%w: start it, or correct --redis-url: %w", ErrUnavailable, err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return asked, fmt.Errorf("wait for the turn to write: %w", context.Cause(ctx))
		case <-timer.C:
		}
	}
}

// end is tried once, and does not wait long for a Redis that is gone: the TTL
// ends the turn then.
func (t *Turns) end(ctx context.Context, token string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = t.released.Run(ctx, t.options.Client, t.keys, token).Err() // see above
}
