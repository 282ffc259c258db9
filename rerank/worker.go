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

// run is one call of the matcher, for one job or for several with pictures for
// one text. A picture that several of them ask for is read once.
type run struct {
	work
	jobs   []*job
	take   [][]int        // for each job: which of the run's its pairs are
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
	for j := s.foremost(); j != nil; j = s.foremost() {
		if r := s.form(j, time.Now()); r != nil {
			return r
		}
	}
	s.active--
	s.idle.Done()
	return nil
}

// foremost is the most urgent job; titles whose picture another worker still
// projects are left to that worker. The caller holds mu.
func (s *Scheduler) foremost() *job {
	var first *job
	for _, j := range s.waiting {
		if ready := j.kind != ofTitles || !j.t.awaiting; ready && (first == nil || j.t.before(first.t)) {
			first = j
		}
	}
	return first
}

// form makes a run of the most urgent job, nil when that one is not worth one.
func (s *Scheduler) form(j *job, now time.Time) *run {
	r := &run{work: j.work, began: now, places: map[string]int{}}
	r.keys, r.states = nil, nil
	if !s.add(r, j, now) {
		return nil
	}
	for _, other := range slices.Clone(s.waiting) {
		if r.joins(other.work) && len(r.states)+r.lacks(other) <= s.options.Join {
			s.add(r, other, now)
		}
	}
	if len(r.jobs) > 1 {
		s.counts.joined++
	}
	if r.kind != ofProjection {
		s.counts.runs.add(float64(r.pairs()))
	}
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

// place takes up the first n pairs of a job and says where they are.
func (r *run) place(j *job, n int) []int {
	at := make([]int, n)
	if r.kind == ofTitles {
		r.titles = j.titles[:n]
	}
	if r.kind != ofPictures {
		for i := range at {
			at[i] = i
		}
		return at
	}
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
	var logits []encoder.Logits
	err := s.call(r.ctx, w, func(ctx context.Context) (err error) {
		logits, err = r.do(ctx, s.matcher)
		return err
	})
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
		g, n := &s.gauges[r.kind], r.pairs()
		g.noted = r.began.Add(took)
		g.note(took, n, r.tokens(n))
		s.breaker.succeeded(r.probe(s.matcher))
	case left && s.closed:
		err = ErrClosed
	case !left:
		s.failed(err, r.probe(s.matcher))
	}
	r.answer(logits, took, err)
	return true
}

// answer hands out a run's result. After a failure no worker must go on with the
// request's next job, which waits already or will soon. The caller holds mu.
func (r *run) answer(logits []encoder.Logits, took time.Duration, err error) {
	for i, j := range r.jobs {
		if r.kind == ofProjection {
			j.t.awaiting = false
		}
		res := result{took: took, waited: r.began.Sub(j.queued), err: err, late: len(r.take[i]) < j.pairs()}
		if err == nil && r.kind != ofProjection {
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

func (r *run) probe(m Matcher) probe { return probe{r.base, r.work.probe(m)} }

// call is a run under watch: when it has not returned Grace after ctx ended,
// the worker is given up. A panic of the matcher is an error: it must not end
// the program, which it would on a goroutine of ours.
func (s *Scheduler) call(ctx context.Context, w *worker, do func(context.Context) error) (err error) {
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
			err = fmt.Errorf("the matcher panicked: %v", p)
		}
		stop()
		close(returned)
		s.mu.Lock()
		w.running = false
		s.mu.Unlock()
	}()
	if err = do(ctx); err != nil && ctx.Err() == nil {
		if lost := s.deviceHealth(ctx); lost != nil {
			return lost
		}
	}
	return err
}

// deviceHealth is an error that wraps errLost and what Health says; nil where
// that is nil, or is not told because ctx has ended.
func (s *Scheduler) deviceHealth(ctx context.Context) error {
	if s.options.Health == nil {
		return nil
	}
	if err := s.options.Health(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return nil
}
