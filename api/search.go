package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sightline/encoder"
	"sightline/rerank"
	"sightline/store"
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

// Engine holds the parts that searches are answered from. All of them are safe
// for concurrent use and so is Engine once its fields are set.
type Engine struct {
	Texts       TextEncoder
	Images      ImageEncoder
	Index       Index
	Reranker    Reranker
	Fingerprint string // of the model, goes into every answer
	// Calibrated says that match probabilities mean what they say, so that
	// "none reaches a half" can be told without a min_match.
	Calibrated bool
	Cache      *ResultCache   // nil for none; used by the REST API, not by Search
	Embeddings EmbeddingCache // of query texts; nil for none
}

// EmbeddingCache remembers embeddings of texts; cache.Embeddings is one.
type EmbeddingCache interface {
	Get(fingerprint, text string) ([]float32, bool)
	Set(fingerprint, text string, embedding []float32)
}

// errNoItem says that the request names an item that the index does not have.
var errNoItem = errors.New("no such item in the index")

// query is a request after encoding.
type query struct {
	tokens    encoder.Query // empty for a picture
	embedding []float32
	exclude   []string // the item that the picture came from
}

// Search answers one request. It has one absolute deadline, shared by all
// stages, that starts now. Errors: *Invalid, *picture.Error,
// context.DeadlineExceeded when the deadline came before there were any
// candidates, context.Canceled when the caller left. A second look that is
// late, broken or full is no error: see SearchResponse.Rerank.
func (e *Engine) Search(ctx context.Context, req SearchRequest) (SearchResponse, error) {
	start := time.Now()
	if err := req.Validate(); err != nil {
		return SearchResponse{}, err
	}
	ctx, cancel := context.WithDeadline(ctx, start.Add(req.Deadline))
	defer cancel()
	res := e.newResponse(req)

	q, err := e.encode(ctx, req, &res)
	if err != nil {
		return SearchResponse{}, fmt.Errorf("encode query: %w", err)
	}

	lap := time.Now()
	hits, err := e.Index.Search(ctx, store.Query{Embedding: q.embedding, K: req.candidates(), Exclude: q.exclude, Filter: req.Filter})
	if err != nil {
		return SearchResponse{}, fmt.Errorf("find candidates: %w", err)
	}
	res.Timings.Search = since(lap)

	lap = time.Now()
	ranked := e.secondLook(ctx, req, q.tokens, firstLook(hits), &res)
	if errors.Is(ctx.Err(), context.Canceled) {
		return SearchResponse{}, fmt.Errorf("second look: %w", ctx.Err())
	}
	res.Timings.Rerank = since(lap)

	res.fill(req, ranked)
	res.Timings.Total = since(start)
	return res, nil
}

func (e *Engine) newResponse(req SearchRequest) SearchResponse {
	res := SearchResponse{Model: e.Fingerprint, calibrated: e.Calibrated}
	res.Query.Text = req.Text
	return res
}

// encode turns whatever the request searches by into an embedding.
func (e *Engine) encode(ctx context.Context, req SearchRequest, res *SearchResponse) (query, error) {
	lap := time.Now()
	switch {
	case req.ImageID != "":
		q, err := e.stored(ctx, req.ImageID)
		res.Timings.Encode = since(lap)
		return q, err
	case len(req.Image) > 0:
		q, err := e.picture(ctx, req.Image)
		res.Timings.Encode = since(lap)
		return q, err
	}
	tokens := e.Texts.Tokenize(req.Text)
	res.Timings.Tokenize = since(lap)
	res.Query.Tokens, res.Query.Cut = len(tokens.IDs), tokens.Cut
	if len(tokens.IDs) <= 2 { // [CLS] and [SEP] alone: the text was all punctuation
		return query{}, invalid("text", "has no words that the model can read; describe the picture in words")
	}
	lap = time.Now()
	q, err := e.words(ctx, req.Text, tokens)
	res.Timings.Encode = since(lap)
	return q, err
}

