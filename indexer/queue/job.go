package queue

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// State tells where a job is. Done, Superseded and Dead are final; Retry
// brings back the dead only.
type State string

// The states of a job.
const (
	Waiting    State = "waiting"    // for its time, for its key's earlier job, or for a worker
	Leased     State = "leased"     // a worker has it until its lease ends
	Done       State = "done"       // a worker has reported its outcome
	Superseded State = "superseded" // a newer version of its key made it needless
	Dead       State = "dead"       // it failed for good or too often; see LastError
)

// States lists every state, in the order of a job's life.
func States() []State { return []State{Waiting, Leased, Done, Superseded, Dead} }

// Final tells whether a job of this state needs no worker any more.
func (s State) Final() bool { return s == Done || s == Superseded || s == Dead }

// Longest strings that a job may hold, in bytes.
const (
	MaxKind    = 64
	MaxKey     = 512
	MaxGroup   = 128
	MaxDedupe  = 256
	MaxTrace   = 512  // of either field of the trace context; what W3C asks to carry on at least
	MaxOutcome = 256  // longer ones are cut
	MaxReason  = 1000 // longer ones are cut
)

// Job is one piece of work. The first part is the caller's, the second the
// queue's: Enqueue ignores what stands there. Times have milliseconds.
type Job struct {
	ID          string // sortable by age; "" stands for a new one. Enqueueing one ID twice is harmless
	Kind        string // says what to do: "upsert", "delete", "import" …; nothing here looks at it
	Key         string // jobs of one key run one after the other, in the order they came; "" for none
	Payload     []byte // kept until the job is done or superseded
	Version     int64  // of the key's item; greater is newer; 0 for a job that none supersedes
	DedupeID    string // seen again within Settings.DedupeWindow, the job is a duplicate; "" for none
	Group       string // the request that the job belongs to; "" for none
	NotBefore   time.Time
	MaxAttempts int // 0 stands for Settings.MaxAttempts
	// TraceParent and TraceState are the W3C trace context of whoever queued the
	// job, as its headers have it; "" for none. Nothing here reads them.
	TraceParent, TraceState string

	State     State
	Attempt   int       // leases so far, without the released ones
	CreatedAt time.Time // when it was enqueued
	ChangedAt time.Time // when it came into its state
	Outcome   string    // what Done was told
	Worker    string    // the last one
	LastError Failure   // of the last attempt that failed
}

// Failure is why an attempt failed. Handlers may return it as an error.
type Failure struct {
	Stage     string // "fetch", "decode", "encode" …
	Reason    string // for users
	Permanent bool   // repeating cannot help; not kept
}

// Error is "stage: reason".
func (f Failure) Error() string { return f.Stage + ": " + f.Reason }

// Clipped makes f fit for storage: valid UTF-8 within MaxKind and MaxReason.
func (f Failure) Clipped() Failure {
	f.Stage, f.Reason = Clip(f.Stage, MaxKind), Clip(f.Reason, MaxReason)
	return f
}

// Clip cuts s to at most limit bytes of valid UTF-8.
func Clip(s string, limit int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// validate tells every problem of a job at once.
func (j Job) validate(maxPayload int) error {
	problems := []error{
		checkText("kind", j.Kind, MaxKind), checkText("key", j.Key, MaxKey),
		checkText("group", j.Group, MaxGroup), checkText("dedupe id", j.DedupeID, MaxDedupe),
		checkText("traceparent", j.TraceParent, MaxTrace), checkText("tracestate", j.TraceState, MaxTrace),
	}
	if j.Kind == "" {
		problems = append(problems, errors.New("kind is missing"))
	}
	if j.ID != "" && !ValidID(j.ID) {
		problems = append(problems, fmt.Errorf("id %q is not one of this queue: leave it empty or use IDs.Next", Clip(j.ID, 64)))
	}
	if len(j.Payload) > maxPayload {
		problems = append(problems, fmt.Errorf("payload has %d bytes, the queue takes %d: store pictures elsewhere and queue their address", len(j.Payload), maxPayload))
	}
	if j.Version < 0 || j.MaxAttempts < 0 {
		problems = append(problems, errors.New("version and attempts must not be negative"))
	}
	if !j.NotBefore.IsZero() && j.NotBefore.UnixMilli() <= 0 {
		problems = append(problems, errors.New("not-before lies before 1970"))
	}
	return errors.Join(problems...)
}

func checkText(name, s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%s has %d bytes, at most %d are allowed", name, len(s), limit)
	}
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return fmt.Errorf("%s is not UTF-8 without NUL", name)
	}
	return nil
}
