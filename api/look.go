package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sightline/encoder"
	"sightline/rerank"
	"sightline/store"
)

// look is the second look at the first hits of one search. The query is read with
// the candidates once or, where it has several parts, up to three times.
type look struct {
	engine *Engine
	req    SearchRequest
	q      query
	head   []Hit // in cosine order
	page   int   // hits that it may be content with; 0 for all
}

// secondLook re-orders the first hits, to the lineup's depth, by reading them again with the
// query: with their pictures where it has text, else with their titles. The
// others stay below, in cosine order.
func (e *Engine) secondLook(ctx context.Context, req SearchRequest, q query, line lineup, res *SearchResponse) []Hit {
	if !req.Rerank {
		res.Rerank.Stopped = rerank.StoppedDisabled
		return line.hits
	}
	ctx, cancel := context.WithTimeout(ctx, timeLeft(ctx)-reserve(req.Deadline))
	defer cancel()
	l := look{engine: e, req: req, q: q, head: line.hits[:line.depth], page: line.page}
	ranked := l.rank(ctx, res)
	return append(ranked, line.hits[line.depth:]...)
}

// rank reads what the query is first of all; its outcome says what was read and
// in which order. The readings besides only change scores.
func (l look) rank(ctx context.Context, res *SearchResponse) []Hit {
	first, read := l.pictures, ReadPictures
	if !l.req.hasText() {
		first, read = l.titles, ReadTitles
	}
	titles := l.req.composed() && l.req.Titles
	besides := count(titles) + count(l.req.hasNegative())
	out := inShare(ctx, besides+1, first)
	if res.Rerank.Part = partOf(out); out.Stopped != rerank.StoppedDisabled {
		res.Rerank.Read = read
	}
	res.rerankErr = errors.Join(res.rerankErr, out.Err) // pinned items may have failed before
	ranked := l.apply(out)
	if out.Scored == 0 {
		return ranked
	}
	if titles {
		other := inShare(ctx, besides, l.titles)
		res.Rerank.Titles = partOf(other)
		res.rerankErr = errors.Join(res.rerankErr, other.Err)
		add(ranked, other, func(h *Hit) **float32 { return &h.TitleLogit })
	}
	if l.req.hasNegative() {
		other := inShare(ctx, 1, l.negative)
		res.Rerank.Negative = partOf(other)
		res.rerankErr = errors.Join(res.rerankErr, other.Err)
		add(ranked, other, func(h *Hit) **float32 { return &h.NegativeLogit })
	}
	if l.req.composed() || l.req.hasNegative() {
		l.weigh(ranked, res.Rerank)
	}
	return ranked
}

// inShare gives a reading its share of the time left, where so many are to come.
func inShare(ctx context.Context, readings int, read func(context.Context) rerank.Outcome) rerank.Outcome {
	if readings > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeLeft(ctx)/time.Duration(readings))
		defer cancel()
	}
	return read(ctx)
}

// pictures reads the text with the candidates' pictures.
func (l look) pictures(ctx context.Context) rerank.Outcome {
	return l.read(ctx, l.q.tokens)
}

func (l look) negative(ctx context.Context) rerank.Outcome {
	return l.read(ctx, l.q.negative)
}

// read tells a Reranker that may stop early (rerank.Options.Bound) what page it
// is for. Its bound is one of match logit + cosine, so that it must read to the
// end where anything else decides who is on the page: see ordering.page.
func (l look) read(ctx context.Context, q encoder.Query) rerank.Outcome {
	paged, ok := l.engine.Reranker.(interface {
		RerankPage(ctx context.Context, q encoder.Query, cands []rerank.Candidate, page int) rerank.Outcome
	})
	if !ok {
		return l.engine.Reranker.Rerank(ctx, q, l.candidates())
	}
	return paged.RerankPage(ctx, q, l.candidates(), l.page)
}

// titles reads the picture with the candidates' titles.
func (l look) titles(ctx context.Context) rerank.Outcome {
	if l.engine.Titles == nil {
		return unread(l.candidates(), rerank.Outcome{Stopped: rerank.StoppedDisabled})
	}
	states, ok, err := l.engine.states(ctx, l.q.picture)
	switch of := len(l.head); {
	case err != nil && ctx.Err() != nil:
		return unread(l.candidates(), rerank.Outcome{Of: of, Stopped: rerank.StoppedDeadline})
	case err != nil:
		err = fmt.Errorf("patch states of the query: %w", err)
		return unread(l.candidates(), rerank.Outcome{Of: of, Stopped: rerank.StoppedFailed, Err: err})
	case !ok:
		return unread(l.candidates(), rerank.Outcome{Of: of, Stopped: rerank.StoppedMissing})
	}
	cands := make([]rerank.TextCandidate, len(l.head))
	for i, c := range l.candidates() {
		cands[i].Candidate = c
		cands[i].Text = l.engine.titled(l.head[i].Item)
	}
	return l.engine.Titles.RerankTexts(ctx, states, cands)
}

