package api

import (
	"context"
	"errors"
	"iter"
	"time"

	"sightline/store"
	"sightline/store/filter"
)

// Catalogue holds what listing and writing items needs. Its fields may be set
// until Readiness says ready.
type Catalogue struct {
	Items   Items         // nil: items are not listed, and not deleted by filter
	Writer  Writer        // nil: the server takes no writes
	Uploads PictureWriter // nil: pictures come from addresses only
}

// Items lists a catalogue; store.Index is one.
type Items interface {
	Scan(ctx context.Context, after string, limit int, e filter.Expr) ([]store.Entry, error)
	Count(ctx context.Context, e filter.Expr) (int, error)
}

// PictureWriter stores uploaded pictures; pictures.Store is one. Storing the
// same bytes twice is harmless.
type PictureWriter interface {
	Put(ctx context.Context, data []byte) (key string, err error)
}

// Errors of a Writer, to be wrapped.
var (
	ErrNoJob      = errors.New("there is no such job")             // queue.ErrNotFound
	ErrWriterAway = errors.New("the queue cannot be reached")      // queue.ErrUnavailable, queue.ErrClosed, store.ErrNoSpace
	ErrWriterFull = errors.New("the queue holds too many changes") // where the adapter bounds it
)

// Stages of failures that have an HTTP status of their own. A worker that finds
// a change to be one of these ends its job for good with this stage; every other
// stage is answered 422.
const (
	StagePrecondition = "precondition" // the item's ETag is not Change.IfMatch: 412
	StageMissing      = "missing"      // a patch of an item that is not there: 404
)

// OutcomeCreated is a worker's outcome of a put that made a new item: 201. Every
// other outcome is answered 200.
const OutcomeCreated = "created"

// MaxPayload bounds Write.Payload, as the queue bounds the payload of a job.
const MaxPayload = 1 << 20

// Writer queues changes and tells what became of them. It is queue.Queue in the
// words of this package, so that an adapter copies fields and maps errors and
// decides nothing:
//
//	Submit      Enqueue of jobs with Kind change.Kind and the four fields of each
//	            Write; no Version, as the store itself keeps older versions out,
//	            while a versioned job would overtake the patches before it
//	Job         Get; queue.ErrNotFound becomes ErrNoJob
//	Jobs        List
//	Counts      Counts
//	Retry       Retry of one id
//	RetryGroup  RetryDead
//	Events      Events
//	LastEvent   LastEvent
//
// Jobs of other origin (webhooks, other kinds) are listed as well. The queue
// must remember DedupeIDs for 48 hours and keep ended jobs at least as long:
// that is how long an Idempotency-Key holds. Methods may be called at the same
// time.
type Writer interface {
	// Submit queues the writes in order, all or none where the queue can, and
	// answers for each.
	Submit(ctx context.Context, writes []Write) ([]Taken, error)
	Job(ctx context.Context, id string) (Job, error)
	// Jobs returns jobs in the order of their ids.
	Jobs(ctx context.Context, q JobQuery) ([]Job, error)
	// Counts has zeros for a group that is not known.
	Counts(ctx context.Context, group string) (JobCounts, error)
	// Retry lets a dead job wait again and says how many that were.
	Retry(ctx context.Context, id string) (int, error)
	// RetryGroup does so with all dead ones of a group, which is never "".
	RetryGroup(ctx context.Context, group string) (int, error)
	// Events yields the kept state changes after a number, oldest first, up to
	// the newest. An error ends the sequence.
	Events(ctx context.Context, after int64) iter.Seq2[JobEvent, error]
	// LastEvent is the number of the newest state change; 0 before the first.
	LastEvent(ctx context.Context) (int64, error)
}

// Write is one job to queue.
type Write struct {
	Key      string // of the item, change.Key
	Payload  []byte // change.Change.Encode; at most MaxPayload
	Group    string // what users call the job: one request
	DedupeID string // seen within 48 hours, the write is a duplicate; "" for none
}

// Taken is what became of a Write: a job of its own, or nothing because the job
// named, with the same DedupeID, came first.
type Taken struct {
	Job       string
	Duplicate bool
}

// JobState is where a job is: a queue.State.
type JobState string

// The states of a job; the last three are final.
const (
	JobWaiting    JobState = "waiting"
	JobLeased     JobState = "leased"
	JobDone       JobState = "done"
	JobSuperseded JobState = "superseded"
	JobDead       JobState = "dead"
)

func jobStates() []JobState {
	return []JobState{JobWaiting, JobLeased, JobDone, JobSuperseded, JobDead}
}

// Job is one job of the queue: a queue.Job without its payload.
type Job struct {
	ID        string // sorts by age
	Key       string
	Group     string
	DedupeID  string
	State     JobState
	Attempt   int
	CreatedAt time.Time
	ChangedAt time.Time // when it came into its state
	Outcome   string
	Stage     string // of the last attempt that failed
	Reason    string // of that, or where none failed why there was nothing to do
}

// JobQuery chooses jobs: a queue.ListOptions.
type JobQuery struct {
	State JobState // "" for any
	Group string   // "" for any
	After string   // only greater ids
	Limit int      // 1 to 1000
}

// JobCounts are numbers of jobs by state: a queue.Counts.
type JobCounts struct {
	Waiting    int64 `json:"waiting"`
	Leased     int64 `json:"leased"`
	Done       int64 `json:"done"`
	Superseded int64 `json:"superseded"`
	Dead       int64 `json:"dead"`
}

func (c JobCounts) pending() int64 { return c.Waiting + c.Leased }
func (c JobCounts) total() int64   { return c.pending() + c.Done + c.Superseded + c.Dead }

// state is that of the whole group.
func (c JobCounts) state() string {
	switch {
	case c.pending() > 0 && c.pending() == c.Waiting && c.total() == c.Waiting:
		return "waiting"
	case c.pending() > 0:
		return "running"
	case c.Dead > 0:
		return "failed"
	}
	return "done"
}

// JobEvent is one change of one job's state: a queue.Event.
type JobEvent struct {
	Seq     int64     `json:"seq"` // greater is later
	Time    time.Time `json:"time"`
	Job     string    `json:"job"`
	Key     string    `json:"-"`
	Item    string    `json:"item,omitempty"` // filled in from Key
	Group   string    `json:"group,omitempty"`
	State   JobState  `json:"state"`
	Attempt int       `json:"attempt"`
	Outcome string    `json:"outcome,omitempty"`
	Stage   string    `json:"stage,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}
