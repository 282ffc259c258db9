package api

import (
	"context"
	"fmt"
	"math"
	"time"

	"sightline/encoder"
	"sightline/encoder/picture"
)

// query is a request after encoding.
type query struct {
	embedding []float32
	exclude   []string      // the item that the picture came from
	tokens    encoder.Query // of the text; empty for a picture alone
	negative  encoder.Query // of the negative text
	picture   seen          // zero for a text alone
}

// seen is the picture of a query for those who read it with titles: its patch
// states, or where they are stored.
type seen struct {
	embedding []float32
	states    encoder.States
	key       string
}

// encode turns whatever the request searches by into one embedding.
func (e *Engine) encode(ctx context.Context, req SearchRequest, res *SearchResponse) (query, error) {
	q := query{}
	if req.ImageID != "" {
		q.exclude = []string{req.ImageID} // the item is left out of its own answer
	}
	if err := e.tokenize(req, &q, res); err != nil {
		return q, err
	}
	lap := time.Now()
	err := e.embedQuery(ctx, req, &q)
	res.Timings.Encode = since(lap)
	if err == nil && q.embedding == nil {
		err = invalid("text", "is cancelled out by what it is combined with: choose other weights or words")
	}
	return q, err
}

func (e *Engine) embedQuery(ctx context.Context, req SearchRequest, q *query) error {
	var err error
	if req.hasPicture() {
		if q.picture, err = e.picture(ctx, req); err != nil {
			return err
		}
		q.embedding = q.picture.embedding
	}
	if req.hasText() {
		text, err := e.words(ctx, req.Text, q.tokens)
		if err != nil {
			return err
		}
		if q.embedding = text.embedding; req.composed() {
			q.embedding = sum(text.embedding, 1-req.ImageWeight, q.picture.embedding, req.ImageWeight)
		}
	}
	if req.hasNegative() && q.embedding != nil {
		less, err := e.words(ctx, req.Negative, q.negative)
		if err != nil {
			return err
		}
		q.embedding = sum(q.embedding, 1, less.embedding, -req.NegativeWeight)
	}
	return nil
}

// tokenize reads both texts of a request and reports all that have no words.
func (e *Engine) tokenize(req SearchRequest, q *query, res *SearchResponse) error {
	lap := time.Now()
	var wrong Invalid
	if req.hasText() {
		q.tokens = e.Texts.Tokenize(req.Text)
		res.Query.Tokens, res.Query.Cut = len(q.tokens.IDs), q.tokens.Cut
		if len(q.tokens.IDs) <= noWords {
			wrong.add("text", "has no words that the model can read; describe the picture in words")
		}
	}
	if req.hasNegative() {
		q.negative = e.Texts.Tokenize(req.Negative)
		if len(q.negative.IDs) <= noWords {
			wrong.add("negative", "has no words that the model can read; leave it out, or say in words what hits should not be like")
		}
	}
	res.Timings.Tokenize = since(lap)
	return wrong.err()
}

// noWords is [CLS] and [SEP] alone: the text was all punctuation.
const noWords = 2

// sum is the unit vector of wa·a + wb·b; nil where the two cancel each other out.
func sum(a []float32, wa float64, b []float32, wb float64) []float32 {
	if len(a) != len(b) {
		return nil
	}
	both := make([]float64, len(a))
	var squares float64
	for i := range a {
		both[i] = wa*float64(a[i]) + wb*float64(b[i])
		squares += both[i] * both[i]
	}
	// Unit vectors of float32 are exact to some 1e-7: of what is left below 1e-5,
	// the direction would be made of rounding.
	norm := math.Sqrt(squares)
	if norm < 1e-5 {
		return nil
	}
	unit := make([]float32, len(both))
	for i, v := range both {
		unit[i] = float32(v / norm)
	}
	return unit
}

// words encodes a text that has been tokenized.
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

func (e *Engine) picture(ctx context.Context, req SearchRequest) (seen, error) {
	if req.ImageID != "" {
		return e.stored(ctx, req.ImageID)
	}
	data := req.Image
	if req.ImageURL != "" {
		v := visual{path: "image.url", url: req.ImageURL}
		if err := e.fetch(ctx, &v); err != nil {
			return seen{}, err
		}
		data = v.data
	}
	return e.upload(ctx, data, req.ImageBox)
}

// upload decodes and encodes a picture; one run of the vision tower gives both
// its embedding and its patch states. Decoding cannot be interrupted, hence the
// look at ctx before the costlier tower.
func (e *Engine) upload(ctx context.Context, data []byte, box picture.Box) (seen, error) {
	pixels, err := e.pixels(data, box)
	if err != nil {
		return seen{}, err
	}
	if err := ctx.Err(); err != nil {
		return seen{}, err
	}
	features, err := e.Images.Images(ctx, []encoder.Pixels{pixels})
	if err != nil {
		return seen{}, err
	}
	if len(features) != 1 {
		return seen{}, fmt.Errorf("%d embeddings for one picture", len(features))
	}
	return seen{embedding: features[0].Embedding, states: features[0].States}, nil
}

// stored is an item's main picture.
func (e *Engine) stored(ctx context.Context, id string) (seen, error) {
	entries, err := e.Index.Get(ctx, []string{id})
	if err != nil {
		return seen{}, err
	}
	if len(entries) == 0 || len(entries[0].Embedding) == 0 {
		return seen{}, errNoItem
	}
	return seen{embedding: entries[0].Embedding, key: entries[0].Picture}, nil
}
