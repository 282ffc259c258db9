package rerank

import (
	"cmp"
	"context"
	"slices"

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

// TextReranker reads one picture with the titles of candidates, before the same
// Scheduler as other requests where Options name one. It is safe for concurrent
// use when its TextMatcher is.
type TextReranker struct {
	matcher   TextMatcher
	options   Options
	scheduler *Scheduler
	owned     bool
	warm      *warming // nil where there is nothing to wait for
}

// defaultTexts is Options.Batch of a TextReranker. Its pairs share one picture,
// so that a batch needs 0.45 MB of scores a text of 16 tokens (12 heads, 577
// patches) and no copies of states.
const defaultTexts = 32

// NewTexts returns a TextReranker; Options mean what they mean to New, but
// Batch, whose default is 32 here, and Fetch, Bound and Page, which have no use.
// With a nil matcher every answer keeps the first-stage order and says
// "disabled". Close it before the matcher is freed.
func NewTexts(m TextMatcher, o Options) *TextReranker {
	if o.Batch <= 0 {
		o.Batch = defaultTexts
	}
	o.Bound = nil
	r := &TextReranker{matcher: m, options: o.withDefaults(), scheduler: o.Scheduler}
	if r.scheduler == nil {
		r.scheduler, r.owned = newScheduler(nil, o), true
	}
	if o.Warm != nil {
		r.warm = &warming{load: o.Warm}
	}
	if m == nil {
		r.options.Depth = -1
	}
	return r
}

// Close is Reranker.Close; it also ends Options.Warm and waits for it.
func (r *TextReranker) Close() error {
	if r.warm != nil {
		r.warm.close()
	}
	if !r.owned {
		return nil
	}
	return r.scheduler.Close()
}

// RerankTexts scores the first Depth candidates by their texts, and orders and
// fails open as Reranker.Rerank does. The picture is projected once a call.
// Candidates without a text count as missing and stand where their score is
// expected, as all that were not read. Within a sub-batch short texts come first,
// so that little is padded; a deadline may therefore leave out a longer text that
// stood up to Batch places higher. Outcome.FeaturesMS is the time of projecting.
func (r *TextReranker) RerankTexts(ctx context.Context, image encoder.States, cands []TextCandidate) Outcome {
	first := make([]Candidate, len(cands))
	for i, c := range cands {
		first[i] = c.Candidate
	}
	p := newPass(first, 0, r.options)
	if r.options.Depth < 0 {
		p.out.Stopped = StoppedDisabled
		return p.finish()
	}
	p.out.Of = min(r.options.Depth, len(cands))
	f := newTitles(r, image, cands[:p.out.Of])
	p.out.Missing = p.out.Of - len(f.at)
	if len(f.at) > 0 && ctx.Err() == nil && r.warmed(ctx, p) {
		r.look(ctx, f, p)
	}
	p.ended(ctx)
	r.scheduler.answered(&p.out)
	return p.finish()
}

// look projects the picture and reads what the scheduler grants.
func (r *TextReranker) look(ctx context.Context, f *titles, p *pass) {
	t, granted, err := r.scheduler.enter(ctx, demand{ofTitles, f.tokens(), len(f.at)})
	if err != nil {
		p.refused(err)
		return
	}
	defer t.leave()
	projection := work{kind: ofProjection, call: f.project, try: f.probe()}
	j := t.submit(projection, granted) //nolint:contextcheck // the worker that this may start serves others too; runs end with their callers
	if j.begun(ctx) {
		p.read(ctx, t, f, granted, j)
	}
}

// titles is the feeder of one RerankTexts: sub-batches in first-stage order, cut
// into groups of like length.
type titles struct {
	matcher   TextMatcher
	states    encoder.States
	projected encoder.Projected // written by one run, read by those after it
	cands     []TextCandidate
	at        []int // positions of candidates with a text
	size      int   // of a sub-batch
	next      int   // into at
	groups    []textGroup
}

func newTitles(r *TextReranker, image encoder.States, cands []TextCandidate) *titles {
	f := &titles{matcher: r.matcher, states: image, cands: cands, size: r.options.Batch}
	for i, c := range cands {
		if len(c.Text.IDs) > 0 {
			f.at = append(f.at, i)
		}
	}
	return f
}

// tokens of a text on average, rounded up.
func (f *titles) tokens() int {
	sum := 0
	for _, i := range f.at {
		sum += len(f.cands[i].Text.IDs)
	}
	return (sum + len(f.at) - 1) / len(f.at)
}

func (f *titles) done() int { return f.next }

func (f *titles) batch(_ context.Context, limit int) batch {
	if len(f.groups) == 0 {
		window := f.at[f.next:min(f.next+f.size, limit)]
		f.groups = alike(f.cands, slices.Clone(window))
	}
	if len(f.groups) == 0 {
		return batch{}
	}
	g := f.groups[0]
	f.groups = f.groups[1:]
	f.next += len(g.at)
	return batch{at: g.at, work: work{kind: ofTitles, titles: g.texts, call: f.match, try: f.probe()}}
}

func (f *titles) project(ctx context.Context, _ []encoder.Query) ([]encoder.Logits, error) {
	projected, err := f.matcher.Project(ctx, f.states)
	if err != nil {
		return nil, err
	}
	f.projected = projected
	return nil, nil
}

func (f *titles) match(ctx context.Context, texts []encoder.Query) ([]encoder.Logits, error) {
	return f.matcher.MatchProjected(ctx, f.projected, texts)
}

// probe reads one text. It holds on to the picture's states, but not to its
// projection, which may be 42 MB.
func (f *titles) probe() func(context.Context) error {
	m, states, text := f.matcher, f.states, f.cands[f.at[0]].Text
	return func(ctx context.Context) error {
		projected, err := m.Project(ctx, states)
		if err == nil {
			_, err = m.MatchProjected(ctx, projected, []encoder.Query{text})
		}
		return err
	}
}

// textGroup is one run of the matcher: texts of like length.
type textGroup struct {
	at    []int // positions of the candidates
	texts []encoder.Query
	sum   int // tokens
}

// fits says whether padding stays at most a quarter with one more text, which is
// not shorter than the others.
func (g textGroup) fits(text encoder.Query) bool {
	padded := (len(g.texts) + 1) * len(text.IDs)
	return 4*(padded-g.sum-len(text.IDs)) <= padded
}

// alike cuts candidates into groups of texts of like length, the shortest first.
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