func (e *Engine) words(ctx context.Context, text string, tokens encoder.Query) (query, error) {
	if e.Embeddings == nil {
		embedding, err := e.embed(ctx, tokens)
		return query{tokens: tokens, embedding: embedding}, err
	}
	if known, ok := e.Embeddings.Get(e.Fingerprint, text); ok {
		return query{tokens: tokens, embedding: known}, nil
	}
	embedding, err := e.embed(ctx, tokens)
	if err != nil {
		return query{}, err
	}
	e.Embeddings.Set(e.Fingerprint, text, embedding)
	return query{tokens: tokens, embedding: embedding}, nil
}

func (e *Engine) embed(ctx context.Context, tokens encoder.Query) ([]float32, error) {
	embeddings, err := e.Texts.Texts(ctx, []encoder.Query{tokens})
	if err != nil {
		return nil, err
	}
	if len(embeddings) != 1 {
		return nil, fmt.Errorf("%d embeddings for one text", len(embeddings))
	}
	return embeddings[0], nil
}

// picture decodes and encodes an upload. Decoding cannot be interrupted, hence
// the look at ctx before the costlier tower.
func (e *Engine) picture(ctx context.Context, data []byte) (query, error) {
	pixels, err := e.Images.Pixels(data)
	if err != nil {
		return query{}, err
	}
	if err := ctx.Err(); err != nil {
		return query{}, err
	}
	features, err := e.Images.Images(ctx, []encoder.Pixels{pixels})
	if err != nil {
		return query{}, err
	}
	if len(features) != 1 {
		return query{}, fmt.Errorf("%d embeddings for one picture", len(features))
	}
	return query{embedding: features[0].Embedding}, nil
}

// stored searches by an item's own embedding. The item is left out of its own answer.
func (e *Engine) stored(ctx context.Context, id string) (query, error) {
	entries, err := e.Index.Get(ctx, []string{id})
	if err != nil {
		return query{}, err
	}
	if len(entries) == 0 || len(entries[0].Embedding) == 0 {
		return query{}, errNoItem
	}
	return query{embedding: entries[0].Embedding, exclude: []string{id}}, nil
}

// firstLook puts the index's hits in an answer's form, in cosine order.
func firstLook(hits []store.Hit) []Hit {
	ranked := make([]Hit, len(hits))
	for i, h := range hits {
		ranked[i] = Hit{ID: h.Item.ID, Score: h.ITC, ITC: h.ITC, ITCRank: i + 1, Item: h.Item, picture: h.Picture}
	}
	return ranked
}

// secondLook re-orders the first Depth hits by reading them again with the
// query. The others stay below, in cosine order. A picture has no words to read
// with, so its answer keeps the first order.
func (e *Engine) secondLook(ctx context.Context, req SearchRequest, tokens encoder.Query, hits []Hit, res *SearchResponse) []Hit {
	if !req.Rerank || req.byPicture() {
		res.Rerank.Stopped = rerank.StoppedDisabled
		return hits
	}
	ctx, cancel := context.WithTimeout(ctx, timeLeft(ctx)-reserve(req.Deadline))
	defer cancel()
	head := hits[:min(req.Depth, len(hits))]
	cands := make([]rerank.Candidate, len(head))
	places := make(map[string]int, len(head))
	for i, h := range head {
		cands[i] = rerank.Candidate{ID: h.ID, Picture: h.picture, ITC: h.ITC}
		places[h.ID] = i
	}
	out := e.Reranker.Rerank(ctx, tokens, cands)
	res.Rerank.Scored, res.Rerank.Of, res.Rerank.Stopped, res.rerankErr = out.Scored, out.Of, out.Stopped, out.Err
	ranked := make([]Hit, 0, len(hits))
	for _, s := range out.Hits {
		h := head[places[s.ID]]
		h.Score, h.ITMLogit, h.Margin, h.MatchProbability = s.Score, s.Logit, s.Margin, s.Probability
		h.inDepth = true
		ranked = append(ranked, h)
	}
	return append(ranked, hits[len(head):]...)
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
