package rerank

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sightline/encoder"
)

// worker is one goroutine that runs the matcher. Where it does not come back
// from a run, it is given up and another one takes its place.
type worker struct {
	running bool // in the matcher; guarded by Scheduler.mu, as the next
	givenUp bool
	run     *run // nil while probing
}

// run is one call of the matcher, for one or several jobs of the same text. A
// picture that several of them ask for is read once.
type run struct {
	q      encoder.Query
	jobs   []*job
	take   [][]int // for each job: which of states its pictures are
	states []encoder.States
	places map[string]int // of pictures in states
	began  time.Time
	base   context.Context // without end; for probes
	ctx    context.Context // ends when all its callers have gone
	cancel context.CancelFunc
	unhook []func() bool // from the callers' contexts
}

func (s *Scheduler) work(w *worker) {
	for {
		if s.mustProbe() && !s.recovered(w) {
			return
		}
		r := s.next()
		if r == nil {
			return
		}
		if !s.execute(w, r) {
			return
		}
	}
}

// next takes the most urgent job and those that can share its run. nil, when
// nothing waits, ends the worker.
func (s *Scheduler) next() *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waiting) > 0 {
		if r := s.form(time.Now()); r != nil {
			return r
		}
	}
	s.active--
	s.idle.Done()
	return nil
}

// form makes a run of the most urgent job, nil when that one is not worth one.
func (s *Scheduler) form(now time.Time) *run {
	j := slices.MinFunc(s.waiting, func(a, b *job) int {
		if a.t.before(b.t) {
			return -1
		}
		return 1
	})
	r := &run{q: j.t.q, began: now, places: map[string]int{}}
	if !s.add(r, j, now) {
		return nil
	}
	for _, other := range slices.Clone(s.waiting) {
		if slices.Equal(other.t.q.IDs, r.q.IDs) && len(r.states)+r.lacks(other) <= s.options.Join {
			s.add(r, other, now)
		}
	}
	if len(r.jobs) > 1 {
		s.counts.joined++
	}
	s.counts.runs.add(float64(len(r.states)))
	s.runs[r] = struct{}{}
	s.follow(r)
	return r
}

// add moves a job from the queue into a run, or answers it where its caller has
// gone or its deadline is too near.
func (s *Scheduler) add(r *run, j *job, now time.Time) bool {
	s.waiting = slices.DeleteFunc(s.waiting, func(w *job) bool { return w == j })
	if err := j.t.ctx.Err(); err != nil {
		s.counts.dropped++
		j.done <- result{err: err}
		return false
	}
	n := s.fits(j, now)
	if n == 0 {
		s.counts.dropped++
		j.done <- result{late: true}
		return false
	}
	r.jobs, r.take = append(r.jobs, j), append(r.take, r.place(j, n))
	s.counts.wait.add(now.Sub(j.queued).Seconds())
	close(j.started)
	return true
}

// lacks counts the pictures of a job that a run has not.
func (r *run) lacks(j *job) int {
	n := 0
	for _, key := range j.keys {
		if _, ok := r.places[key]; !ok {
			n++
		}
	}
	return n
}

// place takes up the first n pictures of a job and says where they are.
func (r *run) place(j *job, n int) []int {
	at := make([]int, n)
	for i, key := range j.keys[:n] {
		place, ok := r.places[key]
		if !ok {
			place = len(r.states)
			r.places[key], r.states = place, append(r.states, j.states[i])
		}
		at[i] = place
	}
	return at
}

// follow gives a run a context that ends with the last of its callers.
func (s *Scheduler) follow(r *run) {
	r.base = context.WithoutCancel(r.jobs[0].t.ctx)
	r.ctx, r.cancel = context.WithCancel(r.base)
	if s.closed {
		r.cancel()
	}
	here := len(r.jobs)
	for _, j := range r.jobs {
		unhook := context.AfterFunc(j.t.ctx, func() {
			s.mu.Lock()
			here--
			last := here == 0
			s.mu.Unlock()
			if last {
				r.cancel()
			}
		})
		r.unhook = append(r.unhook, unhook)
	}
}

// execute runs and answers; false when the worker was given up meanwhile.
func (s *Scheduler) execute(w *worker, r *run) bool {
	s.mu.Lock()
	w.run = r
	s.mu.Unlock()
	logits, err := s.call(r.ctx, w, r.q, r.states)
	took, left := time.Since(r.began), r.ctx.Err() != nil
	for _, unhook := range r.unhook { // else they would hold the states for as long as the request goes on
		unhook()
	}
	r.cancel()

	s.mu.Lock()
	defer s.mu.Unlock()
	w.run = nil
	delete(s.runs, r)
	if w.givenUp {
		s.cameBack()
		return false
	}
	switch {
	case err == nil:
		s.noted = r.began.Add(took)
		s.pace.note(took, len(r.states), len(r.q.IDs))
		s.breaker.succeeded(r.probe())
	case left && s.closed:
		err = ErrClosed
	case !left:
		s.failed(err, r.probe())
	}
	r.answer(logits, took, err)
	return true
}

// answer hands out a run's result. After a failure no worker must go on with the
// request's next job, which waits already or will soon. The caller holds mu.
func (r *run) answer(logits []encoder.Logits, took time.Duration, err error) {
	for i, j := range r.jobs {
		res := result{took: took, err: err, late: len(r.take[i]) < len(j.states)}
		if err == nil {
			res.logits = make([]encoder.Logits, len(r.take[i]))
			for k, place := range r.take[i] {
				res.logits[k] = logits[place]
			}
		}
		if err != nil || res.late {
			j.t.over = &result{err: err, late: res.late}
			j.t.s.drop(j.t, *j.t.over)
		}
		j.done <- res
	}
}

// probe is a copy of the first pair, which does not hold on to the others.
func (r *run) probe() probe { return probe{r.base, r.q, []encoder.States{r.states[0]}} }

// call is Match under watch: when it has not returned Grace after ctx ended,
// the worker is given up. A panic of the matcher is an error: it must not end
// the program, which it would on a goroutine of ours.
func (s *Scheduler) call(ctx context.Context, w *worker, q encoder.Query, states []encoder.States) (logits []encoder.Logits, err error) {
	s.mu.Lock()
	w.running = true
	s.mu.Unlock()
	returned := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { //nolint:contextcheck // ctx has ended; a worker that replaces this one has its own
		select {
		case <-returned:
		case <-time.After(s.options.Grace):
			s.giveUp(w)
		}
	})
	defer func() {
		if p := recover(); p != nil {
			logits, err = nil, fmt.Errorf("the matcher panicked: %v", p)
		}
		stop()
		close(returned)
		s.mu.Lock()
		w.running = false
		s.mu.Unlock()
	}()
	if logits, err = s.matcher.Match(ctx, q, states); err == nil && len(logits) != len(states) {
		err = fmt.Errorf("%d logits for %d pictures", len(logits), len(states))
	}
	return logits, err
}
