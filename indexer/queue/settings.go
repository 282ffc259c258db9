package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Settings are common to both kinds of queue. Every process that opens one
// queue should have the same.
type Settings struct {
	MaxAttempts  int           // of a job that does not say; 0 stands for 10
	Backoff      time.Duration // the longest wait after the first failure, doubling with each; 0 stands for 5 s
	MaxBackoff   time.Duration // the longest wait at all; 0 stands for 1 h
	DedupeWindow time.Duration // how long a DedupeID is remembered; 0 stands for 48 h (Shopify repeats a webhook for 4 h)
	MaxPayload   int           // bytes; 0 stands for 1 MiB
	MaxEvents    int           // state changes that are kept, or a few more; 0 stands for 100,000

	Now    func() time.Time // for tests; nil stands for the clock, in a Redis for its own
	Random func() float64   // for tests: jitter, from [0, 1)
}

// WithDefaults fills in what is zero.
func (s Settings) WithDefaults() (Settings, error) {
	if s.MaxAttempts < 0 || s.Backoff < 0 || s.MaxBackoff < 0 || s.DedupeWindow < 0 || s.MaxPayload < 0 || s.MaxEvents < 0 {
		return s, errors.New("the queue's settings must not be negative")
	}
	setDefault(&s.MaxAttempts, 10)
	setDefault(&s.Backoff, 5*time.Second)
	setDefault(&s.MaxBackoff, time.Hour)
	setDefault(&s.DedupeWindow, 48*time.Hour)
	setDefault(&s.MaxPayload, 1<<20)
	setDefault(&s.MaxEvents, 100_000)
	if s.Random == nil {
		s.Random = rand.Float64
	}
	return s, nil
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Delay is how long a job waits after its attempt failed: any time up to a
// bound that doubles ("full jitter"), so that jobs that failed together, of a
// host that is down, do not come back together.
func (s Settings) Delay(attempt int) time.Duration {
	bound := s.MaxBackoff
	if shift := max(attempt-1, 0); s.MaxBackoff>>min(shift, 62) > s.Backoff {
		bound = s.Backoff << shift
	}
	return time.Duration(s.Random() * float64(bound)).Truncate(time.Millisecond)
}

// Prepare copies the jobs for storing: checked, with IDs and attempts.
func (s Settings) Prepare(ids *IDs, jobs []Job) ([]Job, error) {
	prepared := make([]Job, len(jobs))
	now := time.Now()
	if s.Now != nil {
		now = s.Now()
	}
	for i, j := range jobs {
		if err := j.validate(s.MaxPayload); err != nil {
			return nil, fmt.Errorf("job %d of %d: %w: %w", i+1, len(jobs), ErrInvalid, err)
		}
		if j.ID == "" {
			j.ID = ids.Next(now)
		}
		setDefault(&j.MaxAttempts, s.MaxAttempts)
		prepared[i] = j
	}
	return prepared, nil
}

// Check refuses what no queue can do and bounds Max.
func (o LeaseOptions) Check() (LeaseOptions, error) {
	if o.Max < 1 || o.For < time.Millisecond {
		return o, fmt.Errorf("a lease of %d jobs for %v: at least one job and a millisecond are needed", o.Max, o.For)
	}
	o.Max = min(o.Max, 100)
	o.Worker = Clip(o.Worker, MaxGroup)
	return o, nil
}

// Check fills in the limit and refuses an unknown state.
func (o ListOptions) Check() (ListOptions, error) {
	if o.State != "" && new(Counts).Of(o.State) == nil {
		return o, fmt.Errorf("no job has the state %q: waiting, leased, done, superseded and dead exist", Clip(string(o.State), 32))
	}
	setDefault(&o.Limit, 100)
	o.Limit = min(max(o.Limit, 1), 1000)
	return o, nil
}

// StageLease is the stage of a failure that no worker has reported.
const StageLease = "lease"

// Expired is the reason of such a failure.
func Expired(worker string) string {
	return "worker " + worker + " has not reported in time; it may have been killed"
}
