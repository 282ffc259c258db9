package queue

import "sync/atomic"

// Stats count what Run did, for metrics. One Stats may be shared by several
// calls of Run; the zero value is ready.
type Stats struct {
	leased, done, failed, dead, released, lost, panics, running atomic.Int64
}

// StatsSnapshot are the numbers of a moment. All but Running only grow.
type StatsSnapshot struct {
	Leased   int64 // attempts begun
	Done     int64
	Failed   int64 // attempts that ended in Fail, those that left a job dead among them
	Dead     int64
	Released int64 // given back while draining
	Lost     int64 // attempts whose report did not count: the job runs again
	Panics   int64 // of handlers; they are among Failed
	Running  int64 // handlers now
}

// Snapshot reads the numbers, one after the other.
func (s *Stats) Snapshot() StatsSnapshot {
	return StatsSnapshot{
		Leased: s.leased.Load(), Done: s.done.Load(), Failed: s.failed.Load(), Dead: s.dead.Load(),
		Released: s.released.Load(), Lost: s.lost.Load(), Panics: s.panics.Load(), Running: s.running.Load(),
	}
}
