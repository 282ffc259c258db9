package queue

import (
	"context"
	"errors"
	"iter"
	"time"
)

// What the methods of a Queue fail with, to be found with errors.Is.
var (
	ErrInvalid     = errors.New("this job cannot be queued")
	ErrNotFound    = errors.New("there is no such job")
	ErrLeaseLost   = errors.New("the lease has ended; another worker may have the job")
	ErrUnavailable = errors.New("the queue cannot be reached")
	ErrClosed      = errors.New("the queue is closed")
)

// Queue holds jobs until workers have ended them. It delivers at least once:
// a worker whose lease ends before its report may have done the work, and the
// job runs again. So handlers must be idempotent. All methods may be called at
// the same time. A method that failed with ErrUnavailable may have taken
// effect; repeating it with the same arguments (Enqueue: the same IDs) is
// harmless.
type Queue interface {
	// Enqueue stores the jobs and says what became of each. ErrInvalid refuses
	// all of them. After another error the results are those of the first jobs,
	// which are stored; the others may be or not.
	Enqueue(ctx context.Context, jobs ...Job) ([]Enqueued, error)
	// Lease waits until jobs may run and takes up to o.Max of them, the longest
	// waiting first. It waits until ctx ends, and fails then. Jobs that were
	// taken already are returned all the same; Release them.
	Lease(ctx context.Context, o LeaseOptions) ([]Lease, error)
	// Extend makes the lease end d from now. ErrLeaseLost: stop working.
	Extend(ctx context.Context, l Lease, d time.Duration) (until time.Time, err error)
	// Done ends the job. ErrLeaseLost: it is not this worker's any more.
	Done(ctx context.Context, l Lease, outcome string) error
	// Fail ends the attempt. The job waits for the next, or is dead or
	// superseded.
	Fail(ctx context.Context, l Lease, f Failure) (State, error)
	// Release gives a job back as if it had not been taken.
	Release(ctx context.Context, l Lease) error

	// Get returns one job, or ErrNotFound.
	Get(ctx context.Context, id string) (Job, error)
	// List returns jobs in the order of their IDs, without payloads.
	List(ctx context.Context, o ListOptions) ([]Job, error)
	// Counts tells how many jobs of a group ("" for all jobs) are in each state.
	Counts(ctx context.Context, group string) (Counts, error)
	// Events yields the kept state changes after number after, oldest first,
	// up to the newest at the time. An error ends the sequence.
	Events(ctx context.Context, after int64) iter.Seq2[Event, error]
	// LastEvent is the number of the newest state change; 0 before the first.
	LastEvent(ctx context.Context) (int64, error)

	// Retry lets the dead among these jobs wait again, with all attempts new,
	// and says how many those were. Those that a newer version has overtaken
	// become superseded and count too.
	Retry(ctx context.Context, ids ...string) (int, error)
	// RetryDead does so with all dead of a group ("" for all dead).
	RetryDead(ctx context.Context, group string) (int, error)
	// Forget removes final jobs and says how many.
	Forget(ctx context.Context, e Expiry) (int, error)
	// Close ends waiting Lease calls with ErrClosed and releases what Open took.
	// Leases stay and can be ended through another Queue until they expire.
	Close() error
}

// Enqueued is what became of a job.
type Enqueued struct {
	ID     string // of the job, or of the one that it duplicates
	Status Status
}

// Status is Enqueue's answer.
type Status string

// The answers of Enqueue.
const (
	StatusQueued     Status = "queued"
	StatusDuplicate  Status = "duplicate"  // its DedupeID came before; nothing was stored
	StatusSuperseded Status = "superseded" // its key has seen a newer version; stored as superseded
)

// LeaseOptions say who wants how many jobs for how long.
type LeaseOptions struct {
	Worker string        // for people who look at a job
	Max    int           // at least 1; at most 100 are taken
	For    time.Duration // at least a millisecond; a worker that dies delays its jobs by this
	NoWait bool          // return nothing where nothing may run now
}

// Lease is a worker's right to a job until a time.
type Lease struct {
	Job   Job
	Token string // tells this lease from earlier and later ones
	Until time.Time
}

// ListOptions choose jobs.
type ListOptions struct {
	State State  // "" for any
	Group string // "" for any
	After string // only jobs with a greater ID
	Limit int    // 0 stands for 100; at most 1000
}

// Counts are numbers of jobs by state.
type Counts struct{ Waiting, Leased, Done, Superseded, Dead int64 }

// Of points at the number of a state; nil for an unknown one.
func (c *Counts) Of(s State) *int64 {
	switch s {
	case Waiting:
		return &c.Waiting
	case Leased:
		return &c.Leased
	case Done:
		return &c.Done
	case Superseded:
		return &c.Superseded
	case Dead:
		return &c.Dead
	}
	return nil
}

// Total is the number of all jobs.
func (c *Counts) Total() int64 { return c.Pending() + c.Done + c.Superseded + c.Dead }

// Pending is the number of jobs that have no final state yet.
func (c *Counts) Pending() int64 { return c.Waiting + c.Leased }

// Event is one change of one job's state.
type Event struct {
	Seq     int64     `json:"seq"` // greater is later
	Time    time.Time `json:"time"`
	Job     string    `json:"job"`
	Kind    string    `json:"kind"`
	Key     string    `json:"key,omitempty"`
	Group   string    `json:"group,omitempty"`
	State   State     `json:"state"` // the new one
	Attempt int       `json:"attempt"`
	Outcome string    `json:"outcome,omitempty"`
	Stage   string    `json:"stage,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// Expiry says which final jobs to forget: those that came into their state
// before. A zero time forgets none. The newest version of a key is remembered
// as long as any job of the key is.
type Expiry struct {
	Ended time.Time // for done and superseded jobs
	Dead  time.Time // for dead ones
}
