package sim

import (
	"math"
	"math/rand/v2"
	"slices"
)

// machine is one searchd: cores that are shared by requests and runs, and a
// scheduler. Nothing happens between its events: a request comes, has been
// encoded, meets its deadline; a run ends.
type machine struct {
	Config
	rng      *rand.Rand
	now      float64
	arrivals []float64
	active   int        // requests under way
	fronts   []*request // being received and encoded
	inside   []*request // in the scheduler, as the next two
	waiting  []*job
	running  []*job
	touched  []*request // may have something to do
	pace     float64    // seconds a pair and token, as the scheduler has measured it
	noted    float64    // when
	unit     float64    // seconds that a search takes of the first stage, as it has measured them
	units    []float64  // the last ones
	seq      int
	answers  []answer
}

// request is one search.
type request struct {
	at, deadline, urgency float64
	seq, tokens           int
	work                  float64 // left of its front
	beside                int     // fronts when it came, with its own
	granted, done         int     // pairs: promised, submitted
	scored                int
	step                  step
	reading, next         *job // the sub-batch that is awaited, and the one after it
	ended                 bool
}

// step is where a request stands in the loop of rerank's pass.read.
type step int

const (
	load    step = iota // submits a sub-batch
	collect             // waits for the one that is read
	begin               // waits for the next one to be taken up
)

// job is a sub-batch.
type job struct {
	r             *request
	pairs, take   int
	began, left   float64 // left: seconds of work, once it runs
	started, over bool
	late          bool // not all of it was read
}

func newMachine(c Config, rng *rand.Rand) *machine {
	mean := float64(c.Least+c.Most) / 2
	return &machine{Config: c, rng: rng, pace: c.run(c.Batch, mean) / (float64(c.Batch) * mean)}
}

// run takes all requests to their answers.
func (m *machine) run() []answer {
	for {
		at := m.nextEvent()
		if math.IsInf(at, 1) {
			return m.answers
		}
		m.advance(at)
		m.arrive()
		m.finishFronts()
		m.finishRuns()
		m.expire()
		m.settle()
	}
}

// speeds are those of a request's front and of a run, in work a second. On a CPU a
// run has a thread on each core, and Go's scheduler runs as many requests as
// there are cores; the system shares the cores fairly among all those threads.
func (m *machine) speeds() (front, run float64) {
	cores, n := float64(m.Cores), float64(len(m.fronts))
	if m.Own || len(m.running) == 0 {
		return min(1/cores, 1/max(n, 1)), 1
	}
	threads := cores*float64(len(m.running)) + min(n, cores)
	run = cores / threads * float64(min(len(m.running), m.Workers))
	if n > 0 {
		front = min(n, cores) / threads / n
	}
	return front, run
}

// nextEvent is when something happens next.
func (m *machine) nextEvent() float64 {
	front, run := m.speeds()
	at := math.Inf(1)
	if len(m.arrivals) > 0 {
		at = m.arrivals[0]
	}
	for _, r := range m.fronts {
		at = min(at, m.now+r.work/front)
	}
	for _, j := range m.running {
		at = min(at, m.now+j.left/run)
	}
	for _, r := range m.inside {
		at = min(at, r.deadline)
	}
	return max(at, m.now)
}

func (m *machine) advance(at float64) {
	front, run := m.speeds()
	for _, r := range m.fronts {
		r.work -= front * (at - m.now)
	}
	for _, j := range m.running {
		j.left -= run * (at - m.now)
	}
	m.now = at
}

// instant is below what matters, and above what rounding makes of zero.
const instant = 1e-9

func (m *machine) arrive() {
	for len(m.arrivals) > 0 && m.arrivals[0] <= m.now {
		at := m.arrivals[0]
		m.arrivals = m.arrivals[1:]
		if m.active >= m.Slots || !m.Rules.Whole && m.full() {
			m.answers = append(m.answers, answer{refused: true})
			continue
		}
		m.active++
		reserve := min(max(m.Deadline/20, 0.005), 0.05) // as api.reserve
		m.fronts = append(m.fronts, &request{
			at: at, deadline: at + m.Deadline - reserve,
			tokens: m.Least + m.rng.IntN(m.Most-m.Least+1), work: m.Front,
			beside: len(m.fronts) + 1,
		})
	}
}

func (m *machine) finishFronts() {
	ready := func(r *request) bool { return r.work <= instant }
	for _, r := range m.fronts {
		if ready(r) {
			m.noteFront(r)
			m.enter(r)
		}
	}
	m.fronts = slices.DeleteFunc(m.fronts, ready)
}

// full says that the first stage has more than it gets done in half a deadline, as
// api's FirstStage does.
func (m *machine) full() bool {
	n := len(m.fronts)
	return n >= 4*m.Cores && m.unit*float64(n+1) > m.Deadline/2
}

// noteFront takes a first stage into its measure.
func (m *machine) noteFront(r *request) {
	const remembered = 32
	m.units = append(m.units, 2*(m.now-r.at)/float64(r.beside+len(m.fronts)))
	m.units = m.units[max(0, len(m.units)-remembered):]
	sorted := slices.Clone(m.units)
	slices.Sort(sorted)
	m.unit = sorted[(len(sorted)-1)/2]
}

func (m *machine) finishRuns() {
	ended := func(j *job) bool { return j.left <= instant }
	for _, j := range m.running {
		if ended(j) {
			m.note(j)
			j.over, j.r.scored = true, j.r.scored+j.take
			m.touched = append(m.touched, j.r)
		}
	}
	m.running = slices.DeleteFunc(m.running, ended)
}

// note takes a run into the pace, as rerank's pace.note does.
func (m *machine) note(j *job) {
	unit := (m.now - j.began) / float64(j.take*j.r.tokens)
	m.pace += 0.25 * (unit - m.pace)
	m.noted = m.now
}

func (m *machine) expire() {
	late := func(r *request) bool { return r.deadline <= m.now+instant }
	for i := slices.IndexFunc(m.inside, late); i >= 0; i = slices.IndexFunc(m.inside, late) {
		m.end(m.inside[i])
	}
}

// end answers a request; what waits or runs for it is dropped.
func (m *machine) end(r *request) {
	if r.ended {
		return
	}
	r.ended = true
	m.active--
	m.answers = append(m.answers, answer{scored: r.scored, took: m.now - r.at})
	of := func(j *job) bool { return j.r == r }
	m.waiting, m.running = slices.DeleteFunc(m.waiting, of), slices.DeleteFunc(m.running, of)
	m.inside = slices.DeleteFunc(m.inside, func(x *request) bool { return x == r })
}
