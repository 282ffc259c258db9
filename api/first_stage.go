package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// FirstStage watches over what every search has to do before it can be answered at
// all: encoding the query and finding candidates. Searches share it as they share
// the processors, so that each takes as long as there are others in it. It is what
// an overloaded server refuses searches by, and the second look gives way to it
// first: see Backlog. The zero value is ready; it is safe for concurrent use.
type FirstStage struct {
	// CPUs that searches share; 0 for all that Go uses. Four searches a CPU are let in
	// whatever was measured.
	CPUs int

	mu     sync.Mutex
	inside int
	unit   time.Duration   // what one search takes of the stage: the median of those last measured, 0 before the first
	last   []time.Duration // measured, in a ring
	next   int             // of the ring
}

// remembered is how many searches the measure is of. A median and no average: when
// the whole machine stands still for half a second, the handful that are in the
// stage must not have others refused for the next seconds.
const remembered = 32

// always is how many searches a CPU are let into the first stage whatever was
// measured: a measure taken while the store or the disk was slow is put right by
// those, and by nothing else.
const always = 4

// enter lets a search in unless those before it and itself would take longer than
// half of its deadline: then candidates are found when no time is left for the rest,
// or not at all, and all that waiting brings is the same for those behind. leave is
// called once, when the candidates are there, with nil, or it is known that there
// are none.
func (f *FirstStage) enter(deadline time.Duration) (leave func(err error), err error) {
	if f == nil {
		return func(error) {}, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inside >= always*cmp.Or(f.CPUs, runtime.GOMAXPROCS(0)) && f.unit*time.Duration(f.inside+1) > deadline/2 {
		return nil, refuseFor(kindBusy, "first_stage", fmt.Sprintf("The server is overloaded: finding candidates would take longer than half of this search's deadline of %d ms (%d searches are before it). Try again in a moment, or give it a later deadline_ms.", deadline.Milliseconds(), f.inside))
	}
	f.inside++
	beside, begin := f.inside, time.Now()
	return func(err error) { f.leave(beside, time.Since(begin), err) }, nil
}

// leave measures with those that came to their end, and those that had no time to:
// others may have broken off early.
func (f *FirstStage) leave(beside int, took time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		f.note(2 * took / time.Duration(beside+f.inside)) // as many as were inside with it, on average
	}
	f.inside--
}

func (f *FirstStage) note(unit time.Duration) {
	if len(f.last) < remembered {
		f.last = append(f.last, unit)
	} else {
		f.last[f.next], f.next = unit, (f.next+1)%remembered
	}
	sorted := slices.Clone(f.last)
	slices.Sort(sorted)
	f.unit = sorted[(len(sorted)-1)/2]
}

// Backlog is for the second look, as work that goes before it: twice the time that
// the first stage needs for what is in it. So depth is nothing when the first stage
// takes a third of a search's deadline, and the processors are its own, before any
// search is refused, which is at a half.
func (f *FirstStage) Backlog() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return 2 * f.unit * time.Duration(f.inside)
}
