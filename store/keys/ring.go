package keys

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Interval is how often a Ring looks for keys that were made or revoked.
const Interval = 500 * time.Millisecond

const (
	// coarse is how far LastUsed may lag behind: each key is written to disk at
	// most once in that time, however often it is used.
	coarse = 10 * time.Minute
	// relistEvery lists everything anew even where nothing seems to have changed.
	relistEvery = time.Minute
	// complainEvery bounds the log while a source cannot be read.
	complainEvery = time.Minute
)

// Source is where a Ring's keys are: a *Database or a File.
type Source interface {
	look(ctx context.Context, mark any) (list []Key, next any, err error)
	touch(ctx context.Context, used map[string]int64) error
	Close() error
}

// Ring is a server's view of its keys: all in memory, and up to date to
// Interval. While the source cannot be read its keys stay as they were last,
// which is logged as an error each minute. All methods may be called at the same
// time.
type Ring struct {
	source  Source
	log     *slog.Logger
	current atomic.Pointer[view]
	stop    context.CancelFunc
	done    sync.WaitGroup

	// Of the goroutine that looks:
	mark       any
	listed     time.Time
	complained time.Time
}

// view is one state of all keys.
type view struct {
	byKey, bySession map[[idLen / 2]byte]*entry
}

type entry struct {
	Key

	stored atomic.Int64 // when the key was used last, as far as the disk knows
	used   atomic.Int64 // Unix seconds
}

// OpenRing reads the source, which must succeed, and follows it until Close,
// which closes it. A nil log is none.
func OpenRing(ctx context.Context, source Source, log *slog.Logger) (*Ring, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Ring{source: source, log: log}
	r.current.Store(&view{})
	if err := r.refresh(ctx); err != nil {
		return nil, err
	}
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	r.done.Go(func() { r.follow(ctx) })
	return r, nil
}

// Len is how many keys there are, usable or not.
func (r *Ring) Len() int { return len(r.current.Load().byKey) }

// Find returns what is known of a key that a caller presented. The error is one
// of this package's. The Key is shared: it must not be changed.
func (r *Ring) Find(token string) (*Key, error) {
	hash, err := hashToken(token)
	if err != nil {
		return nil, err
	}
	e := r.current.Load().byKey[hash.bucket()]
	if e == nil || !e.hash.equal(hash) {
		return nil, ErrUnknown
	}
	return e.take(time.Now())
}

// FindSession is Find by the session value of a key.
func (r *Ring) FindSession(value string) (*Key, error) {
	hash, err := hashSession(value)
	if err != nil {
		return nil, err
	}
	e := r.current.Load().bySession[hash.bucket()]
	if e == nil || !e.session.equal(hash) {
		return nil, ErrUnknown
	}
	return e.take(time.Now())
}

// take notes a use, once a minute so that requests on many CPUs do not fight for the number.
func (e *entry) take(now time.Time) (*Key, error) {
	if err := e.usable(now); err != nil {
		return nil, err
	}
	if at := now.Unix(); at-e.used.Load() >= 60 {
		e.used.Store(at)
	}
	return &e.Key, nil
}

func (r *Ring) follow(ctx context.Context) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := errors.Join(r.refresh(ctx), r.flush(ctx, coarse))
		if err != nil && ctx.Err() == nil && time.Since(r.complained) > complainEvery {
			r.complained = time.Now()
			r.log.ErrorContext(ctx, "keys cannot be read or written: those that were read last stay in use", "error", err)
		}
	}
}

// refresh looks at the source and puts up a new view if it has changed.
func (r *Ring) refresh(ctx context.Context) error {
	mark, now := r.mark, time.Now()
	if now.Sub(r.listed) > relistEvery {
		mark = nil
	}
	list, next, err := r.source.look(ctx, mark)
	if err != nil || next == mark {
		return err
	}
	r.current.Store(r.view(list))
	r.mark, r.listed = next, now
	return nil
}

// view makes the view of a list, with the uses that are not stored yet.
func (r *Ring) view(list []Key) *view {
	old := r.current.Load()
	v := &view{byKey: make(map[[idLen / 2]byte]*entry, len(list)), bySession: make(map[[idLen / 2]byte]*entry, len(list))}
	for _, k := range list {
		e := &entry{Key: k}
		used := seconds(k.LastUsed)
		e.stored.Store(used)
		if before := old.byKey[k.hash.bucket()]; before != nil {
			used = max(used, before.used.Load())
		}
		e.used.Store(used)
		v.byKey[k.hash.bucket()], v.bySession[k.session.bucket()] = e, e
	}
	return v
}

// flush writes the uses that the disk is behind with by more than lag.
func (r *Ring) flush(ctx context.Context, lag time.Duration) error {
	behind := map[string]int64{}
	current := r.current.Load()
	for _, e := range current.byKey {
		if used := e.used.Load(); used-e.stored.Load() > int64(lag/time.Second) {
			behind[e.ID] = used
		}
	}
	if len(behind) == 0 {
		return nil
	}
	if err := r.source.touch(ctx, behind); err != nil {
		return err
	}
	for _, e := range current.byKey {
		if used, ok := behind[e.ID]; ok {
			e.stored.Store(used)
		}
	}
	return nil
}

// Close stores when keys were used last and closes the source. The Ring still
// answers, as things were.
func (r *Ring) Close(ctx context.Context) error {
	r.stop()
	r.done.Wait()
	return errors.Join(r.flush(ctx, 0), r.source.Close())
}
