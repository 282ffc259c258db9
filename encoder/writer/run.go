package writer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"sightline/encoder"
)

// work runs batches until nobody waits.
func (w *Writer) work() {
	defer w.idle.Done()
	for {
		ctx, batch := w.next()
		if batch == nil {
			return
		}
		w.run(ctx, batch)
	}
}

// next takes the request that has waited longest and those that can share its run.
// nil ends the goroutine.
func (w *Writer) next() (context.Context, []*request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
	w.waiting = remove(w.waiting, func(r *request) bool { return r.ctx.Err() != nil })
	if len(w.waiting) == 0 {
		w.running, w.stop = false, func() {}
		return nil, nil
	}
	var batch []*request
	first := w.waiting[0].kind
	w.waiting = remove(w.waiting, func(r *request) bool {
		if r.kind != first || len(batch) == w.options.Batch {
			return false
		}
		batch = append(batch, r)
		return true
	})
	// Of the first caller the values only, such as the trace: the others still wait
	// when that one has left.
	ctx, stop := context.WithCancel(context.WithoutCancel(batch[0].ctx))
	w.stop = stop
	return ctx, batch
}

// run answers a batch. Where it fails, its requests are tried one by one: one
// picture of another model must not fail those that happened to share its run.
func (w *Writer) run(ctx context.Context, batch []*request) {
	texts, err := w.write(ctx, batch)
	if err != nil && len(batch) > 1 && ctx.Err() == nil {
		for _, r := range batch {
			if r.ctx.Err() == nil {
				w.run(ctx, []*request{r})
			}
		}
		return
	}
	if err != nil && w.isClosed() {
		err = ErrClosed
	}
	for i, r := range batch {
		if err != nil {
			r.done <- result{err: fmt.Errorf("write: %w", err)}
		} else {
			r.done <- result{text: texts[i]}
		}
	}
}

func (w *Writer) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// write is one run of the model, which ends when all its callers have left.
func (w *Writer) write(ctx context.Context, batch []*request) (texts []encoder.Generated, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var left atomic.Int64
	for _, r := range batch {
		defer context.AfterFunc(r.ctx, func() { //nolint:contextcheck // one of several callers
			if left.Add(1) == int64(len(batch)) {
				cancel()
			}
		})()
	}
	states, questions := make([]encoder.States, len(batch)), make([]encoder.Query, len(batch))
	for i, r := range batch {
		states[i], questions[i] = r.states, r.question
	}
	wanted := func(i int) bool { return batch[i].ctx.Err() == nil }
	k := batch[0].kind
	if k.answers {
		texts, err = w.model.AnswerWanted(ctx, states, questions, k.options, wanted)
	} else {
		texts, err = w.model.CaptionWanted(ctx, states, k.prompt, k.options, wanted)
	}
	if err == nil && len(texts) != len(batch) {
		err = errors.New("the model gave another number of texts than it was given pictures")
	}
	return texts, err
}

// remove takes some requests out of a queue, which keeps nothing of them.
func remove(queue []*request, which func(*request) bool) []*request {
	return slices.DeleteFunc(queue, which)
}
