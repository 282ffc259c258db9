package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sightline/rerank"
)

// reranked is an answer and what of it is for the log.
type reranked struct {
	rerankAnswer

	err error
}

// rerank answers one request. It has one absolute deadline. A second look that
// comes to no end is no error.
func (e *Engine) rerank(ctx context.Context, req rerankRequest) (reranked, error) {
	start := time.Now()
	defer e.ahead()()
	ctx, cancel := context.WithDeadline(ctx, start.Add(req.deadline))
	defer cancel()
	res := reranked{rerankAnswer: rerankAnswer{Object: "list", Model: e.Fingerprint}}
	match := e.textToPictures
	if res.Rerank.Read = ReadPictures; req.query.isPicture() {
		match, res.Rerank.Read = e.pictureToTexts, ReadTitles
	}
	s, err := match(ctx, req, &res)
	if err != nil {
		return res, err
	}
	if err := cancelled(ctx); err != nil {
		return res, err
	}
	res.Rerank.Part, res.err = s.part, s.err
	if s.part.Stopped == rerank.StoppedDisabled {
		res.Rerank.Read = ""
	}
	res.fill(req, s.readings)
	res.Usage.TotalTokens, res.Meta.Tokens.Input = res.Usage.PromptTokens, res.Usage.PromptTokens
	res.Timings.Total = since(start)
	return res, nil
}

// cancelled is the error of a caller who left; that of a deadline is none once
// there is something to answer with.
func cancelled(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("second look: %w", ctx.Err())
	}
	return nil
}

// fill puts the results in.
func (res *reranked) fill(req rerankRequest, readings []reading) {
	if req.topN > 0 {
		readings = readings[:min(req.topN, len(readings))]
	}
	res.Results = make([]rerankResult, len(readings))
	for i, r := range readings {
		out := rerankResult{Index: r.index, Score: r.score, ITC: r.itc, ITMLogit: r.logit, View: r.view}
		if r.probability != nil {
			out.RelevanceScore = *r.probability
		}
		if d := req.documents[r.index]; req.echo {
			out.Document = &echoDocument{Text: d.name, ID: d.visual.id}
			if d.text != "" {
				out.Document.Text = d.text
			}
		}
		res.Results[i] = out
	}
}

// textToPictures gets the documents and reads the query with them.
func (e *Engine) textToPictures(ctx context.Context, req rerankRequest, res *reranked) (standing, error) {
	lap := time.Now()
	q, err := e.phrase(ctx, req.query.text, "query")
	if err != nil {
		return standing{}, err
	}
	pictures, err := e.gather(ctx, gathering{pictures: req.visuals(), lenient: req.lenient})
	if err != nil {
		return standing{}, err
	}
	res.Usage.PromptTokens, res.Timings.Encode = len(q.tokens.IDs), since(lap)
	lap = time.Now()
	defer func() { res.Timings.Rerank = since(lap) }()
	ctx, cancel := context.WithTimeout(ctx, timeLeft(ctx)-reserve(req.deadline))
	defer cancel()
	return e.readPictures(ctx, q, pictures), nil
}

// phrase encodes a text of a request.
func (e *Engine) phrase(ctx context.Context, text, path string) (query, error) {
	tokens := e.Texts.Tokenize(text)
	if len(tokens.IDs) <= noWords {
		return query{}, invalid(path, "has no words that the model can read; describe the picture in words")
	}
	q, err := e.words(ctx, text, tokens)
	if err != nil {
		return query{}, fmt.Errorf("encode query: %w", err)
	}
	return q, nil
}

// visuals are the pictures of a request: the documents', in their order, and the
// query's.
func (req *rerankRequest) visuals() []*visual {
	var all []*visual
	for i := range req.documents {
		if d := &req.documents[i]; d.isPicture() {
			all = append(all, &d.visual)
		}
	}
	if req.query.isPicture() {
		all = append(all, &req.query.visual)
	}
	return all
}

// pictureToTexts reads the query's picture with the documents: texts, and of
// items their titles.
func (e *Engine) pictureToTexts(ctx context.Context, req rerankRequest, res *reranked) (standing, error) {
	lap := time.Now()
	pictures, err := e.gather(ctx, gathering{pictures: req.visuals(), lenient: req.lenient, exact: true}) // as searches by picture are read
	if err != nil {
		return standing{}, err
	}
	image, items := pictures[len(pictures)-1], pictures[:len(pictures)-1]
	if image.embedding == nil {
		return standing{}, invalid("query", "names no indexed item")
	}
	cands, err := e.textCandidates(ctx, req, image, items)
	if err != nil {
		return standing{}, err
	}
	for _, c := range cands {
		res.Usage.PromptTokens += len(c.Text.IDs)
	}
	res.Timings.Encode = since(lap)
	lap = time.Now()
	defer func() { res.Timings.Rerank = since(lap) }()
	ctx, cancel := context.WithTimeout(ctx, timeLeft(ctx)-reserve(req.deadline))
	defer cancel()
	return e.readTexts(ctx, image, cands), nil
}

// textCandidates are the documents of a picture, in their order. Of a text, the
// cosine is that of picture and text, of an item that of picture and picture.
func (e *Engine) textCandidates(ctx context.Context, req rerankRequest, image looked, items []looked) ([]rerank.TextCandidate, error) {
	cands := make([]rerank.TextCandidate, len(req.documents))
	var texts []worded
	for i, d := range req.documents {
		c := &cands[i]
		c.ID, c.ITC = place4(i), -1
		if d.isPicture() {
			item := items[0]
			items = items[1:]
			if item.item == nil { // not there, of a lenient request
				continue
			}
			_, _, c.ITC = item.nearest(image.embedding)
			c.Text = e.titled(item.item.Item)
			continue
		}
		tokens := e.Texts.Tokenize(d.text)
		if len(tokens.IDs) > noWords {
			c.Text = tokens
		}
		texts = append(texts, worded{text: d.text, tokens: tokens, path: indexed("documents", i), at: i})
	}
	embeddings, err := e.embedTexts(ctx, texts)
	if err != nil {
		return nil, err
	}
	for i, t := range texts {
		cands[t.at].ITC = cosine(image.embedding, embeddings[i])
	}
	return cands, nil
}

// worded is a text of a list.
type worded struct {
	text   string
	tokens queryTokens
	path   string
	at     int
}
