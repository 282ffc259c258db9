package sim

import (
	"math/bits"
	"slices"
)

// The rules of package rerank, which keeps them to itself; TestAsTheScheduler
// fails when the two come to differ.
const (
	patience = 0.25 // seconds in which an earlier deadline may pass a request
	least    = 4    // pairs of the smallest cut of a sub-batch
	whole    = 16   // pairs to whose multiples grants are cut
	stale    = 1.0  // age at which a pace that refuses is put to the test
)

// enter admits a request, or answers it at once.
func (m *machine) enter(r *request) {
	m.seq++
	r.seq, r.urgency = m.seq, min(r.deadline, m.now+patience)
	if len(m.inside) < m.Queue && r.deadline > m.now {
		r.granted = m.grant(r, m.Depth)
	}
	if r.granted == 0 {
		m.end(r)
		return
	}
	m.inside = append(m.inside, r)
	m.touched = append(m.touched, r)
}

func (m *machine) cost(pairs int, r *request) float64 {
	return m.pace * float64(pairs*r.tokens)
}

// grant says how many pairs of a request there is time for.
func (m *machine) grant(r *request, pairs int) int {
	ahead, left := m.ahead(r), r.deadline-m.now
	n := m.fit(left-ahead, pairs, r.tokens)
	if left > 0 {
		n = min(n, m.share(ahead/left, pairs))
	}
	idle := len(m.running) == 0 && len(m.waiting) == 0
	switch {
	case n >= pairs:
		return pairs
	case n >= whole:
		return n - n%whole
	case shape(n, pairs) > 0:
		return shape(n, pairs)
	case left > 0 && idle && m.now-m.noted >= stale:
		m.noted = m.now
		return min(least, pairs)
	}
	return 0
}

// share is what a request may have of its pairs when so much of its time is taken.
func (m *machine) share(taken float64, pairs int) int {
	if m.Rules.Late {
		return int(min(1, 2*max(0, 1-taken)) * float64(pairs))
	}
	free := 1 - min(1, max(taken, float64(len(m.inside))/float64(m.Queue)))
	n := int(min(1, 2*free*free)*float64(m.Depth)) - (m.Depth - pairs)
	if pairs == m.Depth {
		n = max(n, least)
	}
	return n
}

func (m *machine) fit(d float64, n, tokens int) int {
	unit := m.pace * float64(tokens)
	switch {
	case unit*float64(n) <= d:
		return n
	case d <= 0:
		return 0
	}
	return int(d / unit)
}

func shape(n, want int) int {
	if n < min(least, want) || n <= 0 {
		return 0
	}
	return 1 << (bits.Len(uint(n)) - 1)
}

// ahead is how long the device is taken by what is served before r.
func (m *machine) ahead(r *request) float64 {
	sum := 0.0
	for _, j := range m.running {
		sum += max(0, m.cost(j.take, j.r)-(m.now-j.began))
	}
	for _, other := range m.inside {
		if other != r && other.before(r) {
			sum += m.cost(other.granted-other.done, other)
		}
	}
	for _, j := range m.waiting {
		if j.r != r && j.r.before(r) {
			sum += m.cost(j.pairs, j.r)
		}
	}
	sum /= float64(m.Workers)
	if !m.Rules.Deaf {
		sum += 2 * m.unit * float64(len(m.fronts)) // as api's FirstStage.Backlog
	}
	return sum
}

func (r *request) before(other *request) bool {
	if r.urgency != other.urgency {
		return r.urgency < other.urgency
	}
	return r.seq < other.seq
}

// sooner says which request's sub-batch is read first.
func (m *machine) sooner(r, other *request) bool {
	if a, b := (r.done-1)/m.Batch, (other.done-1)/m.Batch; m.Rules.First && a != b {
		return a < b
	}
	return r.before(other)
}

// settle lets requests submit, and then all free workers take up, in turn until
// nothing more happens: a worker does not wait for what the request of another
// worker's run will submit next.
func (m *machine) settle() {
	for len(m.touched) > 0 || m.takeUp() {
		now := m.touched
		m.touched = nil
		for _, r := range now {
			m.proceed(r)
		}
		for m.takeUp() {
		}
	}
}

// proceed is rerank's pass.read up to where it waits.
func (m *machine) proceed(r *request) {
	for !r.ended {
		switch r.step {
		case load:
			if n := min(m.Batch, r.granted-r.done); n > 0 {
				r.done += n
				r.next = &job{r: r, pairs: n}
				m.waiting = append(m.waiting, r.next)
			}
			r.step = collect
		case collect:
			if r.reading != nil && !r.reading.over {
				return
			}
			if r.reading != nil && r.reading.late {
				m.end(r)
				return
			}
			r.reading, r.next = r.next, nil
			r.step = begin
			if r.reading == nil && !m.extend(r) {
				m.end(r)
				return
			}
		case begin:
			if !r.reading.started && !r.reading.over {
				return
			}
			r.step = load
		}
	}
}

// extend asks for more pairs when those granted have been read.
func (m *machine) extend(r *request) bool {
	if pairs := m.Depth - r.done; pairs > 0 && len(m.waiting) == 0 {
		r.granted = r.done + m.grant(r, pairs)
	}
	r.step = load
	return r.granted > r.done
}

// takeUp has a free worker begin the most urgent sub-batch, or answer it where
// its deadline is too near; false when there is none of either.
func (m *machine) takeUp() bool {
	if len(m.waiting) == 0 || len(m.running) >= m.Workers {
		return false
	}
	at := 0
	for i, j := range m.waiting {
		if m.sooner(j.r, m.waiting[at].r) {
			at = i
		}
	}
	j := m.waiting[at]
	m.waiting = slices.Delete(m.waiting, at, at+1)
	m.touched = append(m.touched, j.r)
	n := m.fit((j.r.deadline-m.now)*10/11, j.pairs, j.r.tokens)
	if n < j.pairs {
		n = shape(n, j.pairs)
	}
	j.late = n < j.pairs
	if n == 0 {
		j.over = true
		return true
	}
	j.take, j.began, j.started = n, m.now, true
	j.left = scattered(m.rng, m.Costs.run(n, float64(j.r.tokens)), m.Scatter)
	m.running = append(m.running, j)
	return true
}
