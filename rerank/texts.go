package rerank

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sightline/encoder"
)

// TextMatcher scores one picture against many texts; encoder.Model is one.
// MatchProjected returns one pair of logits a text, in their order.
type TextMatcher interface {
	Project(ctx context.Context, image encoder.States) (encoder.Projected, error)
	MatchProjected(ctx context.Context, image encoder.Projected, texts []encoder.Query) ([]encoder.Logits, error)
}

// TextCandidate is a hit of a search by picture with what is written about it.
type TextCandidate struct {
	Candidate

	Text encoder.Query // the title; without ids where there is none
}

// TextReranker reads one picture with the titles of candidates. It is safe for
// concurrent use when its TextMatcher is.
type TextReranker struct {
	matcher     TextMatcher
	depth       int
	batch       int
	probability func(encoder.Logits) float64
}

// defaultTexts is Options.Batch of a TextReranker. Its pairs share one picture,
// so that a batch needs 0.45 MB of scores a text of 16 tokens (12 heads, 577
// patches) and no copies of states.
const defaultTexts = 32

// NewTexts returns a TextReranker; Options mean what they mean to New, but
// Batch, whose default is 32 here. With a nil matcher every answer keeps the
// first-stage order and says "disabled".
func NewTexts(m TextMatcher, o Options) *TextReranker {
	r := &TextReranker{matcher: m, depth: cmp.Or(o.Depth, defaultDepth), batch: o.Batch, probability: o.Probability}
	if r.probability == nil {
		r.probability = encoder.Logits.Probability
	}
	if r.batch <= 0 {
		r.batch = defaultTexts
	}
	if m == nil {
		r.depth = -1
	}
	return r
}

// RerankTexts scores the first Depth candidates by their texts, and orders and
// fails open as Reranker.Rerank does. The picture is projected once a call.
// Candidates without a text stay unscored and count as missing. Within a
// sub-batch short texts come first, so that little is padded; a deadline may
// therefore leave out a longer text that stood up to Batch places higher.
// Outcome.FeaturesMS is the time of projecting.
func (r *TextReranker) RerankTexts(ctx context.Context, image encoder.States, cands []TextCandidate) Outcome {
	p := newTextPass(r, cands)
	if r.depth < 0 {
		p.out.Stopped = StoppedDisabled
		return p.finish()
	}
	p.out.Of = min(r.depth, len(cands))
	groups := p.groups(cands[:p.out.Of])
	if len(groups) > 0 && p.project(ctx, image) {
		for _, g := range groups {
			if !p.proceed(ctx, g) {
				break
			}
			p.match(ctx, g)
		}
	}
	p.ended(ctx)
	return p.finish()
}

// textGroup is one run of the matcher: texts of like length.
type textGroup struct {
	at    []int // positions of the candidates
	texts []encoder.Query
	sum   int // tokens
}

// padded is what the matcher computes for a group, in tokens.
func (g textGroup) padded() int {
	if len(g.texts) == 0 {
		return 0
	}
	return len(g.texts) * len(g.texts[len(g.texts)-1].IDs)
}

// fits says whether padding stays at most a quarter with one more text, which is
// not shorter than the others.
func (g textGroup) fits(text encoder.Query) bool {
	padded := (len(g.texts) + 1) * len(text.IDs)
	return 4*(padded-g.sum-len(text.IDs)) <= padded
}

// textPass is the state of one RerankTexts.
type textPass struct {
	*TextReranker

	image encoder.Projected
	hits  []Scored // in first-stage order until finish
	out   Outcome
	pace  float64 // ns a padded token of the last run; 0 before the first
	late  bool    // the deadline is too near for the next run
	halt  bool    // the matcher is broken
}

func newTextPass(r *TextReranker, cands []TextCandidate) *textPass {
	p := &textPass{TextReranker: r, hits: make([]Scored, len(cands))}
	for i, c := range cands {
		p.hits[i] = Scored{Candidate: c.Candidate, Score: c.ITC, ITCRank: i + 1}
	}
	return p
}

// groups cuts the candidates into sub-batches in first-stage order and these
// into texts of like length.
func (p *textPass) groups(cands []TextCandidate) []textGroup {
	var all []textGroup
	var at []int
	for i, c := range cands {
		if len(c.Text.IDs) == 0 {
			p.out.Missing++
			continue
		}
		if at = append(at, i); len(at) == p.batch {
			all, at = append(all, alike(cands, at)...), nil
		}
	}
	return append(all, alike(cands, at)...)
}

func alike(cands []TextCandidate, at []int) []textGroup {
	slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(len(cands[a].Text.IDs), len(cands[b].Text.IDs)) })
	var all []textGroup
	var g textGroup
	for _, i := range at {
		text := cands[i].Text
		if len(g.at) > 0 && !g.fits(text) {
			all, g = append(all, g), textGroup{}
		}
		g.at, g.texts, g.sum = append(g.at, i), append(g.texts, text), g.sum+len(text.IDs)
	}
	if len(g.at) > 0 {
		all = append(all, g)
	}
	return all
}

// project prepares the picture; false where that failed or ctx ended.
func (p *textPass) project(ctx context.Context, image encoder.States) bool {
	if ctx.Err() != nil {
		return false
	}
	start := time.Now()
	var err error
	p.image, err = p.matcher.Project(ctx, image)
	p.out.FeaturesMS = inMS(time.Since(start))
	if err != nil && ctx.Err() == nil {
		p.fail(err)
	}
	return err == nil
}

// proceed says whether to run the matcher on g: not if that cannot end before
// the deadline, judged by the pace of the last run.
func (p *textPass) proceed(ctx context.Context, g textGroup) bool {
	if p.halt || ctx.Err() != nil {
		return false
	}
	deadline, ok := ctx.Deadline()
	p.late = ok && time.Until(deadline) < time.Duration(p.pace*float64(g.padded()))
	return !p.late
}

func (p *textPass) match(ctx context.Context, g textGroup) {
	start := time.Now()
	logits, err := p.matcher.MatchProjected(ctx, p.image, g.texts)
	took := time.Since(start)
	p.pace = float64(took) / float64(g.padded())
	p.out.MatchMS += inMS(took)
	if err == nil && len(logits) != len(g.texts) {
		err = fmt.Errorf("%d logits for %d texts", len(logits), len(g.texts))
	}
	if err != nil {
		p.halt = true
		if ctx.Err() == nil {
			p.fail(fmt.Errorf("match titles: %w", err))
		}
		return
	}
	for i, at := range g.at {
		p.score(at, logits[i])
	}
}

// score fuses one pair; logits that are no numbers leave the candidate unscored.
func (p *textPass) score(at int, l encoder.Logits) {
	h := &p.hits[at]
	score, ok := fuse(l, h.ITC)
	if !ok {
		p.fail(fmt.Errorf("match title of %q: logits %v and cosine %v make no score", h.ID, l, h.ITC))
		return
	}
	logit, probability := l.Match(), p.probability(l)
	h.Score, h.Logit, h.Margin, h.Probability = score, &logit, l.Margin(), &probability
	p.out.Scored++
}

// fail keeps the first cause.
func (p *textPass) fail(err error) {
	p.out.Stopped = StoppedFailed
	if p.out.Err == nil {
		p.out.Err = err
	}
}

// ended settles the reason when nothing broke.
func (p *textPass) ended(ctx context.Context) {
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

func (p *textPass) finish() Outcome {
	order(p.hits)
	p.out.Hits = p.hits
	return p.out
}

func inMS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