// titled is the title of an item or, of one without and where the Engine is to, its
// kept caption; no ids of neither.
func (e *Engine) titled(it store.Item) encoder.Query {
	q := e.Texts.Tokenize(it.Title)
	if len(q.IDs) <= noWords && e.Captions {
		q = e.Texts.Tokenize(it.Caption())
	}
	if len(q.IDs) <= noWords {
		return encoder.Query{}
	}
	return q
}

// states are those of a query's picture; false where none are stored.
func (e *Engine) states(ctx context.Context, s seen) (encoder.States, bool, error) {
	if s.key == "" {
		return s.states, s.states.Tokens > 0, nil
	}
	if e.States == nil {
		return encoder.States{}, false, nil
	}
	record, ok, err := e.States.Get(ctx, s.key)
	return encoder.States(record), ok, err
}

func (l look) candidates() []rerank.Candidate {
	cands := make([]rerank.Candidate, len(l.head))
	for i, h := range l.head {
		cands[i] = rerank.Candidate{ID: h.ID, Picture: h.picture, ITC: h.ITC}
	}
	return cands
}

// unread is an outcome that leaves candidates as they came.
func unread(cands []rerank.Candidate, out rerank.Outcome) rerank.Outcome {
	for i, c := range cands {
		out.Hits = append(out.Hits, rerank.Scored{Candidate: c, Score: c.ITC, Rank: i + 1, ITCRank: i + 1})
	}
	return out
}

// apply puts the hits into the order of an outcome.
func (l look) apply(out rerank.Outcome) []Hit {
	places := make(map[string]int, len(l.head))
	for i, h := range l.head {
		places[h.ID] = i
	}
	ranked := make([]Hit, 0, len(l.head))
	for _, s := range out.Hits {
		h := l.head[places[s.ID]]
		h.Score, h.ITMLogit, h.Margin, h.MatchProbability = s.Score, s.Logit, s.Margin, s.Probability
		h.inDepth, h.expected = true, s.Expected
		ranked = append(ranked, h)
	}
	return ranked
}

// add writes the logits of a further reading into its field of the hits, if it
// came to its end: a hit whose part was not read in time cannot be compared with
// one whose was.
func add(ranked []Hit, out rerank.Outcome, field func(*Hit) **float32) {
	if !partOf(out).whole() {
		return
	}
	logits := make(map[string]*float32, len(out.Hits))
	for _, s := range out.Hits {
		logits[s.ID] = s.Logit
	}
	for i := range ranked {
		*field(&ranked[i]) = logits[ranked[i].ID]
	}
}

// weigh scores hits that were read by all that is known of them, and orders them
// anew:
//
//	itc + (1-w)·itm_logit + w·title_logit - n·negative_logit
//
// with w = ImageWeight beside text (so that both ends are what the text and the
// picture alone would give) and n = NegativeWeight. A hit without a title has
// its text's logit in full: nothing is known against it.
func (l look) weigh(ranked []Hit, r Look) {
	for i, h := range ranked {
		if h.ITMLogit == nil {
			continue
		}
		share := l.req.shares(&h, r)
		match := share.itm * float64(*h.ITMLogit)
		if h.TitleLogit != nil {
			match += share.title * float64(*h.TitleLogit)
		}
		if h.NegativeLogit != nil {
			match += share.negative * float64(*h.NegativeLogit)
		}
		ranked[i].Score = match + h.ITC
	}
	slices.SortStableFunc(ranked, func(a, b Hit) int {
		switch {
		case a.ITMLogit == nil && b.ITMLogit == nil:
			return cmp.Compare(a.ITCRank, b.ITCRank)
		case a.ITMLogit == nil || b.ITMLogit == nil:
			return cmp.Compare(count(a.ITMLogit == nil), count(b.ITMLogit == nil))
		}
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.ID, b.ID))
	})
}

// shares are what the logits of a hit count in its score: see weigh.
type shares struct{ itm, title, negative float64 }

func (r SearchRequest) shares(h *Hit, look Look) shares {
	s := shares{itm: 1}
	switch {
	case !r.composed():
	case h.TitleLogit != nil:
		s.itm, s.title = 1-r.ImageWeight, r.ImageWeight
	case look.Titles == Part{} || !look.Titles.whole():
		s.itm = 1 - r.ImageWeight
	}
	if h.NegativeLogit != nil {
		s.negative = -r.NegativeWeight
	}
	return s
}

func partOf(out rerank.Outcome) Part {
	return Part{Scored: out.Scored, Of: out.Of, Stopped: out.Stopped}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
