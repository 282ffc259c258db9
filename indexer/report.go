package indexer

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// State is how an item ended.
type State string

// The states of an item.
const (
	Written   State = "written"   // new, or something about it changed
	Unchanged State = "unchanged" // the index held it already
	Failed    State = "failed"
)

// Outcome is how one row of the feed ended.
type Outcome struct {
	Row    int    `json:"row"`
	Where  string `json:"where,omitempty"` // "line 12", "shoes/red.jpg"
	ID     string `json:"id,omitempty"`    // empty when the row could not be read
	State  State  `json:"state"`
	Stage  Stage  `json:"stage,omitempty"`  // where it failed
	Reason string `json:"reason,omitempty"` // why it failed, or why it was left unchanged; of one written, what its labels ask people to look at
	// Temporary says of a failed item that it may well go in later without
	// anybody changing anything; see Fault.Temporary.
	Temporary bool `json:"temporary,omitempty"`
	// Warnings are the further pictures that an item goes without. Each import
	// tries them again.
	Warnings []Warning `json:"warnings,omitempty"`
	Err      error     `json:"-"` // the cause of a failure, for logs
}

// Warning is a further picture of an item that could not be had.
type Warning struct {
	Picture   int    `json:"picture"` // which of the item's pictures; the main one is 1
	Stage     Stage  `json:"stage"`
	Reason    string `json:"reason"`
	Temporary bool   `json:"temporary,omitempty"` // as in Outcome
	Err       error  `json:"-"`                   // the cause, for logs
}

// Progress is how far a run is, counting the outcomes reported so far.
type Progress struct {
	Seen      int     `json:"seen"` // rows read, including those still on their way
	Written   int     `json:"written"`
	Unchanged int     `json:"unchanged"`
	Failed    int     `json:"failed"`
	LeftOut   int     `json:"left_out"` // pictures that items go without
	At        int64   `json:"at"`       // how much of the feed is done with, in Of's unit
	Of        int64   `json:"of"`       // bytes or pictures; 0 when not known
	Rate      float64 `json:"rate"`     // items a second over the last 10 s
	Seconds   float64 `json:"seconds"`  // since the start
}

// Summary is the end of a run.
type Summary struct {
	Seen      int `json:"seen"`
	Written   int `json:"written"`
	Unchanged int `json:"unchanged"`
	Failed    int `json:"failed"`
	Deleted   int `json:"deleted"` // by a full sync
	Dropped   int `json:"dropped"` // on their way when the run was stopped or broke
	Encoded   int `json:"encoded"` // pictures that went through the vision tower
	// Failures are the first 1000; Failed counts all.
	Failures []Outcome `json:"failures"`
	// LeftOut counts the pictures that items written or unchanged go without;
	// Incomplete are the first 1000 of these items.
	LeftOut      int               `json:"left_out"`
	Incomplete   []Outcome         `json:"incomplete"`
	Stopped      bool              `json:"stopped"` // by the caller, before the end of the feed
	Seconds      float64           `json:"seconds"`
	StageSeconds map[Stage]float64 `json:"stage_seconds"` // busy time, added up over a stage's workers
}

// maxListed bounds the lists of a Summary.
const maxListed = 1000

// report puts outcomes into the order of the feed and counts them. It holds
// at most window items: enter waits for room.
type report struct {
	observe func(Outcome, Progress)
	start   time.Time
	slots   chan struct{}

	mu      sync.Mutex
	sum     Summary
	at, of  int64
	next    int // seq of the next outcome to report
	waiting map[int]ended
	rate    meter
}

// ended is an outcome that waits for its turn.
type ended struct {
	outcome Outcome
	at, of  int64
}

func newReport(observe func(Outcome, Progress)) *report {
	r := &report{observe: observe, start: time.Now(), slots: make(chan struct{}, window), waiting: map[int]ended{}}
	r.sum.Failures, r.sum.Incomplete = []Outcome{}, []Outcome{}
	return r
}

// enter counts one more row as seen; false when the run is over.
func (r *report) enter(ctx, soft context.Context) bool {
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	case <-soft.Done():
		return false
	}
	if soft.Err() != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Seen++
	return true
}

func (r *report) deleted(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sum.Deleted = n
}

// done takes the outcome of a job and reports all whose turn has come.
func (r *report) done(j *job, o Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[j.seq] = ended{o, j.record.At, j.record.Of}
	for {
		e, ok := r.waiting[r.next]
		if !ok {
			return
		}
		delete(r.waiting, r.next)
		r.next++
		<-r.slots
		r.tell(e)
	}
}

func (r *report) tell(e ended) {
	if n := len(e.outcome.Warnings); n > 0 {
		r.sum.LeftOut += n
		r.sum.Incomplete = list(r.sum.Incomplete, e.outcome)
	}
	switch e.outcome.State {
	case Written:
		r.sum.Written++
	case Unchanged:
		r.sum.Unchanged++
	case Failed:
		r.sum.Failed++
		r.sum.Failures = list(r.sum.Failures, e.outcome)
	}
	r.at, r.of = e.at, e.of
	now := time.Now()
	r.rate.add(now)
	r.observe(e.outcome, Progress{
		Seen: r.sum.Seen, Written: r.sum.Written, Unchanged: r.sum.Unchanged, Failed: r.sum.Failed, LeftOut: r.sum.LeftOut,
		At: r.at, Of: r.of, Rate: r.rate.perSecond(now, r.start), Seconds: now.Sub(r.start).Seconds(),
	})
}

func list(to []Outcome, o Outcome) []Outcome {
	if len(to) == maxListed {
		return to
	}
	return append(to, o)
}

// close reports what ended behind dropped items and returns the summary.
func (r *report) close(stopped bool, c *clock) Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, seq := range slices.Sorted(maps.Keys(r.waiting)) {
		r.tell(r.waiting[seq])
	}
	clear(r.waiting)
	s := r.sum
	s.Dropped = s.Seen - s.Written - s.Unchanged - s.Failed
	s.Stopped = stopped
	s.Seconds = time.Since(r.start).Seconds()
	s.Encoded = int(c.encoded.Load())
	s.StageSeconds = map[Stage]float64{}
	for stage, nanos := range c.busy {
		s.StageSeconds[stage] = time.Duration(nanos.Load()).Seconds()
	}
	return s
}

// meter counts events in the last meterSeconds seconds.
type meter struct {
	counts [meterSeconds]int
	last   int64 // unix second of the latest event
}

const meterSeconds = 10

func (m *meter) add(now time.Time) {
	second := now.Unix()
	for s := max(m.last+1, second-meterSeconds+1); s <= second; s++ {
		m.counts[s%meterSeconds] = 0
	}
	m.last = max(m.last, second)
	m.counts[m.last%meterSeconds]++
}

// perSecond divides by the time the window really covers: less than its
// length at the start, and the running second only in part.
func (m *meter) perSecond(now, start time.Time) float64 {
	total := 0
	for _, n := range m.counts {
		total += n
	}
	covered := meterSeconds - 1 + float64(now.Nanosecond())/1e9
	return float64(total) / max(min(now.Sub(start).Seconds(), covered), 1e-3)
}
