package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sightline/encoder/picture"
	"sightline/store/cache"
	"sightline/store/filter"
)

// Answers keep what was worked out, and let those who ask for the same at the
// same time share one load; cache.Fetcher is one. They are safe for concurrent use.
type Answers interface {
	Fetch(ctx context.Context, key string, load cache.Load) (value []byte, cached bool, err error)
}

// ResultCache answers repeated searches without searching again. It is safe
// for concurrent use when its parts are.
type ResultCache struct {
	Answers Answers
	// Generation gives the number of the catalogue's last change. Where it is
	// not known (ok is false), the search does without the cache.
	Generation func(ctx context.Context) (generation uint64, ok bool)
	// Variant is whatever answers depend on besides model, catalogue and
	// request, such as the model's calibration, weights and rules.
	Variant string
}

// question is the part of a request that its answer depends on. The deadline
// is in it because callers of one key share one search, and a short deadline
// can make it a lesser one.
type question struct {
	Variant    string
	Tokens     []int64 // words that the model reads alike are one question
	ImageID    string
	Image      string // sha256 of the upload
	Box        picture.Box
	Weight     *float64 // of the picture beside text
	Negative   []int64  // tokens
	Less       *float64 // weight of Negative
	Titles     bool
	Limit      int
	Offset     int
	Depth      int // 0 without a second look
	DeadlineMS int64
	Filter     string
	MinMatch   *float64
	GroupBy    string
	Diversity  float64
	Rules      string // JSON
	Facets     string
	Explain    bool
	Hidden     bool // items that are hidden are found too
}

// answer is a SearchResponse whose hits may still be in the form in which the
// cache keeps them, which is that of the HTTP answer.
type answer struct {
	SearchResponse

	hits []byte // JSON instead of Hits, where not nil
	size int    // number of hits
	tag  string // ETag; "" where it was not worked out
}

// noHits begins a SearchResponse without hits.
const noHits = `{"hits":null`

// encode makes the body of the HTTP answer. Hits that are JSON are put in as they
// are: to have them read and written once more would take most of the time of an
// answer from the cache.
func (a answer) encode() ([]byte, error) {
	if a.hits == nil {
		return encodeJSON(a.SearchResponse)
	}
	rest, err := encodeJSON(a.SearchResponse)
	if err != nil {
		return nil, err
	}
	after, ok := bytes.CutPrefix(rest, []byte(noHits))
	if !ok {
		return nil, fmt.Errorf("an answer without hits begins with %.20q", rest)
	}
	body := make([]byte, 0, len(rest)+len(a.hits))
	return append(append(append(body, `{"hits":`...), a.hits...), after...), nil
}

// etag is of what the answer says, not of when and how fast: times, the request's
// id and the query, which the address has, are left out.
func (a answer) etag() (string, error) {
	if a.tag != "" {
		return a.tag, nil
	}
	hits, err := a.hits, error(nil)
	if hits == nil {
		if hits, err = encodeJSON(a.Hits); err != nil {
			return "", err
		}
	}
	return tagOf(trimmed(hits), a.SearchResponse)
}

func tagOf(hits []byte, res SearchResponse) (string, error) {
	res.Hits, res.Query, res.Timings, res.Cached, res.RequestID = nil, SearchResponse{}.Query, Timings{}, false, ""
	rest, err := encodeJSON(res)
	if err != nil {
		return "", err
	}
	return weakTag(hits, rest), nil
}

// kept is the head of an answer as the cache holds it; behind it stand the hits.
type kept struct {
	Size     int            `json:"size"`
	Tag      string         `json:"tag"`
	Failure  string         `json:"failure"`  // of the second look, for the logs of those who shared the search
	Response SearchResponse `json:"response"` // without Hits
}

// pack puts the length of the head first.
func (k kept) pack(hits []byte) ([]byte, error) {
	head, err := encodeJSON(k)
	if err != nil {
		return nil, err
	}
	value := make([]byte, 0, binary.MaxVarintLen64+len(head)+len(hits))
	value = binary.AppendUvarint(value, uint64(len(head)))
	return append(append(value, head...), hits...), nil
}

// unpack reads what pack wrote.
func unpack(value []byte) (k kept, hits []byte, err error) {
	size, n := binary.Uvarint(value)
	if n <= 0 || size > uint64(len(value)-n) {
		return k, nil, fmt.Errorf("a head of %d bytes in a value of %d", size, len(value))
	}
	head, hits := value[n:n+int(size)], value[n+int(size):]
	return k, hits, json.Unmarshal(head, &k)
}

