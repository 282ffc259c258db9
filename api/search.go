package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sightline/encoder"
	"sightline/rerank"
	"sightline/rerank/blend"
	"sightline/store"
	"sightline/store/filter"
)

// TextEncoder turns words into token ids and unit embeddings [E];
// encoder.Model is one.
type TextEncoder interface {
	Tokenize(text string) encoder.Query
	Texts(ctx context.Context, queries []encoder.Query) ([][]float32, error)
}

// ImageEncoder turns the bytes of a picture into pixels and these into a unit
// embedding [E]; encoder.Model is one. Errors of Pixels that are
// *picture.Error are shown to the user.
type ImageEncoder interface {
	Pixels(data []byte) (encoder.Pixels, error)
	Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error)
}

// Index is what a search needs of a store.Index.
type Index interface {
	Search(ctx context.Context, q store.Query) ([]store.Hit, error)
	Get(ctx context.Context, ids []string) ([]store.Entry, error)
	Stats(ctx context.Context) (store.Stats, error)
}

// Reranker gives candidates the second look; it fails open. rerank.Reranker is one.
type Reranker interface {
	Rerank(ctx context.Context, q encoder.Query, cands []rerank.Candidate) rerank.Outcome
}

// TitleReader gives candidates of a search by picture their second look, at
// their titles; it fails open. rerank.TextReranker is one.
type TitleReader interface {
	RerankTexts(ctx context.Context, image encoder.States, cands []rerank.TextCandidate) rerank.Outcome
}

// Engine holds the parts that searches are answered from. All of them are safe
// for concurrent use and so is Engine once its fields are set.
type Engine struct {
	Texts       TextEncoder
	Images      ImageEncoder
	Index       Index
	Facets      FacetSource // nil for a server that counts facets among hits only
	Reranker    Reranker
	Titles      TitleReader // nil for no second look at searches by picture
	Fingerprint string      // of the model, goes into every answer
	// Calibrated says that match probabilities mean what they say, so that
	// "none reaches a half" can be told without a min_match.
	Calibrated bool
	Cache      *ResultCache   // nil for none; used by the REST API, not by Search
	Embeddings EmbeddingCache // of query texts; nil for none
	Explainer  Explainer      // nil for a server that gives no explanations
	States     StateSource    // patch states, for Titles and the Explainer, which encodes pictures anew without; nil for none
	Fetcher    Fetcher        // gets pictures that requests name by address; nil for a server that fetches none
	// Quantized says that patch states of pictures that come with a request are
	// made int8 before they are read, as the stored ones are. Without, the first of
	// them loads another graph.
	Quantized bool
	// Weights replace BLIP's sum in searches with a text, which is what they are
	// fitted to; nil for BLIP's. Rules are for all searches; requests add theirs.
	// Both must be valid: see their Validate.
	Weights *blend.Weights
	Rules   blend.Rules
	// Captions has searches by picture read what 'indexd capfilt' kept about an
	// item's picture where it has no title. Off: with the demo model that makes the
	// order worse (docs/capfilt.md).
	Captions bool
	// Captioner and Answerer write about pictures; nil for a server that does not.
	Captioner, Answerer *Author
	// Aside is Images for work that searches go before; nil for Images itself.
	Aside ImageEncoder
	// First watches over the first stage of searches and refuses those that it cannot
	// get done; nil lets in all.
	First *FirstStage
	// Ahead is called at the beginning of whatever somebody waits a second for, and
	// leave at its end: writing keeps out of its way; nil for none.
	Ahead func() (leave func())
	// Observe is told of each search that has ended well, for metrics; nil for none.
	Observe func(ctx context.Context, req SearchRequest, res *SearchResponse)
	// Hidden matches items that no search finds unless it asks for them
	// (SearchRequest.IncludeHidden); nil for none. ResultCache.Variant has to name it.
	Hidden filter.Expr
}

// EmbeddingCache remembers embeddings of texts; cache.Embeddings is one.
type EmbeddingCache interface {
	Get(fingerprint, text string) ([]float32, bool)
	Set(fingerprint, text string, embedding []float32)
}

// errNoItem says that the request names an item that the index does not have.
var errNoItem = errors.New("no such item in the index")

