package indexer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrStreamClosed is returned by a Stream that has been closed.
var ErrStreamClosed = errors.New("the import pipeline is closed")

// A Stream whose stages broke starts them again after firstPause, which doubles
// with each time that they broke before an item came through, up to longestPause.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
)

// Stream takes items one by one from many callers, who share batches of the
// vision tower and writes to the index. All methods may be called at the same
// time.
type Stream struct {
	ix      *Indexer
	ctx     context.Context
	closing chan struct{} // closed by Close
	users   sync.WaitGroup

	mu     sync.Mutex
	closed bool
	now    *session // the latest one; nil before the first
	pause  time.Duration
	rested time.Time // when the stages may be started again
}

// session is one run of the stages, from their start until a dependency breaks.
type session struct {
	*pipe

	work   context.Context // ends with the first error, which is its cause
	cancel func()
	ended  chan struct{} // closed when all stages have ended
}

// Stream returns a pipeline that runs until Close. Options apply as in Run but
// for FullSync, MaxVanish, Force, Observe and Rejected. When ctx ends, what the
// vision tower is at is finished and written within Grace, the rest is dropped,
// and Do returns an error.
func (ix *Indexer) Stream(ctx context.Context) *Stream {
	return &Stream{ix: ix, ctx: ctx, closing: make(chan struct{})}
}

// Do puts one item into the index and says how it ended. A failed item is an
// Outcome, whose Temporary says whether trying again may help. An error is a
// broken dependency (index, stores, model) or the end of ctx or of the Stream:
// the same record may be tried again, and whether it was written may be open. A
// broken dependency fails all calls under way; the next ones wait for a moment,
// longer each time, and start the stages anew.
//
// A caller whose ctx ends does not wait for its item, which goes no further than
// the stage that it is in. Of two calls with the same id at once, the versions
// decide, or else who comes last.
func (s *Stream) Do(ctx context.Context, r Record) (Outcome, error) {
	now, err := s.enter(ctx)
	if err != nil {
		return Outcome{}, err
	}
	defer s.users.Done()
	j := &job{record: r, caller: ctx, reply: make(chan Outcome, 1)}
	select {
	case now.read <- j:
	case <-ctx.Done():
		return Outcome{}, gaveUp(ctx)
	case <-now.work.Done():
		return Outcome{}, s.broken(now)
	}
	select {
	case o, ok := <-j.reply:
		return s.answer(ctx, o, ok)
	case <-ctx.Done():
		return Outcome{}, gaveUp(ctx)
	case <-now.work.Done():
	}
	select {
	case o, ok := <-j.reply: // it came through before
		return s.answer(ctx, o, ok)
	default:
		return Outcome{}, s.broken(now)
	}
}

// answer is an outcome as Do returns it. One that is none is of an item that was
// dropped.
func (s *Stream) answer(ctx context.Context, o Outcome, ok bool) (Outcome, error) {
	switch {
	case !ok && ctx.Err() != nil:
		return Outcome{}, gaveUp(ctx)
	case !ok:
		return Outcome{}, s.stopped()
	}
	if o.State != Failed { // so that the index at least answers
		s.mu.Lock()
		s.pause = 0
		s.mu.Unlock()
	}
	return o, nil
}

// stopped is the error once the stream's own context has ended.
func (s *Stream) stopped() error {
	return fmt.Errorf("import stopped: %w", context.Cause(s.ctx))
}

func gaveUp(ctx context.Context) error {
	return fmt.Errorf("wait for the import: %w", context.Cause(ctx))
}

// broken is why a session ended.
func (s *Stream) broken(now *session) error {
	err := context.Cause(now.work)
	if errors.Is(err, context.Canceled) {
		select {
		case <-s.ctx.Done():
			return s.stopped()
		case <-s.closing:
			return ErrStreamClosed
		default:
		}
	}
	return err
}

// enter counts a caller in and returns the session whose stages run, which it
// starts if there is none.
func (s *Stream) enter(ctx context.Context) (*session, error) {
	for {
		now, wait, err := s.session()
		if err != nil || now != nil {
			return now, err
		}
		timer := time.NewTimer(wait.pause)
		select {
		case <-wait.ended:
		case <-timer.C:
		case <-ctx.Done():
			err = gaveUp(ctx)
		case <-s.ctx.Done():
		case <-s.closing:
		}
		timer.Stop()
		if err != nil {
			return nil, err
		}
	}
}

// wait is what has to come before the stages are started: the end of those that
// broke, or, with ended nil, the end of a pause.
type wait struct {
	ended <-chan struct{}
	pause time.Duration
}

// session returns the session whose stages run, or what to wait for.
func (s *Stream) session() (*session, wait, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, wait{}, ErrStreamClosed
	case s.ctx.Err() != nil:
		return nil, wait{}, s.stopped()
	case s.now != nil && s.now.work.Err() != nil:
		select {
		case <-s.now.ended:
			s.now = nil
		default: // the tower may still be at a batch, and must not run twice
			return nil, wait{ended: s.now.ended, pause: longestPause}, nil
		}
	}
	if s.now == nil {
		if left := time.Until(s.rested); left > 0 {
			return nil, wait{pause: left}, nil
		}
		s.now = s.start()
	}
	s.users.Add(1)
	return s.now, wait{}, nil
}

func (s *Stream) start() *session {
	hard, cancel := outliving(s.ctx, s.ix.options.Grace)
	now := &session{pipe: newPipe(s.ix, s.ctx), cancel: cancel, ended: make(chan struct{})}
	now.onEnd = func(j *job, o Outcome) { j.reply <- o }
	now.onDrop = func(j *job) { close(j.reply) }
	now.work = now.start(hard)
	go s.watch(now)
	return now
}

// watch waits for the end of a session's stages.
func (s *Stream) watch(now *session) {
	err := now.group.Wait()
	now.cancel()
	s.mu.Lock()
	if err != nil {
		s.pause = min(max(2*s.pause, firstPause), longestPause)
		s.rested = time.Now().Add(s.pause)
	}
	s.mu.Unlock()
	close(now.ended)
}

// Close refuses further items, waits for those under way, for Grace at most, and
// ends all goroutines. Its error says that items were dropped. Closing twice is
// harmless.
func (s *Stream) Close() error {
	s.mu.Lock()
	now, again := s.now, s.closed
	if !again {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	if now == nil {
		return nil
	}
	if again {
		<-now.ended
		return nil
	}
	timer := time.AfterFunc(s.ix.options.Grace, now.cancel)
	s.users.Wait() // their contexts, their items or the timer end them
	close(now.read)
	<-now.ended
	if !timer.Stop() {
		return fmt.Errorf("close the import pipeline: items were still under way after %v and were dropped; they may be sent again", s.ix.options.Grace)
	}
	return nil
}
