package rerank

import (
	"context"
	"errors"
	"fmt"
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
// one. It is called by one goroutine at a time for each Rerank, and must
// return soon after ctx ends.
type FeatureSource interface {
	Get(ctx context.Context, key string) (features.Record, bool, error)
}

// Reasons why not every candidate was scored, in Outcome.Stopped.
const (
	StoppedDeadline  = "deadline"  // ctx's deadline came, or was too near for one more sub-batch
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
	// Probability of a match, 0 to 1; default encoder.Logits.Probability, the
	// softmax. encoder.Model.Probability knows the model's calibration.
	Probability func(encoder.Logits) float64
}

const (
	defaultDepth = 128
	defaultBatch = 16
)

// Reranker gives candidates their second look. It is safe for concurrent use
// when its Matcher and FeatureSource are.
type Reranker struct {
	matcher Matcher
	source  FeatureSource
	depth   int
	batch   int

	probability func(encoder.Logits) float64
}

// New returns a Reranker. With a nil matcher or source every answer keeps the
// first-stage order and says "disabled".
func New(m Matcher, src FeatureSource, o Options) *Reranker {
	r := &Reranker{matcher: m, source: src, depth: o.Depth, batch: o.Batch, probability: o.Probability}
	if r.probability == nil {
		r.probability = encoder.Logits.Probability
	}
	if r.depth == 0 {
		r.depth = defaultDepth
	}
	if r.batch <= 0 {
		r.batch = defaultBatch
	}
	if m == nil || src == nil {
		r.depth = -1
	}
	return r
}

// Rerank scores the first Depth candidates, which come in first-stage order,
// and returns all of them: scored ones first, by score and then by id; the
// rest below, in the order they came. It never fails: what stopped it early is
// in the Outcome. Its deadline is ctx's; it returns after at most one call
// each of Match and Get has noticed that ctx ended, and its goroutine has
// ended by then.
func (r *Reranker) Rerank(ctx context.Context, q encoder.Query, cands []Candidate) Outcome {
	p := newPass(cands, r.probability)
	if r.depth < 0 {
		p.out.Stopped = StoppedDisabled
		return p.finish()
	}
	p.out.Of = min(r.depth, len(cands))
	batches, stop := r.load(ctx, cands[:p.out.Of])
	defer stop()
	for p.proceed(ctx) {
		b, ok := <-batches
		if !ok {
			break
		}
		p.take(b)
		p.match(ctx, r.matcher, q, b)
	}
	stop()
	p.ended(ctx)
	return p.finish()
}

// pass is the state of one Rerank.
type pass struct {
	hits  []Scored // in first-stage order until finish
	out   Outcome
	guess time.Duration // what the next sub-batch will take: what the last one took
	late  bool          // the deadline is too near for another one
	halt  bool          // the matcher is broken

	probability func(encoder.Logits) float64
}

func newPass(cands []Candidate, probability func(encoder.Logits) float64) *pass {
	p := &pass{hits: make([]Scored, len(cands)), probability: probability}
	for i, c := range cands {
		p.hits[i] = Scored{Candidate: c, Score: c.ITC, ITCRank: i + 1}
	}
	return p
}

// proceed says whether to start another sub-batch. One that cannot end before
// the deadline, judged by the pace of the last, is not started: its work would
// be thrown away, and the answer would be late for nothing.
func (p *pass) proceed(ctx context.Context) bool {
	if p.halt || ctx.Err() != nil {
		return false
	}
	deadline, ok := ctx.Deadline()
	p.late = ok && time.Until(deadline) < p.guess
	return !p.late
}

// take notes what loading a sub-batch met on its way.
func (p *pass) take(b batch) {
	p.out.Missing += b.missing
	p.out.FeaturesMS += milliseconds(b.took)
	if b.err != nil {
		p.fail(b.err)
	}
}

func (p *pass) match(ctx context.Context, m Matcher, q encoder.Query, b batch) {
	if len(b.states) == 0 {
		return
	}
	start := time.Now()
	logits, err := m.Match(ctx, q, b.states)
	p.guess = time.Since(start)
	p.out.MatchMS += milliseconds(p.guess)
	if err == nil && len(logits) != len(b.states) {
		err = fmt.Errorf("%d logits for %d pictures", len(logits), len(b.states))
	}
	if err != nil {
		p.halt = true
		if ctx.Err() == nil {
			p.fail(fmt.Errorf("match: %w", err))
		}
		return
	}
	for i, at := range b.at {
		p.score(at, logits[i])
	}
}

// score fuses one pair. Logits that are not numbers leave the candidate
// unscored, as a broken record or graph must not decide an order, and do not
// stop the others.
func (p *pass) score(at int, l encoder.Logits) {
	h := &p.hits[at]
	score, ok := fuse(l, h.ITC)
	if !ok {
		p.fail(fmt.Errorf("match %q: logits %v and cosine %v make no score", h.ID, l, h.ITC))
		return
	}
	logit, probability := l.Match(), p.probability(l)
	h.Score, h.Logit, h.Margin, h.Probability = score, &logit, l.Margin(), &probability
	p.out.Scored++
}

// fail keeps the first cause.
func (p *pass) fail(err error) {
	p.out.Stopped = StoppedFailed
	if p.out.Err == nil {
		p.out.Err = err
	}
}

// ended settles the reason when nothing broke. The end of ctx explains more
// than missing states do, but is no reason when everything had been scored.
func (p *pass) ended(ctx context.Context) {
	switch {
	case p.out.Stopped != "" || p.out.Scored == p.out.Of:
	case p.out.Scored+p.out.Missing == p.out.Of:
		p.out.Stopped = StoppedMissing
	case p.late || errors.Is(ctx.Err(), context.DeadlineExceeded):
		p.out.Stopped = StoppedDeadline
	case ctx.Err() != nil:
		p.out.Stopped = StoppedCancelled
	}
}

func (p *pass) finish() Outcome {
	order(p.hits)
	p.out.Hits = p.hits
	return p.out
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