// Search answers one request. It has one absolute deadline, shared by all
// stages, that starts now. Errors: *Invalid, *picture.Error,
// context.DeadlineExceeded when the deadline came before there were any
// candidates, context.Canceled when the caller left. A second look that is
// late, broken or full is no error: see SearchResponse.Rerank; a first stage that is
// too full is (see First). Nor is an order
// or are facets that cannot be had: see SearchResponse.Blend and FacetCounts.
func (e *Engine) Search(ctx context.Context, req SearchRequest) (SearchResponse, error) {
	start := time.Now()
	defer e.ahead()()
	if err := e.check(req); err != nil {
		return SearchResponse{}, err
	}
	req.hidden = e.hiddenFrom(req)
	ctx, cancel := context.WithDeadline(ctx, start.Add(req.Deadline))
	defer cancel()
	res := e.newResponse(req)
	order, err := e.ordering(req)
	if err != nil {
		return SearchResponse{}, err
	}

	facets := e.startFacets(ctx, req)
	q, line, err := e.find(ctx, order, req, &res)
	if err != nil {
		return SearchResponse{}, err
	}
	ranked, err := e.readAgain(ctx, req, q, line, &res)
	if err != nil {
		return SearchResponse{}, err
	}
	ranked, tail := res.cut(req, ranked), res.cut(req, line.tail)
	res.judge(req, ranked, len(line.hits))
	numberLooks(ranked, tail)
	ranked = append(e.arrange(ctx, order, req, ranked, &res), tail...)
	facets.take(ctx, req, ranked, &res)
	res.fill(req, ranked)
	if req.Explain {
		e.giveReasons(order, req, &res)
	}
	res.Timings.Total = since(start)
	if e.Observe != nil {
		e.Observe(ctx, req, &res)
	}
	return res, nil
}

// find is the first stage: the query's embedding, and the nearest to it.
func (e *Engine) find(ctx context.Context, order ordering, req SearchRequest, res *SearchResponse) (q query, line lineup, err error) {
	leave, err := e.First.enter(req.Deadline)
	if err != nil {
		return q, line, err
	}
	defer func() { leave(err) }()
	if q, err = e.encode(ctx, req, res); err != nil {
		return q, line, fmt.Errorf("encode query: %w", err)
	}
	line, err = e.candidates(ctx, order, req, q, res)
	return q, line, err
}

// candidates are the nearest, and what is pinned, as they stand in line for the
// second look.
func (e *Engine) candidates(ctx context.Context, order ordering, req SearchRequest, q query, res *SearchResponse) (lineup, error) {
	lap := time.Now()
	hits, err := e.Index.Search(ctx, store.Query{Embedding: q.embedding, K: order.candidates(req), Exclude: q.exclude, Filter: showing(req.Filter, req.hidden)})
	if err != nil {
		return lineup{}, fmt.Errorf("find candidates: %w", err)
	}
	line := order.lineUp(req, firstLook(hits))
	if err := e.addPinned(ctx, order, req, q, &line); err != nil {
		res.failBlend(failedPins, err)
	}
	res.Timings.Search = since(lap)
	return line, nil
}

// readAgain is the second look; an error says that the caller left during it.
func (e *Engine) readAgain(ctx context.Context, req SearchRequest, q query, line lineup, res *SearchResponse) ([]Hit, error) {
	lap := time.Now()
	ranked := e.secondLook(ctx, req, q, line, res)
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, fmt.Errorf("second look: %w", ctx.Err())
	}
	res.Timings.Rerank = since(lap)
	return ranked, nil
}

// check refuses requests that cannot be answered as they are.
func (e *Engine) check(req SearchRequest) error {
	ofAll := func(f Facet) bool { return !f.Hits }
	if err := req.Validate(); err != nil || e.Facets != nil || !slices.ContainsFunc(req.Facets, ofAll) {
		return err
	}
	return invalid("facets", `cannot be counted over all items by this server: ask for "of": "hits"`)
}

func (e *Engine) newResponse(req SearchRequest) SearchResponse {
	// The calibration is of texts that pictures were searched by.
	res := SearchResponse{Model: e.Fingerprint, calibrated: e.Calibrated && req.hasText()}
	res.Query.Text = req.Text
	return res
}

// firstLook puts the index's hits in an answer's form, in cosine order.
func firstLook(hits []store.Hit) []Hit {
	ranked := make([]Hit, len(hits))
	for i, h := range hits {
		ranked[i] = Hit{ID: h.Item.ID, Score: h.ITC, ITC: h.ITC, ITCRank: i + 1, View: h.View, Item: h.Item, picture: h.Picture}
	}
	return ranked
}

// ahead keeps writing out of the way until leave is called.
func (e *Engine) ahead() (leave func()) {
	if e.Ahead == nil {
		return func() {}
	}
	return e.Ahead()
}

func timeLeft(ctx context.Context) time.Duration {
	deadline, _ := ctx.Deadline()
	return time.Until(deadline)
}

// reserve is what the second look leaves of a deadline for cutting the page
// and writing the answer: 5 %, at least 5 ms and at most 50 ms. Without it the
// fallback would come after the deadline that it is for.
func reserve(deadline time.Duration) time.Duration {
	return min(max(deadline/20, 5*time.Millisecond), 50*time.Millisecond)
}

func since(t time.Time) milliseconds { return milliseconds(time.Since(t)) }
