package rerank

import (
	"context"
	"errors"
	"time"

	"sightline/encoder"
	"sightline/store/features"
)

// Matcher scores one text against many pictures; encoder.Model is one. The
// result holds one pair of logits a picture, in the order of states.
type Matcher interface {
	Match(ctx context.Context, q encoder.Query, states []encoder.States) ([]encoder.Logits, error)
}

// FeatureSource gives the stored patch states of a picture; features.Store is
// one. Each Rerank calls it from up to Options.Fetch goroutines; it must return
// soon after ctx ends.
type FeatureSource interface {
	Get(ctx context.Context, key string) (features.Record, bool, error)
}

// Reasons why not every candidate was scored, in Outcome.Stopped.
const (
	StoppedDeadline  = "deadline"  // ctx's deadline came, or was too near for one more sub-batch
	StoppedBusy      = "busy"      // the device was in demand: fewer candidates were read, or none
	StoppedSettled   = "settled"   // no other candidate could enter the page: see Options.Bound
	StoppedCancelled = "cancelled" // the caller left
	StoppedFailed    = "failed"    // matcher, patch states or logits were broken: see Outcome.Err
	StoppedMissing   = "missing"   // some pictures have no stored patch states
	StoppedDisabled  = "disabled"  // no matcher, or depth below zero
)

// Options of a Reranker; zero values mean the defaults.
type Options struct {
	// Depth is the most candidates that one call scores; default 128, BLIP's
	// k_test on Flickr30K. Below zero switches the second look off.
	Depth int
	// Batch is the number of pairs in one run of the matcher; default 16. It
	// bounds memory (16 × 0.45 MB of int8 states, twice, for ViT-B/16 at
	// 384 px) and how finely a deadline can cut.
	Batch int
	// Fetch is how many patch states are read at once from a source that takes
	// a millisecond or more for one, such as a bucket; default 8.
	Fetch int
	// Probability of a match, 0 to 1; default encoder.Logits.Probability, the
	// softmax. encoder.Model.Probability knows the model's calibration.
	Probability func(encoder.Logits) float64
	// Order of the hits; default OrderExpected.
	Order Order
	// Bound is the largest match logit that this model gives, from a calibration
	// over many pairs. With it a request ends as soon as no other candidate can
	// enter the page: when Bound + its cosine is below the score of the page's
	// last hit, all hits of the page being matches. nil, the default: every
	// candidate is read. A bound that is too low can cost a hit of the page.
	Bound *float64
	// Page is the number of hits that Rerank's caller shows, for Bound; 0, the
	// default, for all. RerankPage names another.
	Page int
	// Scheduler of the device, for several Rerankers that share one; nil makes
	// one with the options in Schedule, which Close closes.
	Scheduler *Scheduler
	Schedule  SchedulerOptions
	// Warm loads what a TextReranker needs, when its first request comes; nil
	// where nothing is to be loaded. Requests wait for it, each until its deadline,
	// which does not end it. After an error it is tried again in ten seconds.
	Warm func(context.Context) error
	// Health asks the device itself, such as ort.Runtime.Health; nil for none.
	// Where New makes the Scheduler, that asks it too.
	Health func(context.Context) error
}

const (
	defaultDepth = 128
	defaultBatch = 16
	defaultFetch = 8
)

func (o Options) withDefaults() Options {
	if o.Probability == nil {
		o.Probability = encoder.Logits.Probability
	}
	if o.Depth == 0 {
		o.Depth = defaultDepth
	}
	if o.Batch <= 0 {
		o.Batch = defaultBatch
	}
	if o.Fetch <= 0 {
		o.Fetch = defaultFetch
	}
	return o
}

// Reranker gives candidates their second look. It is safe for concurrent use
// when its Matcher and FeatureSource are.
type Reranker struct {
	source    FeatureSource
	options   Options
	scheduler *Scheduler
	owned     bool
}

// New returns a Reranker. With a nil matcher or source every answer keeps the
// first-stage order and says "disabled". Close it before the matcher is freed.
func New(m Matcher, src FeatureSource, o Options) *Reranker {
	r := &Reranker{source: src, options: o.withDefaults(), scheduler: o.Scheduler}
	if r.scheduler == nil {
		r.scheduler, r.owned = newScheduler(m, o), true
	}
	if m == nil && o.Scheduler == nil || src == nil {
		r.options.Depth = -1
	}
	return r
}

