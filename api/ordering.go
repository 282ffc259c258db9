package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sightline/rerank/blend"
	"sightline/store"
)

// Candidates that take part where an order is more than BLIP's sum. They are the
// same for every page of a search, since a boost, a pin or a group may move any
// of them to any place.
const (
	orderedWindow = MaxDepth
	// groupedWindow leaves a page of 100 groups ten variants each.
	groupedWindow = blend.MaxPlace
	// diversePlaces are chosen anew for diversity, whichever page is asked for:
	// a pin within them counts for all of them, so that fewer would make the
	// first page depend on the second.
	diversePlaces = 100
)

// Parts of an order that could not be had, in Blended.Failed.
const (
	failedPins      = "pins"      // pinned items that are no candidates could not be fetched
	failedDiversity = "diversity" // embeddings could not be fetched
	failedOrder     = "order"     // none of it: hits have BLIP's order
)

// Blended says what an order that is more than BLIP's sum was made of.
type Blended struct {
	Items  int      `json:"items"`            // candidates that took part
	Groups int      `json:"groups,omitempty"` // hits that are left of them with group_by
	Failed []string `json:"failed,omitempty"` // parts that could not be had: "pins", "diversity", "order" for all
}

// failBlend notes that a part of the order could not be had.
func (res *SearchResponse) failBlend(part string, err error) {
	res.Blend.Failed = append(res.Blend.Failed, part)
	res.rerankErr = errors.Join(res.rerankErr, err)
}

// ordering is what one answer's order is made of: the server's wishes and on
// top of them the request's.
type ordering struct {
	blend.Options

	active bool // false for BLIP's order, which is left alone
}

// ordering joins the wishes of server and request. Errors are *Invalid: the
// limits of package blend are for both together.
func (e *Engine) ordering(req SearchRequest) (ordering, error) {
	rules, err := joinRules(e.Rules, req.Rules)
	if err != nil {
		return ordering{}, err
	}
	o := ordering{Options: blend.Options{Rules: rules, GroupBy: req.GroupBy}}
	if w := e.Weights; w != nil && req.hasText() && !isBLIP(*w) {
		o.Weights = w
	}
	if req.Diversity > 0 {
		o.Diversity = &blend.Diversity{Lambda: 1 - req.Diversity, Places: diversePlaces}
	}
	o.active = o.Weights != nil || o.GroupBy != "" || o.Diversity != nil || hasRules(rules)
	return o, nil
}

func isBLIP(w blend.Weights) bool {
	return w.Logit == 1 && w.Cosine == 1 && w.Bias == 0 && len(w.Features) == 0
}

func hasRules(r blend.Rules) bool { return len(r.Boosts)+len(r.Buries)+len(r.Pins) > 0 }

// rescored says that scores are blend's, of candidates that were not read too.
func (o ordering) rescored() bool { return o.Weights != nil || len(o.Rules.Boosts) > 0 }

// window is how many candidates of the first look take part.
func (o ordering) window() int {
	if o.GroupBy != "" {
		return groupedWindow
	}
	return orderedWindow
}

// candidates is how many hits the index is asked for.
func (o ordering) candidates(req SearchRequest) int {
	if !o.active {
		return req.candidates()
	}
	return max(o.window(), req.Offset+req.Limit)
}

// page is how many hits the second look may be content with: 0, for all of the
// depth, where more than match logit + cosine decides who is on the page.
func (o ordering) page(req SearchRequest) int {
	if o.active || req.composed() || req.hasNegative() || req.MinMatch != nil {
		return 0
	}
	return req.Offset + req.Limit
}

// lineup are the candidates as they stand in line for the second look.
type lineup struct {
	hits  []Hit // those to be read first, then others
	depth int   // how many are to be read
	page  int   // see ordering.page
	tail  []Hit // beyond the window, in the order of the first look; they follow all others
}

// lineUp lets the candidates stand in line: the nearest, then those that are
// pinned, then the rest.
func (o ordering) lineUp(req SearchRequest, hits []Hit) lineup {
	l := lineup{hits: hits, depth: min(req.Depth, len(hits)), page: o.page(req)}
	if !o.active {
		return l
	}
	end := min(o.window(), len(hits))
	l.hits, l.tail = hits[:end], hits[end:]
	if !req.Rerank {
		l.depth = end
	}
	if len(o.Rules.Pins) > 0 {
		l.pull(o.Rules.Pins)
	}
	return l
}

// pull lets pinned candidates be read that are below the depth or the window.
func (l *lineup) pull(pins []blend.Pin) {
	pinned := make(map[string]bool, len(pins))
	for _, p := range pins {
		pinned[p.ID] = true
	}
	isPinned := func(h Hit) bool { return pinned[h.ID] }
	far := slices.Concat(filtered(l.hits[l.depth:], isPinned), filtered(l.tail, isPinned))
	rest := slices.DeleteFunc(slices.Clone(l.hits[l.depth:]), isPinned)
	l.hits, l.tail = slices.Concat(l.hits[:l.depth], far, rest), slices.DeleteFunc(slices.Clone(l.tail), isPinned)
	l.depth += len(far)
}

func filtered(hits []Hit, keep func(Hit) bool) []Hit {
	return slices.DeleteFunc(slices.Clone(hits), func(h Hit) bool { return !keep(h) })
}

