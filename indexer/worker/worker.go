package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sightline/indexer"
	"sightline/indexer/queue"
	"sightline/indexer/shopify"
	"sightline/store"
	"sightline/store/change"
	"sightline/store/filter"
)

// The outcomes of jobs: all that Handle returns without an error begins with
// one of them.
const (
	Created   = "created"   // the index had no such item
	Written   = "written"   // the index holds something else than before
	Unchanged = "unchanged" // it held that already, or something newer
	Deleted   = "deleted"   // it held the item or items
	Missing   = "missing"   // it did not
	Failed    = "failed"    // in Observation only
)

// The stages of failures that are not the importer's.
const (
	StageJob          = "job"          // the payload cannot be read
	StagePrecondition = "precondition" // the item is not the one that If-Match names
	StageMissing      = "missing"      // there is no item to patch
	StageItem         = "item"         // the change makes no valid item
	StageDelete       = "delete"       // the index refuses the filter
	StageDependency   = "dependency"   // index, stores or model are broken
)

// Importer puts one item into the index; indexer.Stream is one. Its error is a
// broken dependency or the end of ctx: the same record may be tried again.
type Importer interface {
	Do(ctx context.Context, r indexer.Record) (indexer.Outcome, error)
}

// Index is what a Worker itself needs of a store.Index.
type Index interface {
	Get(ctx context.Context, ids []string) ([]store.Entry, error)
	Delete(ctx context.Context, ids []string) (int, error)
	DeleteWhere(ctx context.Context, e filter.Expr) (int, error)
}

// Parts are what a Worker joins. Both are safe for concurrent use, belong to
// the caller and write to one catalogue.
type Parts struct {
	// Importer takes records as they are: an indexer.Stream without
	// Options.Keep, which would bring back attributes that a patch removes, and
	// without Options.AsOf.
	Importer Importer
	Index    Index
}

// Options of a Worker.
type Options struct {
	// Observe, if any, is told how each attempt ended, but not of those that ran
	// out of time or lost their lease. It may be called from several goroutines.
	Observe func(Observation)
	// Trouble, if any, is told of broken dependencies, whose words users do not
	// get to see.
	Trouble func(error)
	// Patience is how long a job waits for a broken dependency before that counts
	// as one of its attempts; 0 stands for 10 minutes. With the pauses between
	// attempts no outage of less than two hours leaves a job dead.
	Patience time.Duration
}

// firstWait and longestWait are the pauses before a broken dependency is tried
// again.
const (
	firstWait   = time.Second
	longestWait = 30 * time.Second
)

// Observation is the end of one attempt, for metrics: all texts are of few
// values.
type Observation struct {
	Kind      string // the job's, or "unknown"
	Outcome   string // Written, Unchanged, Deleted, Missing or Failed
	Stage     string // of Failed: one of this package's stages or of indexer's
	Permanent bool   // of Failed: repeating cannot help
	Took      time.Duration
}

// Worker does jobs. It is safe for concurrent use.
type Worker struct {
	parts   Parts
	options Options
	items   locks
}

// New returns a Worker.
func New(p Parts, o Options) *Worker {
	if o.Observe == nil {
		o.Observe = func(Observation) {}
	}
	if o.Trouble == nil {
		o.Trouble = func(error) {}
	}
	if o.Patience <= 0 {
		o.Patience = 10 * time.Minute
	}
	return &Worker{parts: p, options: o}
}

// result is what became of a job or an item.
type result struct {
	outcome string
	reason  string // of an outcome that a user may not expect
	late    bool   // Unchanged, because the index has, or had, a newer version
}

func (r result) String() string {
	if r.reason == "" {
		return r.outcome
	}
	return r.outcome + ": " + r.reason
}

// Handle is a queue.Handler. The outcome is Created, Written, Unchanged, Deleted
// or Missing; a reason may follow after ": ", as for a version that came too
// late. A queue.Failure as the error is the job's own, or says that a dependency
// stayed broken; any other is the end of ctx.
func (w *Worker) Handle(ctx context.Context, job queue.Job) (outcome string, err error) {
	start := time.Now()
	done, err := w.patiently(ctx, job, start.Add(w.options.Patience))
	if err == nil || ctx.Err() == nil {
		w.options.Observe(observation(job.Kind, done, err, time.Since(start)))
	}
	if err != nil {
		return "", err
	}
	return done.String(), nil
}

// patiently tries again while a dependency is broken, until the given time.
func (w *Worker) patiently(ctx context.Context, job queue.Job, until time.Time) (result, error) {
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		done, err := w.do(ctx, job)
		if _, own := errors.AsType[queue.Failure](err); err == nil || own || ctx.Err() != nil {
			return done, err
		}
		w.options.Trouble(fmt.Errorf("job %s: %w", job.ID, err))
		if time.Now().Add(wait).After(until) {
			return result{}, queue.Failure{Stage: StageDependency, Reason: "the index, the model or a store did not work; the log has the details"}
		}
		if err := queue.Pause(ctx, wait); err != nil {
			return result{}, err
		}
	}
}

func (w *Worker) do(ctx context.Context, job queue.Job) (result, error) {
	switch job.Kind {
	case change.Kind:
		return w.change(ctx, job)
	case shopify.Kind:
		return w.product(ctx, job)
	}
	return result{}, refuse(StageJob, "jobs of the kind %q are not known here: update the program, then retry the job", queue.Clip(job.Kind, queue.MaxKind))
}

// refuse is a failure that repeating cannot help.
func refuse(stage, format string, args ...any) error {
	return queue.Failure{Stage: stage, Reason: fmt.Sprintf(format, args...), Permanent: true}
}