func newScheduler(m Matcher, o Options) *Scheduler {
	if o.Schedule.Health == nil {
		o.Schedule.Health = o.Health
	}
	return NewScheduler(m, o.Schedule)
}

// Scheduler of the device, for Options of others that use it too.
func (r *Reranker) Scheduler() *Scheduler { return r.scheduler }

// Close refuses further requests, ends those under way, and waits for the runs
// of the matcher: see Scheduler.Close. A Scheduler that came with Options stays
// open.
func (r *Reranker) Close() error {
	if !r.owned {
		return nil
	}
	return r.scheduler.Close()
}

// Health is nil while the second look is in service: see Scheduler.Health and
// Options.Health. What it reports is no reason to fail searches.
func (r *Reranker) Health(ctx context.Context) error {
	if r.options.Depth < 0 {
		return nil
	}
	if err := r.scheduler.Health(); err != nil || r.options.Health == nil {
		return err
	}
	return r.options.Health(ctx)
}

// Stats are those of the Scheduler.
func (r *Reranker) Stats() Stats { return r.scheduler.Stats() }

// Rerank is RerankPage for Options.Page hits.
func (r *Reranker) Rerank(ctx context.Context, q encoder.Query, cands []Candidate) Outcome {
	return r.RerankPage(ctx, q, cands, r.options.Page)
}

// RerankPage scores the first Depth candidates, which come in first-stage
// order, and returns all of them in the order of Options.Order. It never fails:
// what stopped it early is in the Outcome. Its deadline is ctx's. It does not
// wait for a run of the matcher after ctx has ended, only for the Gets under
// way; the run is told to stop. page is the number of hits to be shown, 0 for
// all; it matters only with Options.Bound.
func (r *Reranker) RerankPage(ctx context.Context, q encoder.Query, cands []Candidate, page int) Outcome {
	p := newPass(cands, page, r.options)
	if r.options.Depth < 0 {
		p.out.Stopped = StoppedDisabled
		return p.finish()
	}
	p.out.Of = min(r.options.Depth, len(cands))
	if p.out.Of > 0 && ctx.Err() == nil {
		r.look(ctx, q, p)
	}
	p.ended(ctx)
	r.scheduler.answered(&p.out)
	return p.finish()
}

// look reads what the scheduler grants, until done, late, settled or broken.
func (r *Reranker) look(ctx context.Context, q encoder.Query, p *pass) {
	t, granted, err := r.scheduler.enter(ctx, demand{ofPictures, len(q.IDs), p.out.Of})
	if err != nil {
		p.refused(err)
		return
	}
	defer t.leave()
	p.read(ctx, t, &loader{source: r.source, q: q, cands: p.cands[:p.out.Of], size: r.options.Batch, fetch: r.options.Fetch}, granted, nil)
}

// feeder cuts what a request wants read into sub-batches.
type feeder interface {
	// batch is the next one of what stands below limit; empty at its end.
	batch(ctx context.Context, limit int) batch
	// done is how far batches have come.
	done() int
}

// read hands sub-batches to the scheduler, the next while one is read: reading,
// which is nil or a projection at first.
func (p *pass) read(ctx context.Context, t *ticket, f feeder, granted int, reading *job) {
	for {
		b := f.batch(ctx, granted)
		p.take(b)
		var waiting *job
		if len(b.at) > 0 && ctx.Err() == nil {
			waiting = t.submit(b.work, granted-f.done()) //nolint:contextcheck // the worker that this may start serves others too; runs end with their callers
		}
		if reading != nil && !p.collect(ctx, reading) || ctx.Err() != nil {
			return
		}
		if reading = waiting; reading != nil {
			p.at = b.at
			if !reading.begun(ctx) {
				return
			}
			continue
		}
		if more := t.extend(t.pairs - f.done()); more > 0 {
			granted = f.done() + more
			continue
		}
		p.busy = f.done() < t.pairs
		return
	}
}

// begun waits until a sub-batch is being read, or answered: until then the
// request holds no other one in memory.
func (j *job) begun(ctx context.Context) bool {
	select {
	case <-j.started:
		return true
	case res := <-j.done:
		j.done <- res
		return true
	case <-ctx.Done():
		return false
	}
}

// refused notes why the scheduler did not take the request.
func (p *pass) refused(err error) {
	switch {
	case errors.Is(err, errBusy):
		p.busy = true
	case errors.Is(err, errLate):
		p.late = true
	default:
		p.fail(err)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