// addPinned fetches the pinned items that the first look did not find, to be read
// with the others. Their places in it come after all that it found: it is exact,
// so they are farther.
func (e *Engine) addPinned(ctx context.Context, o ordering, req SearchRequest, q query, l *lineup) error {
	missing := l.missing(o.Rules.Pins, q.exclude)
	if len(missing) == 0 {
		return nil
	}
	entries, err := e.Index.Get(ctx, missing)
	if err != nil {
		return fmt.Errorf("get pinned items: %w", err)
	}
	var fetched []Hit
	for _, entry := range entries {
		if len(entry.Embedding) > 0 && entry.Item.Matches(showing(req.Filter, req.hidden)) {
			fetched = append(fetched, bestView(entry, q.embedding))
		}
	}
	slices.SortFunc(fetched, func(a, b Hit) int { return cmp.Or(cmp.Compare(b.ITC, a.ITC), cmp.Compare(a.ID, b.ID)) })
	for i := range fetched {
		fetched[i].ITCRank = len(l.hits) + len(l.tail) + i + 1
	}
	l.hits = slices.Concat(l.hits[:l.depth], fetched, l.hits[l.depth:])
	l.depth += len(fetched)
	return nil
}

// missing are the pinned ids that are no candidates and may be some.
func (l *lineup) missing(pins []blend.Pin, excluded []string) []string {
	if len(pins) == 0 {
		return nil
	}
	known := make(map[string]bool, len(l.hits)+len(excluded))
	for _, h := range l.hits { // the tail has none: see pull
		known[h.ID] = true
	}
	for _, id := range excluded {
		known[id] = true
	}
	var missing []string
	for _, p := range pins {
		if !known[p.ID] {
			missing = append(missing, p.ID)
		}
	}
	return missing
}

// bestView is an entry as the first look would find it: by its nearest picture,
// of equally near ones the first.
func bestView(entry store.Entry, query []float32) Hit {
	best := store.Hit{Item: entry.Item, Picture: entry.Picture, ITC: cosine(query, entry.Embedding)}
	for i, v := range entry.Views {
		if itc := cosine(query, v.Embedding); itc > best.ITC {
			best.Picture, best.View, best.ITC = v.Picture, i+1, itc
		}
	}
	return firstLook([]store.Hit{best})[0]
}

// arrange puts hits into the order that is wished for. It fails open: without
// what cannot be had, and with BLIP's order where there is no other.
func (e *Engine) arrange(ctx context.Context, o ordering, req SearchRequest, ranked []Hit, res *SearchResponse) []Hit {
	if !o.active {
		return ranked
	}
	lap := time.Now()
	defer func() { res.Timings.Blend = since(lap) }()
	res.Blend.Items = len(ranked)
	cands := make([]blend.Candidate, len(ranked))
	for i := range ranked {
		h := &ranked[i]
		cands[i] = blend.Candidate{ID: h.ID, ITC: h.ITC, Logit: h.logit(req), Item: &h.Item}
	}
	if o.Diversity != nil {
		if err := e.fetchEmbeddings(ctx, o, ranked, cands); err != nil {
			o.Diversity = nil
			res.failBlend(failedDiversity, err)
		}
	}
	placed, err := blend.Order(cands, o.Options)
	if err != nil {
		res.failBlend(failedOrder, fmt.Errorf("order hits: %w", err))
		return ranked
	}
	if o.GroupBy != "" {
		res.Blend.Groups = len(placed)
	}
	return o.settle(ranked, placed)
}

// settle gives hits the order, and what is said of it, that candidates have.
func (o ordering) settle(hits []Hit, placed []blend.Candidate) []Hit {
	at := make(map[string]int, len(hits))
	for i, h := range hits {
		at[h.ID] = i
	}
	out := make([]Hit, len(placed))
	for i, c := range placed {
		out[i] = hits[at[c.ID]]
		out[i].Moved, out[i].Folded = c.Moved, c.Folded
		if o.rescored() {
			out[i].Score = c.Score
		}
	}
	return out
}

// logit is the match logit that the score is made of: of composed searches that
// of all readings together.
func (h *Hit) logit(req SearchRequest) *float32 {
	if h.ITMLogit == nil || !req.composed() && !req.hasNegative() {
		return h.ITMLogit
	}
	return new(float32(h.Score - h.ITC))
}

// fetchEmbeddings gets those of the candidates that may be chosen for diversity.
// These are the ones that were read, unless boosts lift others among them or
// none was read.
func (e *Engine) fetchEmbeddings(ctx context.Context, o ordering, ranked []Hit, cands []blend.Candidate) error {
	all := slices.ContainsFunc(o.Rules.Boosts, func(b blend.Boost) bool { return b.By > 0 }) ||
		!slices.ContainsFunc(cands, func(c blend.Candidate) bool { return c.Logit != nil })
	wanted := make([]string, 0, len(cands))
	at := make(map[string]int, len(cands))
	for i, c := range cands {
		if all || c.Logit != nil {
			wanted = append(wanted, c.ID)
			at[c.ID] = i
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	entries, err := e.Index.Get(ctx, wanted)
	if err != nil {
		return fmt.Errorf("get embeddings: %w", err)
	}
	for _, entry := range entries {
		if i, ok := at[entry.Item.ID]; ok {
			view, found := viewOf(entry, ranked[i].View)
			if !found { // it has gone since
				view, _ = viewOf(entry, 0)
			}
			cands[i].Embedding = view.Embedding
		}
	}
	return nil
}
