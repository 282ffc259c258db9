package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"sightline/encoder"
	"sightline/encoder/decode"
	"sightline/rerank"
)

// captionsAnswer has the pictures in the order of the request.
type captionsAnswer struct {
	Captions  []caption      `json:"captions"`
	Prompt    string         `json:"prompt"` // what the captions go on from
	Model     string         `json:"model"`
	Seed      *uint64        `json:"seed,omitempty"` // of what was drawn; the same gives the same
	Match     *Part          `json:"match,omitempty"`
	Cached    bool           `json:"cached"`
	RequestID string         `json:"request_id,omitempty"`
	Timings   writingTimings `json:"timings_ms"`

	matchErr error
}

// caption is the first of the texts about one picture, with the others where several
// were asked for.
type caption struct {
	Index int `json:"index"`
	writtenText

	Others []writtenText `json:"others,omitempty"`
}

// captioning is one request under way.
type captioning struct {
	*authors

	req     captionsRequest
	prompt  string
	options decode.Options
	seed    *uint64
}

// plan settles what the request leaves to the model, and finds what the model cannot do.
func (p *authors) plan(req captionsRequest) (captioning, error) {
	a := p.engine.Captioner
	prompt, own := a.Model.Writing()
	set(&prompt, req.prompt)
	c := captioning{authors: p, req: req, prompt: prompt}
	var wrong Invalid
	c.options, c.seed = req.over(a, own, &wrong)
	// A prompt's ids are those of a text without its last, [SEP].
	if tokens := a.Model.Tokenize(prompt); (tokens.Cut > 0 || len(tokens.IDs) > c.options.MaxLength) && len(wrong.Fields) == 0 {
		wrong.add("prompt", "has no room: it and the caption together have at most %d ids", c.options.MaxLength)
	}
	return c, wrong.err()
}

// write captions all pictures, in one absolute deadline.
func (c captioning) write(ctx context.Context) (captionsAnswer, error) {
	start := time.Now()
	ctx, cancel := context.WithDeadline(ctx, start.Add(c.req.deadline))
	defer cancel()
	a := c.engine.Captioner
	res := captionsAnswer{Captions: make([]caption, len(c.req.pictures)), Prompt: c.prompt, Model: a.Fingerprint, Seed: c.seed}
	seen, err := c.pictures(ctx, c.req.pictures, c.req.match && c.engine.Titles != nil)
	if err != nil {
		return res, err
	}
	states, err := a.look(ctx, c.req.pictures)
	if err != nil {
		return res, err
	}
	res.Timings.Encode = since(start)
	lap := time.Now()
	if err := c.captions(ctx, states, &res); err != nil {
		return res, err
	}
	res.Timings.Write = since(lap)
	if seen != nil {
		lap = time.Now()
		c.match(ctx, seen, &res)
		res.Timings.Match = since(lap)
	}
	if err := cancelled(ctx); err != nil {
		return res, err
	}
	res.Timings.Total = since(start)
	return res, nil
}

// captions puts all pictures into the queue together, so that they share steps.
func (c captioning) captions(ctx context.Context, states []encoder.States, res *captionsAnswer) error {
	a := c.engine.Captioner
	g, ctx := errgroup.WithContext(ctx)
	for i, s := range states {
		g.Go(func() error {
			written, err := a.write(taskCaption, func() (encoder.Generated, error) { return a.Pen.Caption(ctx, s, c.prompt, c.options) })
			if err != nil {
				return err
			}
			texts := textsOf(written, c.req.ids)
			res.Captions[i] = caption{Index: i, writtenText: texts[0], Others: texts[1:]}
			return nil
		})
	}
	return g.Wait()
}

// match reads each picture with what was written about it, by the model that
// searches. It fails open: what it did not come to is null.
func (c captioning) match(ctx context.Context, seen []looked, res *captionsAnswer) {
	ctx, cancel := context.WithTimeout(ctx, timeLeft(ctx)-reserve(c.req.deadline))
	defer cancel()
	res.Match = &Part{}
	for i, picture := range seen {
		one := &res.Captions[i]
		texts := []*writtenText{&one.writtenText}
		for j := range one.Others {
			texts = append(texts, &one.Others[j])
		}
		s := c.engine.readTexts(ctx, picture, c.asCandidates(texts))
		for _, r := range s.readings {
			texts[r.index].ITMLogit, texts[r.index].MatchProbability = r.logit, r.probability
		}
		res.Match.Scored += s.part.Scored
		res.Match.Of += s.part.Of
		res.Match.Stopped = cmp.Or(res.Match.Stopped, s.part.Stopped)
		res.matchErr = errors.Join(res.matchErr, s.err)
	}
}

// asCandidates are texts as the second look reads them. A prompt of the request's
// own is a part of what is said, the model's ("a picture of ") is not.
func (c captioning) asCandidates(texts []*writtenText) []rerank.TextCandidate {
	cands := make([]rerank.TextCandidate, len(texts))
	for i, t := range texts {
		words := t.Text
		if c.req.prompt != nil {
			words = *c.req.prompt + " " + words
		}
		cands[i].ID = place4(i)
		if tokens := c.engine.Texts.Tokenize(words); len(tokens.IDs) > noWords {
			cands[i].Text = tokens
		}
	}
	return cands
}

// pictures gets the bytes of all pictures, and where matched says so also what the
// model that searches sees in them: of items what is stored, of others by its tower.
func (p *authors) pictures(ctx context.Context, pictures []*visual, matched bool) ([]looked, error) {
	e := *p.engine
	if e.Aside != nil {
		e.Images = e.Aside
	}
	known := make([]looked, len(pictures))
	if err := e.lookUp(ctx, gathering{pictures: pictures}, known); err != nil {
		return nil, err
	}
	if err := e.fetchAll(ctx, pictures); err != nil {
		return nil, err
	}
	if matched {
		var fresh []*visual
		for _, v := range pictures {
			if twin := *v; v.fresh() { // gather drops the bytes, which the author needs too
				fresh = append(fresh, &twin)
			}
		}
		seen, err := e.gather(ctx, gathering{pictures: fresh, exact: true})
		if err != nil {
			return nil, err
		}
		for i, v := range pictures {
			if v.fresh() {
				known[i], seen = seen[0], seen[1:]
			}
		}
	}
	if err := p.stored(ctx, pictures, known); err != nil || !matched {
		return nil, err
	}
	return known, nil
}

// stored gets the pictures of items.
func (p *authors) stored(ctx context.Context, pictures []*visual, known []looked) error {
	for i, v := range pictures {
		if v.fresh() {
			continue
		}
		data, err := p.store.Get(ctx, known[i].key)
		if err != nil {
			return storedPicture(v, err)
		}
		v.data, v.id = data, ""
	}
	return nil
}

// recall answers from the cache where the answer would be the same.
func (c captioning) recall(ctx context.Context) (captionsAnswer, bool, error) {
	key, ok := c.cacheKey(ctx, taskCaption, c.req.pictures, c.req.sampled(), []string{
		c.engine.Captioner.Fingerprint, c.prompt,
		fmt.Sprintf("%+v ids %t match %t own %t in %s", c.options, c.req.ids, c.req.match, c.req.prompt == nil, c.req.deadline),
	})
	return recallWriting(ctx, c.authors, key, ok, c.write, func(res *captionsAnswer) bool {
		return res.matchErr == nil && (res.Match == nil || res.Match.whole())
	})
}
