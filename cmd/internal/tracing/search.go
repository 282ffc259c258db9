package tracing

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"sightline/api"
	"sightline/encoder"
	"sightline/encoder/decode"
	"sightline/encoder/picture"
	"sightline/rerank"
	"sightline/store"
	"sightline/store/features"
	"sightline/store/filter"
)

// Engine wraps the stages of a search: tokenize, encode, search, second look,
// facets.
func (t *Tracing) Engine(e api.Engine) api.Engine {
	if t == nil {
		return e
	}
	e.Texts = texts{e.Texts, t}
	e.Images = images{e.Images, t}
	e.Index = index{e.Index, t}
	if e.Facets != nil {
		e.Facets = facets{e.Facets, t}
	}
	e.Reranker = secondLook{e.Reranker, t}
	if e.Titles != nil {
		e.Titles = titleLook{e.Titles, t}
	}
	if e.Aside != nil {
		e.Aside = images{e.Aside, t}
	}
	e.Captioner, e.Answerer = t.author(e.Captioner), t.author(e.Answerer)
	observe := e.Observe
	e.Observe = func(ctx context.Context, req api.SearchRequest, res *api.SearchResponse) {
		if observe != nil {
			observe(ctx, req, res)
		}
		describeSearch(ctx, req, res)
	}
	return e
}

// describeSearch adds to the request's span what has no span of its own:
// tokenizing and fusing take microseconds.
func describeSearch(ctx context.Context, req api.SearchRequest, res *api.SearchResponse) {
	trace.SpanFromContext(ctx).SetAttributes(
		attribute.Float64("sightline.tokenize_ms", inMS(time.Duration(res.Timings.Tokenize))),
		attribute.Float64("sightline.blend_ms", inMS(time.Duration(res.Timings.Blend))),
		attribute.Int("sightline.tokens", res.Query.Tokens), attribute.Int("sightline.hits", len(res.Hits)),
		attribute.Int64("sightline.deadline_ms", req.Deadline.Milliseconds()), attribute.String("sightline.stopped", res.Rerank.Stopped),
		attribute.StringSlice("sightline.blend_failed", res.Blend.Failed),
	)
}

func inMS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

type texts struct {
	api.TextEncoder
	t *Tracing
}

// Texts encodes in a span.
func (x texts) Texts(ctx context.Context, queries []encoder.Query) ([][]float32, error) {
	tokens := 0
	for _, q := range queries {
		tokens += len(q.IDs)
	}
	return spanOf(ctx, x.t, "encode text", func(ctx context.Context) ([][]float32, error) {
		return x.TextEncoder.Texts(ctx, queries)
	}, attribute.Int("sightline.texts", len(queries)), attribute.Int("sightline.tokens", tokens))
}

type images struct {
	api.ImageEncoder
	t *Tracing
}

// Images encodes in a span.
func (x images) Images(ctx context.Context, batch []encoder.Pixels) ([]encoder.Features, error) {
	return spanOf(ctx, x.t, "encode picture", func(ctx context.Context) ([]encoder.Features, error) {
		return x.ImageEncoder.Images(ctx, batch)
	}, attribute.Int("sightline.pictures", len(batch)))
}

// PixelsWithin decodes a part of a picture, as far as the encoder can.
func (x images) PixelsWithin(data []byte, box picture.Box) (encoder.Pixels, error) {
	c, ok := x.ImageEncoder.(interface {
		PixelsWithin(data []byte, box picture.Box) (encoder.Pixels, error)
	})
	if !ok {
		return nil, errNoParts
	}
	return c.PixelsWithin(data, box)
}

var errNoParts = errors.New("the encoder of pictures knows no parts of them")

// author makes spans of looking and of writing; nil stays nil.
func (t *Tracing) author(a *api.Author) *api.Author {
	if a == nil {
		return nil
	}
	traced := *a
	traced.Images, traced.Pen = images{a.Images, t}, pen{a.Pen, t}
	return &traced
}

type pen struct {
	api.Pen
	t *Tracing
}

// Caption writes in a span, the time in the queue included.
func (x pen) Caption(ctx context.Context, states encoder.States, prompt string, o decode.Options) (encoder.Generated, error) {
	return spanOf(ctx, x.t, "caption", func(ctx context.Context) (encoder.Generated, error) {
		return noted(ctx)(x.Pen.Caption(ctx, states, prompt, o))
	}, attribute.Int("sightline.beams", o.Beams))
}

// Answer writes in a span, the time in the queue included.
func (x pen) Answer(ctx context.Context, states encoder.States, question encoder.Query, o decode.Options) (encoder.Generated, error) {
	return spanOf(ctx, x.t, "answer", func(ctx context.Context) (encoder.Generated, error) {
		return noted(ctx)(x.Pen.Answer(ctx, states, question, o))
	}, attribute.Int("sightline.beams", o.Beams), attribute.Int("sightline.tokens", len(question.IDs)))
}

// noted says in the span how much was written.
func noted(ctx context.Context) func(encoder.Generated, error) (encoder.Generated, error) {
	return func(g encoder.Generated, err error) (encoder.Generated, error) {
		trace.SpanFromContext(ctx).SetAttributes(attribute.Int("sightline.written", len(g.Tokens)))
		return g, err
	}
}

