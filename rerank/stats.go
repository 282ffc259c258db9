package rerank

import (
	"maps"
	"slices"
)

// Stats are what a Scheduler and the requests before it did since the start.
// Counters only grow.
type Stats struct {
	Inside  int // requests admitted and not yet answered
	Waiting int // sub-batches in the queue: at most one a request
	Running int // runs under way
	// PairMicros is the measured pace, for a text of one token: microseconds.
	PairMicros float64
	// TitleMicros is that of searches by picture, and ProjectMicros the time for
	// what all titles read of the picture.
	TitleMicros, ProjectMicros float64

	Wait     Histogram         // seconds that a sub-batch waited for the device
	RunPairs Histogram         // pairs in one run
	Depth    Histogram         // candidates read for one request
	Stopped  map[string]uint64 // requests by Outcome.Stopped; "" read all
	Joined   uint64            // runs that several requests shared
	Dropped  uint64            // sub-batches that were never run: the caller had gone, or time
	Down     bool              // the breaker is open
	Trips    uint64            // times that it opened
	Stuck    int               // runs that were given up and have not come back
}

// Histogram counts values up to and including each bound, each value once; the
// last count is of those above all bounds.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64
}

func newHistogram(bounds ...float64) Histogram {
	return Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
}

func (h *Histogram) add(v float64) {
	i, _ := slices.BinarySearch(h.Bounds, v)
	h.Counts[i]++
	h.Sum += v
}

func (h Histogram) clone() Histogram {
	h.Counts = slices.Clone(h.Counts)
	return h
}

// counts are guarded by Scheduler.mu.
type counts struct {
	wait, runs, depth Histogram
	stopped           map[string]uint64
	joined, dropped   uint64
}

func newCounts() counts {
	return counts{
		wait:    newHistogram(0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
		runs:    newHistogram(1, 2, 4, 8, 16, 32, 64),
		depth:   newHistogram(0, 8, 16, 32, 64, 128, 256, 512),
		stopped: map[string]uint64{},
	}
}

// answered counts a request's outcome.
func (s *Scheduler) answered(o *Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.depth.add(float64(o.Scored))
	s.counts.stopped[o.Stopped]++
}

// Stats returns the numbers of this moment, a copy.
func (s *Scheduler) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.counts
	stopped := make(map[string]uint64, len(c.stopped))
	maps.Copy(stopped, c.stopped)
	return Stats{
		Inside: len(s.inside), Waiting: len(s.waiting), Running: len(s.runs),
		PairMicros: s.gauges[ofPictures].micros(), TitleMicros: s.gauges[ofTitles].micros(), ProjectMicros: s.gauges[ofProjection].micros(),
		Wait: c.wait.clone(), RunPairs: c.runs.clone(), Depth: c.depth.clone(), Stopped: stopped,
		Joined: c.joined, Dropped: c.dropped,
		Down: s.breaker.cause != nil, Trips: s.breaker.trips, Stuck: s.breaker.stuck,
	}
}
