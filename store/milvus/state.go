package milvus

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"sightline/store"
)

// state is what all Indexes of one collection in this process share.
type state struct {
	server *server
	items  string // names of Milvus collections
	tombs  string
	views  string

	writing *semaphore.Weighted // one write or flush at a time
	// reading keeps reads and writes of this process apart on Lite. A flush
	// there shows readers that come at the wrong moment neither the memory
	// table nor the new segment, and a read of several calls would see a write
	// in between. Servers read at one timestamp, and must go on answering
	// searches while a write hangs.
	reading *semaphore.Weighted

	generation atomic.Uint64 // without a Counter
	flushes    flushes
	viewing    viewing
}

// allReaders is what a writer takes of reading, so that it is alone. Writers
// wait in line with readers, so neither starves.
const allReaders = 1 << 30

func newState(s *server, items string) *state {
	st := &state{
		server: s, items: items, tombs: items + "_deleted", views: items + "_views",
		writing: semaphore.NewWeighted(1), reading: semaphore.NewWeighted(allReaders),
	}
	st.generation.Store(uint64(time.Now().UnixNano()))
	return st
}

type turnKey struct{}

// startWriting waits until no write or flush is under way, of this process and of
// those that it takes turns with. Writes under the context that it returns end
// where the turn does; the caller calls release at the end.
func (st *state) startWriting(ctx context.Context) (turn context.Context, release func(), err error) {
	if err := st.writing.Acquire(ctx, 1); err != nil {
		return nil, nil, err
	}
	if st.server.options.Turns == nil {
		return ctx, func() { st.writing.Release(1) }, nil
	}
	held, leave, err := st.server.options.Turns.Take(ctx)
	if err != nil {
		st.writing.Release(1)
		if ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		return nil, nil, err
	}
	return context.WithValue(ctx, turnKey{}, held), func() {
		leave()
		st.writing.Release(1)
	}, nil
}

// inTurn is an error where the turn that ctx knows has ended, such as when the
// process was halted for long: another may be writing by now.
func inTurn(ctx context.Context) error {
	if held, ok := ctx.Value(turnKey{}).(func() bool); ok && !held() {
		return fmt.Errorf("%w: the turn to write ended before the write did; repeat it", store.ErrUnavailable)
	}
	return nil
}

// startReading waits until no write is under way, on Lite. The caller calls
// done at the end.
func (st *state) startReading(ctx context.Context) (done func(), err error) {
	return st.take(ctx, 1)
}

func (st *state) take(ctx context.Context, n int64) (done func(), err error) {
	if !st.server.lite {
		return func() {}, ctx.Err()
	}
	if err := st.reading.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { st.reading.Release(n) }, nil
}

// change makes writing calls that no reader of this process sees half done on
// Lite. It holds for them only, not for what a write reads before.
func (st *state) change(ctx context.Context, do func() error) error {
	done, err := st.take(ctx, allReaders)
	if err != nil {
		return err
	}
	defer done()
	return do()
}

// changed counts a change, also one that ended in an error: it may be seen all
// the same.
func (st *state) changed(ctx context.Context) {
	st.generation.Add(1)
	counter := st.server.options.Counter
	if counter == nil {
		return
	}
	if err := counter.Bump(context.WithoutCancel(ctx)); err != nil {
		st.server.options.Log.WarnContext(ctx, "other processes may serve outdated answers", "error", err)
	}
}

// currentGeneration is a number that never came before and never comes again
// while the counter does not know.
func (st *state) currentGeneration(ctx context.Context) uint64 {
	counter := st.server.options.Counter
	if counter == nil {
		return st.generation.Load()
	}
	if generation, ok := counter.Generation(ctx); ok {
		return generation
	}
	return uint64(time.Now().UnixNano())
}

// chorePatience is how long flushes and tidying up wait for their turn, so that
// closing does not wait for a Redis that is gone.
const chorePatience = 10 * time.Second

// flushes says when Lite is to be told to flush.
type flushes struct {
	rows  int // written since the last one; guarded by state.writing
	timer *time.Timer
	mu    sync.Mutex // guards timer and ended
	ended bool
}

// written notes rows, and flushes when there are many of them. The caller holds
// writing. A flush that fails is tried again after the next write: nothing is
// lost without it.
func (st *state) written(ctx context.Context, rows int) {
	if !st.server.lite {
		return
	}
	st.flushes.rows += rows
	if st.flushes.rows < st.server.options.FlushRows {
		st.flushLater()
		return
	}
	if err := st.flush(ctx); err != nil {
		st.server.options.Log.WarnContext(ctx, "flush Milvus Lite", "error", err)
	}
}

// flush is of all collections. The caller holds writing. It is tried once, so
// that closing does not wait for a server that is gone.
func (st *state) flush(ctx context.Context) error {
	err := st.change(ctx, func() error {
		for _, name := range st.collections() {
			err := st.server.once(context.WithoutCancel(ctx), st.server.options.WriteTimeout, func(ctx context.Context) error {
				if err := inTurn(ctx); err != nil {
					return err
				}
				return st.server.Flush(ctx, name, false)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		st.flushes.rows = 0
	}
	return err
}

// collections are those that may hold rows.
func (st *state) collections() []string {
	if st.viewing.some.Load() {
		return []string{st.items, st.tombs, st.views}
	}
	return []string{st.items, st.tombs}
}

func (st *state) flushLater() {
	f := &st.flushes
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.ended:
	case f.timer == nil:
		f.timer = time.AfterFunc(st.server.options.FlushIdle, st.flushIdle)
	default:
		f.timer.Reset(st.server.options.FlushIdle)
	}
}

func (st *state) flushIdle() {
	ctx, cancel := context.WithTimeout(st.server.base, chorePatience)
	defer cancel()
	ctx, release, err := st.startWriting(ctx)
	if err != nil {
		return // closed, or nobody knows whose turn it is; the next flush of any process does for all
	}
	defer release()
	if st.flushes.rows == 0 {
		return
	}
	if err := st.flush(ctx); err != nil && st.server.base.Err() == nil {
		st.server.options.Log.WarnContext(st.server.base, "flush Milvus Lite", "error", err)
	}
}

// end stops later flushes and makes the last one, after which no view is left
// over.
func (st *state) end() {
	f := &st.flushes
	f.mu.Lock()
	f.ended = true
	if f.timer != nil {
		f.timer.Stop()
	}
	f.mu.Unlock()
	st.unmark()
	st.flushIdle()
}

// stats asks how many items there are.
func (st *state) stats(ctx context.Context) (store.Stats, error) {
	items, err := st.countRows(ctx, st.items, always)
	if err != nil {
		return store.Stats{}, err
	}
	return store.Stats{Items: items, Generation: st.currentGeneration(ctx)}, nil
}