// recall answers from the cache, or else by search, of which one a question
// runs at a time. Its errors are those of search and of ctx.
func (e *Engine) recall(ctx context.Context, req SearchRequest, search func(context.Context, SearchRequest) (SearchResponse, error)) (answer, error) {
	start := time.Now()
	key, ok := e.cacheKey(ctx, req)
	if !ok {
		res, err := search(ctx, req)
		return answer{SearchResponse: res, size: len(res.Hits)}, err
	}
	value, cached, err := e.Cache.Answers.Fetch(ctx, key, func(ctx context.Context) (cache.Loaded, error) {
		res, err := search(ctx, req)
		if err != nil {
			return cache.Loaded{}, err
		}
		return keep(res)
	})
	if err != nil {
		return answer{}, err
	}
	k, hits, err := unpack(value)
	if err != nil {
		return answer{}, fmt.Errorf("read cached answer: %w", err)
	}
	a := answer{SearchResponse: k.Response, hits: hits, size: k.Size, tag: k.Tag}
	e.address(&a.SearchResponse, req, k.Failure)
	if a.Cached = cached; cached {
		a.Timings = Timings{Total: since(start)}
	}
	return a, nil
}

// address makes a shared answer that of one request.
func (e *Engine) address(res *SearchResponse, req SearchRequest, failure string) {
	res.Query.Text = req.Text
	if failure != "" {
		res.rerankErr = errors.New(failure)
	}
	if req.hasText() {
		tokens := e.Texts.Tokenize(req.Text)
		res.Query.Tokens, res.Query.Cut = len(tokens.IDs), tokens.Cut
	}
}

// keep encodes an answer. One whose second look was cut short, or whose order
// lacks a part, is given to those who wait for it and not kept: the next try may
// come further. A look that settled its page early is not cut short.
func keep(res SearchResponse) (cache.Loaded, error) {
	k := kept{Size: len(res.Hits), Response: res}
	k.Response.Hits = nil
	if res.rerankErr != nil {
		k.Failure = res.rerankErr.Error()
	}
	hits, err := encodeJSON(res.Hits)
	if err != nil {
		return cache.Loaded{}, err
	}
	hits = trimmed(hits)
	if k.Tag, err = tagOf(hits, res); err != nil {
		return cache.Loaded{}, err
	}
	value, err := k.pack(hits)
	if err != nil {
		return cache.Loaded{}, err
	}
	whole := res.Rerank.final() && res.Rerank.Titles.whole() && res.Rerank.Negative.whole() && len(res.Blend.Failed) == 0 && res.facetsFailed == ""
	return cache.Loaded{Value: value, Keep: whole}, nil
}

// cacheKey is false for what must not come from a cache, and for requests that
// search refuses. What an address has may be another picture tomorrow.
func (e *Engine) cacheKey(ctx context.Context, req SearchRequest) (string, bool) {
	if e.Cache == nil || req.ImageURL != "" || req.Validate() != nil {
		return "", false
	}
	generation, ok := e.Cache.Generation(ctx)
	if !ok {
		return "", false
	}
	q := e.question(req)
	if q.Rules, ok = rulesKey(req.Rules); !ok {
		return "", false
	}
	key, err := cache.Key{Fingerprint: e.Fingerprint, Generation: generation, Request: q}.Hash()
	return key, err == nil
}

func (e *Engine) question(req SearchRequest) question {
	q := question{
		Variant: e.Cache.Variant, ImageID: req.ImageID, Limit: req.Limit, Offset: req.Offset,
		DeadlineMS: req.Deadline.Milliseconds(), MinMatch: req.MinMatch,
		GroupBy: req.GroupBy, Diversity: req.Diversity, Facets: facetsKey(req.Facets), Explain: req.Explain, Hidden: req.IncludeHidden,
	}
	if len(req.Image) > 0 {
		sum := sha256.Sum256(req.Image)
		q.Image, q.Box = hex.EncodeToString(sum[:]), req.ImageBox
	}
	if req.hasText() {
		q.Tokens = e.Texts.Tokenize(req.Text).IDs
	}
	if req.composed() {
		q.Weight, q.Titles = &req.ImageWeight, req.Titles
	}
	if req.hasNegative() {
		q.Negative, q.Less = e.Texts.Tokenize(req.Negative).IDs, &req.NegativeWeight
	}
	if req.Rerank {
		q.Depth = req.Depth
	}
	if req.Filter != nil {
		q.Filter = filter.Key(req.Filter)
	}
	return q
}
