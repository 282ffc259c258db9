package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"sightline/store/cache"
	"sightline/store/pictures"
)

// authors are the routes that write about pictures. They have slots of their own:
// writing takes longer than a search, and must not keep one out.
type authors struct {
	engine  *Engine
	store   Pictures
	pairs   *pairs // reads bodies
	running slots
	ranking slots
}

func newAuthors(o Options, p *pairs) *authors {
	return &authors{engine: o.Engine, store: o.Pictures, pairs: p, running: make(slots, o.MaxUploads), ranking: make(slots, 1)}
}

func (p *authors) routes(r chi.Router) {
	r.Post("/v1/captions", p.captions)
	r.Post("/v1/answers", p.answers)
}

// noAuthor says what to start the server with.
func noAuthor(what, flag, task string) error {
	return refuse(kindUnsupported, "This server "+what+": start searchd with --"+flag+" DIR, the folder of "+task+" from 'indexd model convert'.")
}

// captions serves POST /v1/captions.
func (p *authors) captions(w http.ResponseWriter, r *http.Request) {
	if p.engine.Captioner == nil {
		fail(w, r, noAuthor("writes no captions", "captioner", "a captioning model"))
		return
	}
	start := time.Now()
	req, err := readAs(p, w, r, decodeCaptions)
	if err != nil {
		fail(w, r, err)
		return
	}
	var res captionsAnswer
	c, err := p.plan(req)
	if err == nil {
		res, res.Cached, err = c.recall(r.Context())
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	if res.Cached {
		res.Timings = writingTimings{Total: since(start)}
	}
	note(r, slog.Int("pictures", len(res.Captions)))
	if res.Match != nil {
		noteLook(r, *res.Match, res.matchErr)
	}
	res.RequestID = requestID(r)
	respond(w, r, res)
}

// answers serves POST /v1/answers.
func (p *authors) answers(w http.ResponseWriter, r *http.Request) {
	if p.engine.Answerer == nil {
		fail(w, r, noAuthor("answers no questions", "answerer", "an answering model"))
		return
	}
	start := time.Now()
	req, err := readAs(p, w, r, decodeAnswers)
	if err != nil {
		fail(w, r, err)
		return
	}
	var res answersAnswer
	q, err := p.planAnswer(req)
	if err == nil {
		res, res.Cached, err = q.recall(r.Context())
	}
	if err != nil {
		fail(w, r, err)
		return
	}
	if res.Cached {
		res.Timings = writingTimings{Total: since(start)}
	}
	res.RequestID = requestID(r)
	respond(w, r, res)
}

func readAs[T any](p *authors, w http.ResponseWriter, r *http.Request, decode func([]byte) (T, error)) (req T, err error) {
	body, err := p.pairs.jsonBody(w, r, false)
	if err != nil {
		return req, err
	}
	return decode(body)
}

// begin takes the slot of a request that writes.
func (p *authors) begin() (give func(), err error) {
	give, ok := p.running.take()
	if !ok {
		return nil, refuse(kindBusy, "Too many requests to write about pictures are under way ("+strconv.Itoa(cap(p.running))+"): try again in a moment.")
	}
	return give, nil
}

// storedPicture tells of a stored picture that cannot be had.
func storedPicture(v *visual, err error) error {
	if errors.Is(err, pictures.ErrNotFound) {
		return &refusal{kind: kindNotFound, detail: "There is no stored picture of this item.", err: err, fields: []FieldProblem{{Field: v.path, Detail: "names an item whose picture is not stored: send the item's picture again"}}}
	}
	return fmt.Errorf("get picture: %w", err)
}

// writingKey is what an answer depends on.
type writingKey struct {
	Task     string
	Variant  string // of the model that searches, which reads what was written
	Pictures []string
	Parts    []string
}

// cacheKey is false for what must not come from a cache: what is drawn, and what an
// address has, which may be another picture tomorrow.
func (p *authors) cacheKey(ctx context.Context, task string, pictures []*visual, drawn bool, parts []string) (string, bool) {
	e := p.engine
	if e.Cache == nil || drawn {
		return "", false
	}
	k := writingKey{Task: task, Variant: e.Cache.Variant, Parts: parts}
	for _, v := range pictures {
		if v.url != "" {
			return "", false
		}
		name := "id " + v.id
		if v.fresh() {
			name = keyOf(v)
		}
		k.Pictures = append(k.Pictures, name)
	}
	generation, ok := e.Cache.Generation(ctx)
	if !ok {
		return "", false
	}
	key, err := cache.Key{Fingerprint: e.Fingerprint, Generation: generation, Request: k}.Hash()
	return key, err == nil
}

// recallWriting answers from the cache under key, or by write, one of a key at a
// time. Each that writes takes a slot.
func recallWriting[T any](ctx context.Context, p *authors, key string, ok bool, write func(context.Context) (T, error), whole func(*T) bool) (T, bool, error) {
	slotted := func(ctx context.Context) (res T, err error) {
		give, err := p.begin()
		if err != nil {
			return res, err
		}
		defer give()
		return write(ctx)
	}
	if !ok {
		res, err := slotted(ctx)
		return res, false, err
	}
	var res T
	value, cached, err := p.engine.Cache.Answers.Fetch(ctx, key, func(ctx context.Context) (cache.Loaded, error) {
		res, err := slotted(ctx)
		if err != nil {
			return cache.Loaded{}, err
		}
		value, err := encodeJSON(res)
		return cache.Loaded{Value: value, Keep: whole(&res)}, err
	})
	if err != nil {
		return res, false, err
	}
	if err := json.Unmarshal(value, &res); err != nil {
		return res, false, fmt.Errorf("read cached answer: %w", err)
	}
	return res, cached, nil
}
