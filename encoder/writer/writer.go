package writer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"sightline/encoder"
	"sightline/encoder/decode"
)

// Errors of a Writer.
var (
	// ErrBusy says that the queue is full: try again later.
	ErrBusy = errors.New("too many texts are waiting to be written")
	// ErrClosed says that the Writer was closed.
	ErrClosed = errors.New("the writer is closed")
)

// Model writes for several callers at once; *encoder.Model does. wanted says before
// every step whether somebody still waits for picture i.
type Model interface {
	CaptionWanted(ctx context.Context, states []encoder.States, prompt string, o decode.Options, wanted func(i int) bool) ([]encoder.Generated, error)
	AnswerWanted(ctx context.Context, states []encoder.States, questions []encoder.Query, o decode.Options, wanted func(i int) bool) ([]encoder.Generated, error)
}

// Options bound a Writer; zero values mean the defaults.
type Options struct {
	// Batch is how many pictures are read at once; default 8. Each takes up to 42 MB of
	// keys and values in BLIP-base, beside the rows' own.
	Batch int
	// Queue is how many requests may wait; one more is answered ErrBusy at once.
	// Default 64. Each holds the patch states of its picture, 0.4 to 1.8 MB.
	Queue int
}

// Writer has one run at a time and no goroutine while there is nothing to do. It is
// safe for concurrent use.
type Writer struct {
	model   Model
	options Options

	mu      sync.Mutex // guards what follows; never held during a run
	waiting []*request // in the order in which they came
	running bool
	closed  bool
	stop    context.CancelFunc // of the run under way
	idle    sync.WaitGroup
}

// New returns a Writer of m.
func New(m Model, o Options) *Writer {
	if o.Batch <= 0 {
		o.Batch = 8
	}
	if o.Queue <= 0 {
		o.Queue = 64
	}
	return &Writer{model: m, options: o, stop: func() {}}
}

// kind of requests that can share a run: the same prompt, or questions, with the
// same options.
type kind struct {
	answers bool
	prompt  string
	options decode.Options
}

type request struct {
	kind
	ctx      context.Context
	states   encoder.States
	question encoder.Query
	done     chan result // has room for the one result
}

type result struct {
	text encoder.Generated
	err  error
}

// Caption is encoder.Model's for one picture. What it returns does not depend on
// who shares the run.
func (w *Writer) Caption(ctx context.Context, states encoder.States, prompt string, o decode.Options) (encoder.Generated, error) {
	r := &request{kind: kind{prompt: prompt, options: o}, ctx: ctx, states: states}
	return w.wait(r) //nolint:contextcheck // it is in the request: a run outlives each of its callers
}

// Answer is encoder.Model's for one picture.
func (w *Writer) Answer(ctx context.Context, states encoder.States, question encoder.Query, o decode.Options) (encoder.Generated, error) {
	r := &request{kind: kind{answers: true, options: o}, ctx: ctx, states: states, question: question}
	return w.wait(r) //nolint:contextcheck // as in Caption
}

// wait queues a request and waits for its result, or until its caller leaves. What
// would fail a run that others share is refused before.
func (w *Writer) wait(r *request) (encoder.Generated, error) {
	if err := errors.Join(r.ctx.Err(), r.options.Check(), r.states.Check()); err != nil {
		return encoder.Generated{}, fmt.Errorf("write: %w", err)
	}
	r.done = make(chan result, 1)
	if err := w.enter(r); err != nil {
		return encoder.Generated{}, fmt.Errorf("write: %w", err)
	}
	select {
	case got := <-r.done:
		return got.text, got.err
	case <-r.ctx.Done():
		w.leave(r)
		return encoder.Generated{}, fmt.Errorf("write: %w", r.ctx.Err())
	}
}

func (w *Writer) enter(r *request) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return ErrClosed
	case len(w.waiting) >= w.options.Queue:
		return ErrBusy
	}
	w.waiting = append(w.waiting, r)
	if !w.running {
		w.running = true
		w.idle.Add(1)
		go w.work()
	}
	return nil
}

// leave takes a request out of the queue. One that is being read is noticed by its
// ctx between two steps.
func (w *Writer) leave(r *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = remove(w.waiting, func(x *request) bool { return x == r })
}

// Waiting is how many requests wait for the run under way to end.
func (w *Writer) Waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting)
}

// Close refuses what comes, answers what waits, stops the run under way before its
// next step and waits for it. Closing twice is harmless.
func (w *Writer) Close() error {
	w.mu.Lock()
	w.closed = true
	for _, r := range w.waiting {
		r.done <- result{err: fmt.Errorf("write: %w", ErrClosed)}
	}
	w.waiting = nil
	w.stop()
	w.mu.Unlock()
	w.idle.Wait()
	return nil
}
