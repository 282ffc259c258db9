package rerank

import (
	"math/bits"
	"time"
)

// pace is what one pair of one token takes, in nanoseconds: a moving average
// over runs, 0 before the first. A pair's time grows with its text's length, on
// a CPU in proportion (docs/benchmarks.md: 14 and 28 ms at 8 and 16 tokens).
type pace float64

// weight of the newest run.
const weight = 0.25

func (p *pace) note(took time.Duration, pairs, tokens int) {
	unit := pace(took) / pace(pairs*max(tokens, 1))
	if *p == 0 {
		*p = unit
		return
	}
	*p += weight * (unit - *p)
}

// of is what pairs of a text will take.
func (p pace) of(pairs, tokens int) time.Duration {
	return time.Duration(float64(p) * float64(pairs*max(tokens, 1)))
}

func (p pace) micros() float64 { return float64(p) / 1e3 }

// fit is how many pairs of a text can be read in d, at most n.
func (p pace) fit(d time.Duration, n, tokens int) int {
	if p.of(n, tokens) <= d {
		return n
	}
	if d <= 0 {
		return 0
	}
	return int(float64(d) / (float64(p) * float64(max(tokens, 1))))
}

// least is the smallest part of a sub-batch that is cut off to fit a deadline:
// below it the fixed cost of a run prevails.
const least = 4

// shape rounds a number of pairs that fit down to a power of two where it is
// below a whole sub-batch: runtimes keep memory, and devices kernels, for each
// shape. want are the pairs that there are.
func shape(n, want int) int {
	if n < min(least, want) {
		return 0
	}
	return 1 << (bits.Len(uint(n)) - 1)
}

// gauge is the pace of one kind of run.
type gauge struct {
	pace
	noted time.Time // when it was last measured, or last put to the test
}

// stale is the age at which an idle device puts a pace to the test that would
// refuse a request, once: without it one slow run, such as the first, could
// shut the door for ever.
const stale = time.Second

// retest says whether to. The caller holds mu.
func (s *Scheduler) retest(k kind, now time.Time) bool {
	if len(s.runs) > 0 || len(s.waiting) > 0 || now.Sub(s.gauges[k].noted) < stale {
		return false
	}
	s.gauges[k] = gauge{noted: now}
	if k == ofTitles {
		s.gauges[ofProjection] = gauge{noted: now}
	}
	return true
}

// grant says how many of the pairs that a request has left there is time for: what
// its share of all of them has more than were read, within what the measured pace
// gets done before the deadline, behind the work ahead. At first it is not less than
// the smallest cut where there is time for that one: of all pairs the first few are
// worth most (docs/rerank.md). first is what the request has to do before its pairs.
// The caller holds mu.
func (s *Scheduler) grant(t *ticket, now time.Time, pairs int, first time.Duration) int {
	pace, left := s.gauges[t.kind].pace, t.deadline.Sub(now)
	if t.deadline.IsZero() || pace == 0 {
		return pairs
	}
	ahead := s.ahead(t, now)
	fits := pace.fit(left-ahead-first, pairs, t.tokens)
	pressure := max(float64(ahead)/float64(max(left, 1)), float64(len(s.inside))/float64(s.options.Queue))
	n := int(share(pressure)*float64(t.pairs)) - (t.pairs - pairs)
	if pairs == t.pairs {
		n = max(n, least)
	}
	switch n = min(n, fits); {
	case n >= pairs:
		return pairs
	case n >= defaultBatch:
		return n - n%defaultBatch
	case shape(n, pairs) > 0:
		return shape(n, pairs)
	case left > 0 && s.retest(t.kind, now):
		return min(least, pairs)
	}
	return 0
}

// share is the part of its pairs that a request is granted, by how much of its
// time, or of the scheduler's places, others take: all below 0.29, half at one
// half. That it falls early and evenly is what gives all about the same depth: a
// share that falls late lets whoever comes first have everything, and leaves
// others nothing (both in docs/scaling.md).
func share(pressure float64) float64 {
	free := 1 - min(pressure, 1)
	return min(1, 2*free*free)
}

// ahead is how long the device is taken by what is served before t, and the
// processors by what is served before all. The caller holds mu.
func (s *Scheduler) ahead(t *ticket, now time.Time) time.Duration {
	var sum time.Duration
	for r := range s.runs {
		sum += max(0, s.cost(r.work)-now.Sub(r.began))
	}
	for other := range s.inside {
		if other != t && other.before(t) {
			sum += s.gauges[other.kind].of(other.left, other.tokens)
		}
	}
	for _, j := range s.waiting {
		if j.t != t && j.t.before(t) {
			sum += s.cost(j.work)
		}
	}
	sum /= time.Duration(s.options.Workers)
	if s.options.Ahead != nil {
		sum += s.options.Ahead()
	}
	return sum
}

// cost is what a run will take.
func (s *Scheduler) cost(w work) time.Duration {
	n := w.pairs()
	return s.gauges[w.kind].of(n, w.tokens(n))
}

// before says which of two requests is served first.
func (t *ticket) before(other *ticket) bool {
	if c := t.urgency.Compare(other.urgency); c != 0 {
		return c < 0
	}
	return t.seq < other.seq
}

// fits says how many pairs of a job to read now. The caller holds mu.
func (s *Scheduler) fits(j *job, now time.Time) int {
	n, pace := j.pairs(), s.gauges[j.kind].pace
	if j.t.deadline.IsZero() || pace == 0 {
		return n
	}
	// A tenth for the scatter of runs: one that ends just after the deadline is
	// thrown away.
	can := pace.fit(j.t.deadline.Sub(now)*10/11, n, j.tokens(n))
	if can < n {
		return shape(can, n)
	}
	return n
}
