package rerank

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sightline/encoder"
)

// pass is the state of one Rerank.
type pass struct {
	options Options
	page    int
	cands   []Candidate
	hits    []Scored // in first-stage order until finish
	at      []int    // positions of the sub-batch that is read
	out     Outcome
	late    bool // the deadline is too near for another one
	busy    bool // the scheduler gave no more
	settled bool // the page cannot change any more
}

func newPass(cands []Candidate, page int, o Options) *pass {
	p := &pass{options: o, page: page, cands: cands, hits: make([]Scored, len(cands))}
	for i, c := range cands {
		p.hits[i] = Scored{Candidate: c, Score: c.ITC, ITCRank: i + 1}
	}
	return p
}

// take notes what loading a sub-batch met on its way.
func (p *pass) take(b batch) {
	p.out.Missing += b.missing
	p.out.FeaturesMS += milliseconds(b.took)
	if b.err != nil {
		p.fail(b.err)
	}
}

// await is the result of a sub-batch; false when there is none, or an error.
func (p *pass) await(ctx context.Context, j *job) (res result, ok bool) {
	select {
	case res = <-j.done:
	case <-ctx.Done():
		select { // both may be true: what was read in time counts
		case res = <-j.done:
		default:
			return res, false
		}
	}
	if res.err != nil && ctx.Err() == nil {
		p.fail(fmt.Errorf("match: %w", res.err))
	}
	p.late = p.late || res.late
	p.out.WaitMS += milliseconds(res.waited)
	return res, res.err == nil
}

// collect takes up the logits of a sub-batch and says whether to go on.
func (p *pass) collect(ctx context.Context, j *job) bool {
	res, ok := p.await(ctx, j)
	if j.kind == ofProjection {
		p.out.FeaturesMS += milliseconds(res.took)
		return ok && !p.late
	}
	p.out.MatchMS += milliseconds(res.took)
	if !ok {
		return false
	}
	for i, l := range res.logits {
		p.score(p.at[i], l)
	}
	p.settled = p.isSettled(p.at[len(p.at)-1] + 1)
	return !p.late && !p.settled
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
	logit, probability := l.Match(), p.options.Probability(l)
	h.Score, h.Logit, h.Margin, h.Probability = score, &logit, l.Margin(), &probability
	p.out.Scored++
}

// isSettled says whether the page is full of matches that no candidate from
// position next on can pass: Bound + cosine is the most that one can reach.
func (p *pass) isSettled(next int) bool {
	if p.options.Bound == nil || p.page <= 0 || next >= p.out.Of {
		return false
	}
	var scores []float64
	for _, h := range p.hits[:next] {
		if h.isMatch() {
			scores = append(scores, h.Score)
		}
	}
	if len(scores) < p.page {
		return false
	}
	slices.Sort(scores)
	last := scores[len(scores)-p.page]
	for _, c := range p.cands[next:p.out.Of] {
		if !(*p.options.Bound+c.ITC < last) { // also where a cosine is no number
			return false
		}
	}
	return true
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
	case p.settled:
		p.out.Stopped = StoppedSettled
	case p.late || errors.Is(ctx.Err(), context.DeadlineExceeded):
		p.out.Stopped = StoppedDeadline
	case ctx.Err() != nil:
		p.out.Stopped = StoppedCancelled
	case p.busy:
		p.out.Stopped = StoppedBusy
	}
}

func (p *pass) finish() Outcome {
	arrange(p.hits, p.options.Order, p.options.Bound)
	p.out.Hits = p.hits
	return p.out
}
