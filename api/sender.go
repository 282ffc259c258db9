package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sightline/store/change"
)

const (
	// Writes that are queued in one step: a step is one transaction of an
	// embedded queue, which takes it some 50 ms.
	maxChunk      = 1000
	maxChunkBytes = 8 << 20
	submitTimeout = 30 * time.Second // of one step
)

// sender queues the changes of one request.
type sender struct {
	writer   Writer
	ticket   ticket
	sent     int
	first    string // the first job
	replayed bool   // the request came before
}

// sendAll queues the changes of a request that is known as a whole.
func (s *writes) sendAll(ctx context.Context, o order, drafts []draft) (*sender, error) {
	first := drafts[0].change.Op
	payloads := make([][]byte, len(drafts))
	mixed := false
	for i, d := range drafts {
		var err error
		if payloads[i], err = d.change.Encode(); err != nil {
			return nil, err
		}
		mixed = mixed || d.change.Op != first
	}
	t := newTicket(o, first, []byte(digestOf(payloads...)))
	t.mixed = mixed
	out := &sender{writer: s.catalogue.Writer, ticket: t}
	return out, out.send(ctx, drafts, payloads)
}

// send queues changes in steps. With an Idempotency-Key the first change goes
// alone: what becomes of it tells whether the request came before. Those of a
// repetition are sent on all the same, in case the first try broke off: the
// queue passes over what it has.
func (s *sender) send(ctx context.Context, drafts []draft, payloads [][]byte) error {
	for len(drafts) > 0 {
		n := s.step(payloads)
		taken, err := s.submit(ctx, drafts[:n], payloads[:n])
		if err != nil {
			return s.broken(err)
		}
		if s.sent == 0 {
			s.first, s.replayed = taken[0].Job, taken[0].Duplicate
			if err := s.compare(ctx); err != nil {
				return err
			}
		}
		s.sent += n
		drafts, payloads = drafts[n:], payloads[n:]
	}
	return nil
}

// step is how many changes to queue next.
func (s *sender) step(payloads [][]byte) int {
	if s.sent == 0 && s.ticket.key != "" {
		return 1
	}
	size := 0
	for i, p := range payloads {
		if size += len(p); i > 0 && (i == maxChunk || size > maxChunkBytes) {
			return i
		}
	}
	return len(payloads)
}

func (s *sender) submit(ctx context.Context, drafts []draft, payloads [][]byte) ([]Taken, error) {
	writes := make([]Write, len(drafts))
	for i, d := range drafts {
		writes[i] = Write{
			Key: change.Key(d.change.ID), Payload: payloads[i],
			Group: s.ticket.group, DedupeID: s.ticket.dedupe(s.sent+i, d.change.Op),
		}
	}
	ctx, cancel := context.WithTimeout(ctx, submitTimeout)
	defer cancel()
	taken, err := s.writer.Submit(ctx, writes)
	if err == nil && len(taken) != len(writes) {
		err = fmt.Errorf("%d answers for %d writes", len(taken), len(writes))
	}
	if err != nil && !errors.Is(err, ErrWriterAway) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", ErrWriterAway, err)
	}
	return taken, err
}

// compare refuses a key that came before with another request.
func (s *sender) compare(ctx context.Context) error {
	if !s.replayed {
		return nil
	}
	first, err := s.writer.Job(ctx, s.first)
	switch {
	case errors.Is(err, ErrNoJob):
		return refuse(kindConflict, "This Idempotency-Key was used before, and what became of that request is forgotten: use a new key.")
	case err != nil:
		return err
	case first.Group != s.ticket.group:
		return refuse(kindKeyReused, "This Idempotency-Key was used within 48 hours for another request: use a new key for each.")
	}
	return nil
}

// broken says what was queued before an error.
func (s *sender) broken(err error) error {
	if s.sent == 0 {
		return err
	}
	k, detail, _ := explain(err)
	return &refusal{
		kind: k, err: err, about: about{Job: s.ticket.group},
		detail: fmt.Sprintf("%s The first %d changes were queued, and perhaps some after them.", detail, s.sent),
	}
}

// Pauses between looks at a job that somebody waits for.
const (
	firstPause = 5 * time.Millisecond
	mostPause  = 200 * time.Millisecond
)

// wait looks at a group until its jobs have ended or limit is over. The changes
// are queued: a look that fails, a caller who left and a full house end the wait
// and are no errors.
func (s *writes) wait(ctx context.Context, group string, limit time.Duration) JobCounts {
	give, ok := s.waiting.take()
	if !ok || limit <= 0 {
		if ok {
			give()
		}
		return JobCounts{}
	}
	defer give()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		counts, err := s.catalogue.Writer.Counts(ctx, group)
		if err != nil || counts.ended() {
			return counts
		}
		select {
		case <-ctx.Done():
			return counts
		case <-time.After(pause):
		}
	}
}