type index struct {
	api.Index
	t *Tracing
}

// Search asks the index in a span.
func (x index) Search(ctx context.Context, q store.Query) (hits []store.Hit, err error) {
	err = x.t.within(ctx, "search", func(ctx context.Context) error {
		hits, err = x.Index.Search(ctx, q)
		trace.SpanFromContext(ctx).SetAttributes(attribute.Int("sightline.hits", len(hits)))
		return err
	}, attribute.Int("sightline.k", q.K), attribute.Bool("sightline.filtered", q.Filter != nil), attribute.String("sightline.group_by", q.GroupBy))
	return hits, err
}

type facets struct {
	api.FacetSource
	t *Tracing
}

// Facets counts in a span.
func (x facets) Facets(ctx context.Context, e filter.Expr, fields []string, limit int) (map[string][]store.FacetCount, error) {
	return spanOf(ctx, x.t, "facets", func(ctx context.Context) (map[string][]store.FacetCount, error) {
		return x.FacetSource.Facets(ctx, e, fields, limit)
	}, attribute.StringSlice("sightline.fields", fields))
}

type secondLook struct {
	api.Reranker
	t *Tracing
}

// Rerank looks in a span.
func (x secondLook) Rerank(ctx context.Context, q encoder.Query, cands []rerank.Candidate) rerank.Outcome {
	return x.t.look(ctx, rerankSpan, func(ctx context.Context) rerank.Outcome { return x.Reranker.Rerank(ctx, q, cands) })
}

// RerankPage looks in a span, as far as the reranker knows pages.
func (x secondLook) RerankPage(ctx context.Context, q encoder.Query, cands []rerank.Candidate, page int) rerank.Outcome {
	paged, ok := x.Reranker.(interface {
		RerankPage(ctx context.Context, q encoder.Query, cands []rerank.Candidate, page int) rerank.Outcome
	})
	if !ok {
		return x.Rerank(ctx, q, cands)
	}
	return x.t.look(ctx, rerankSpan, func(ctx context.Context) rerank.Outcome { return paged.RerankPage(ctx, q, cands, page) })
}

type titleLook struct {
	api.TitleReader
	t *Tracing
}

// RerankTexts looks in a span.
func (x titleLook) RerankTexts(ctx context.Context, image encoder.States, cands []rerank.TextCandidate) rerank.Outcome {
	return x.t.look(ctx, "rerank titles", func(ctx context.Context) rerank.Outcome { return x.TitleReader.RerankTexts(ctx, image, cands) })
}

const rerankSpan = "rerank"

func (t *Tracing) look(ctx context.Context, name string, do func(context.Context) rerank.Outcome) rerank.Outcome {
	ctx, span := t.tracer.Start(ctx, name)
	defer span.End()
	out := do(ctx)
	span.SetAttributes(
		attribute.Int("sightline.scored", out.Scored), attribute.Int("sightline.of", out.Of), attribute.Int("sightline.missing", out.Missing),
		attribute.String("sightline.stopped", out.Stopped), attribute.Float64("sightline.wait_ms", out.WaitMS),
		attribute.Float64("sightline.states_ms", out.FeaturesMS), attribute.Float64("sightline.match_ms", out.MatchMS),
	)
	note(span, out.Err)
	return out
}

// Matcher is what a second look runs on the device.
type Matcher interface {
	rerank.Matcher
	rerank.TextMatcher
}

// Matcher makes a span of each run. One that several requests share is in the
// trace of the first of them.
func (t *Tracing) Matcher(m Matcher) Matcher {
	if t == nil {
		return m
	}
	return matcher{m, t}
}

type matcher struct {
	Matcher
	t *Tracing
}

// Match runs in a span.
func (m matcher) Match(ctx context.Context, q encoder.Query, states []encoder.States) ([]encoder.Logits, error) {
	if !traced(ctx) { // a probe, which belongs to no request
		return m.Matcher.Match(ctx, q, states)
	}
	return spanOf(ctx, m.t, "match", func(ctx context.Context) ([]encoder.Logits, error) {
		return m.Matcher.Match(ctx, q, states)
	}, attribute.Int("sightline.pairs", len(states)), attribute.Int("sightline.tokens", len(q.IDs)))
}

// States makes spans of patch states that take a while to come, such as from a
// bucket: one for each of fifty that are at hand would say nothing.
func (t *Tracing) States(s rerank.FeatureSource) rerank.FeatureSource {
	if t == nil {
		return s
	}
	return states{s, t}
}

type states struct {
	rerank.FeatureSource
	t *Tracing
}

const slowStates = time.Millisecond

// Get reads patch states.
func (s states) Get(ctx context.Context, key string) (features.Record, bool, error) {
	begin := time.Now()
	r, ok, err := s.FeatureSource.Get(ctx, key)
	if err == nil && time.Since(begin) < slowStates || !traced(ctx) {
		return r, ok, err
	}
	_, span := s.t.tracer.Start(ctx, "load states", trace.WithTimestamp(begin), trace.WithAttributes(attribute.Bool("sightline.found", ok)))
	note(span, err)
	span.End()
	return r, ok, err
}
